"""What changes seldom and is asked for once in a while: descriptions, starts, topic ids. Pure.

Comes in: what there is, and answers. Goes out: what to ask now, and what is known. A small cluster
is asked for all of it in every cycle, a large one for each thing within `REFRESH_SECONDS`. Each
cache holds what the last cycle wanted and nothing else.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lagmon.collector.rota import Rota
from lagmon.readings import GroupReading, TopicId, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from lagmon.collector.answers import Failure

    Described = dict[str, GroupReading | Failure]
    Offsets = dict[TopicPartition, int | Failure]

REFRESH_SECONDS = 30.0
# So many are asked for in every cycle: together they take about a tenth of a second each.
GROUPS_AT_LEAST, PARTITIONS_AT_LEAST, TOPICS_AT_LEAST = 200, 1000, 1000
EMPTY, STABLE = "empty", "stable"  # Kafka's words for a group without members, and one at rest


class Descriptions:
    """How groups were described. One that the list calls empty has no members to be asked for."""

    def __init__(self) -> None:
        self._rota: Rota[str] = Rota(REFRESH_SECONDS, at_least=GROUPS_AT_LEAST)
        self._found: dict[str, GroupReading] = {}

    def due(
        self, names: Collection[str], listed: Mapping[str, GroupReading] | None, now: float
    ) -> list[str]:
        """Choose of *names* the groups to describe now.

        With a list: those too that are not *listed*, or listed in another state than they were
        described in.
        """
        if listed is not None:
            self._rota.forget([name for name in names if self._is_news(name, listed)])
            names = [name for name in names if not _is_empty(name, listed)]
        return sorted(self._rota.due(names, now))

    def learn(
        self,
        answers: Mapping[str, GroupReading | Failure],
        names: Collection[str],
        listed: Mapping[str, GroupReading],
        now: float,
    ) -> Described:
        """Take *answers* in; give for each of *names* what is known of it, or why nothing is."""
        for name, one in answers.items():
            if isinstance(one, GroupReading):
                self._found[name] = one
            elif not one.postponed:
                self._found.pop(name, None)
        rested = {n for n, one in answers.items() if getattr(one, "state", None) == STABLE}
        self._rota.asked(rested, now)
        self._rota.forget(answers.keys() - rested)  # about to change, or not known
        self._found = {
            name: one
            for name, one in self._found.items()
            if name in names and not _is_empty(name, listed)
        }
        self._rota.keep(names)
        return {name: self._known(name, answers, listed) for name in names}

    def _known(
        self,
        name: str,
        answers: Mapping[str, GroupReading | Failure],
        listed: Mapping[str, GroupReading],
    ) -> GroupReading | Failure:
        if name not in answers and _is_empty(name, listed):
            return replace(listed[name], members=0)
        return self._found.get(name) or answers[name]

    def _is_news(self, name: str, listed: Mapping[str, GroupReading]) -> bool:
        found = self._found.get(name)
        return found is None or name not in listed or found.state != listed[name].state


def _is_empty(name: str, listed: Mapping[str, GroupReading]) -> bool:
    return name in listed and listed[name].state == EMPTY


class Starts:
    """Where partitions start. A start never goes back, unless its topic was made anew."""

    def __init__(self) -> None:
        self._rota: Rota[TopicPartition] = Rota(REFRESH_SECONDS, at_least=PARTITIONS_AT_LEAST)
        self._found: dict[TopicPartition, int] = {}

    def due(
        self, ends: Mapping[TopicPartition, int | Failure], changed: Collection[str], now: float
    ) -> list[TopicPartition]:
        """Choose of the partitions with these *ends* those to ask for now.

        Those of topics that *changed* are among them, and those that would start past their end.
        """
        answered = {at: end for at, end in ends.items() if isinstance(end, int)}
        self._rota.forget(
            at
            for at, end in answered.items()
            if at.topic in changed or self._found.get(at, 0) > end
        )
        return sorted(self._rota.due(answered, now))

    def learn(
        self,
        answers: Mapping[TopicPartition, int | Failure],
        ends: Collection[TopicPartition],
        now: float,
    ) -> Offsets:
        """Take *answers* in; give what is known of each partition with one of these *ends*."""
        for at, one in answers.items():
            if isinstance(one, int):
                self._found[at] = one
                self._rota.asked((at,), now)
            else:
                self._found.pop(at, None)
        self._found = {at: one for at, one in self._found.items() if at in ends}
        self._rota.keep(ends)
        return {**answers, **self._found}


class TopicIds:
    """The ids of topics: one that was deleted and made again has another."""

    def __init__(self) -> None:
        self._rota: Rota[str] = Rota(REFRESH_SECONDS, at_least=TOPICS_AT_LEAST)
        self._found: dict[str, str] = {}

    def due(self, topics: Collection[str], now: float) -> list[str]:
        """Choose of *topics* those to ask for now."""
        self._found = {topic: one for topic, one in self._found.items() if topic in topics}
        self._rota.keep(topics)
        return sorted(self._rota.due(topics, now))

    def learn(self, answers: Mapping[str, str], now: float) -> set[str]:
        """Take *answers* in; give the topics that have another id than before."""
        changed = {one for one, id_ in answers.items() if self._found.get(one, id_) != id_}
        self._found |= answers
        self._rota.asked(answers, now)
        return changed

    def all(self) -> tuple[TopicId, ...]:
        """Give the ids that are known."""
        return tuple(TopicId(topic, one) for topic, one in sorted(self._found.items()))


class Sizes:
    """How many partitions each topic had in the last cycle."""

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}

    def learn(self, topics: Mapping[str, tuple[TopicPartition, ...]]) -> set[str]:
        """Take *topics* in; give those that appeared, went, or got partitions."""
        sizes = {topic: len(partitions) for topic, partitions in topics.items()}
        changed = {topic for topic, _ in sizes.items() ^ self._sizes.items()}
        self._sizes = sizes
        return changed
