"""Decide which dead letters a replay sends back, and say why it leaves others out. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from consumers.deadletters.letters import Letter, Place

MAX_REPLAYS: Final = 3
INTERNAL: Final = "__"  # what the names of Kafka's own topics begin with


def refusal(
    letter: Letter,
    *,
    replayed: Container[str],
    topics: Container[str],
    dlq_topic: str,
    max_replays: int = MAX_REPLAYS,
) -> str | None:
    """Say why *letter* is not to be replayed, ``None`` if it is.

    *replayed* holds the ids of those that were, *topics* the topics that there are.
    """
    if letter.origin is None or not letter.id:
        return "it does not say where it came from"
    if letter.id in replayed:
        return "replayed already"
    if letter.replays >= max_replays:
        return f"died after {letter.replays} replays, and --max-replays is {max_replays}"
    topic = letter.origin.topic
    if topic == dlq_topic:
        return "from this very topic"
    if topic in topics and not topic.startswith(INTERNAL):
        return None
    # Who may not see a topic is not told that it exists.
    unseen = "gone, or not to be seen by this user"
    return f"from {topic}, which is {unseen if topic not in topics else 'internal to Kafka'}"


class Plan(NamedTuple):
    """What a replay would do: the letters it sends back, and why it does not others.

    Those *left_out* are not to go back. Those *forbidden* are, once somebody grants the right.
    """

    chosen: list[Letter]
    left_out: list[tuple[Letter, str]]
    forbidden: list[tuple[Letter, str]]

    def origins(self) -> set[str]:
        """Name the topics that letters go back to."""
        return {letter.origin.topic for letter in self.chosen if letter.origin}

    def reasons(self, failures: Iterable[tuple[Letter, str]] = ()) -> dict[Place, str]:
        """Say of each letter that stays why it does; *failures* came up while replaying."""
        return {one.place: why for one, why in [*self.left_out, *self.forbidden, *failures]}

    def without(self, topics: Container[str]) -> Plan:
        """Leave out what would go to *topics*, which this user may not write."""
        kept = Plan([], self.left_out, [*self.forbidden])
        for letter in self.chosen:
            assert letter.origin is not None, "refused before"
            topic = letter.origin.topic
            if topic in topics:
                why = f"this user may not write to {topic}: grant it WRITE"
                kept.forbidden.append((letter, why))
            else:
                kept.chosen.append(letter)
        return kept


def plan(
    letters: Iterable[Letter],
    *,
    replayed: Container[str],
    topics: Container[str],
    dlq_topic: str,
    max_replays: int = MAX_REPLAYS,
) -> Plan:
    """Decide on each of *letters*; the arguments are those of `refusal`.

    Of a death that was written twice the first letter is chosen.
    """
    planned = Plan([], [], [])
    firsts: dict[str, Letter] = {}
    for letter in letters:
        why = refusal(
            letter,
            replayed=replayed,
            topics=topics,
            dlq_topic=dlq_topic,
            max_replays=max_replays,
        )
        if why is None and (first := firsts.setdefault(letter.id, letter)) is not letter:
            why = f"the same death as {first.place}"
        if why is None:
            planned.chosen.append(letter)
        else:
            planned.left_out.append((letter, why))
    return planned
