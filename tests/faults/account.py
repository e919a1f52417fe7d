"""What must hold when a fault is over. Pure: what was counted in, what is wrong out.

- Every acknowledged play is in Postgres and in the partner's ledger exactly once, with the same
  sums; or it is a dead letter, once by its dedup id, and in neither.
- What is a dead letter is exactly what was sent to be one.
- No committed offset passed a record that was not finished, and at the end nothing is left over.
- Each player's totals are the sum of the player's plays.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SHOWN = 3  # examples of each kind of fault; one that meets every play would fill pages


class Place(NamedTuple):
    """Where a record lies in the topic of the plays."""

    partition: int
    offset: int


class Settled(NamedTuple):
    """A play as Postgres or the partner knows it; sums in cents."""

    play_id: str
    player_id: str
    bet: int
    payout: int
    settlement_id: str | None


class Total(NamedTuple):
    """What Postgres has added up for a player; sums in cents."""

    player_id: str
    plays: int
    wagered: int
    won: int


class Letter(NamedTuple):
    """A dead letter: its dedup id, and where its record lay."""

    id: str
    origin: Place


@dataclass(frozen=True, slots=True)
class Books:
    """Everything that was counted.

    *acknowledged* are the ids that the API, or Kafka itself, said yes to. *unanswered* is the
    number of requests that got no yes: each may have left a play or not. *records* are all of the
    topic with the play each holds, ``None`` for none. *poison* is what was sent to be given up.
    *passed* are the records that were not finished though a commit had passed them.
    """

    acknowledged: frozenset[str]
    plays: tuple[Settled, ...]
    totals: tuple[Total, ...]
    ledger: tuple[Settled, ...]
    records: Mapping[Place, str | None]
    committed: Mapping[int, int]
    unanswered: int = 0
    letters: tuple[Letter, ...] = ()
    poison: frozenset[Place] = frozenset()
    passed: tuple[Place, ...] = ()

    @property
    def repeated_letters(self) -> int:
        """Count the dead letters that were written once more under the id they had."""
        return len(self.letters) - len({letter.id for letter in self.letters})


def wrong(books: Books) -> list[str]:
    """Say everything that is wrong with *books*, a sentence each; empty if they balance."""
    return [*_plays(books), *_payments(books), *_letters(books), *_offsets(books), *_sums(books)]


def _plays(books: Books) -> Iterator[str]:
    written = Counter(play.play_id for play in books.plays)
    given_up = {books.records.get(place) for place in books.poison}
    yield from _said("lost", books.acknowledged - written.keys() - given_up)
    yield from _said("settled though given up", written.keys() & given_up)
    yield from _said("written twice", (play for play, times in written.items() if times > 1))
    strangers = written.keys() - books.acknowledged
    if len(strangers) > books.unanswered:
        yield from _said("written, and nobody asked for it", strangers)


def _payments(books: Books) -> Iterator[str]:
    paid = {entry.play_id: entry for entry in books.ledger}
    times = Counter(entry.play_id for entry in books.ledger)
    written = {play.play_id: play for play in books.plays}
    yield from _said("paid twice", (play for play, number in times.items() if number > 1))
    yield from _said("paid and not written", paid.keys() - written.keys())
    yield from _said("written and not paid", written.keys() - paid.keys())
    both = written.keys() & paid.keys()
    yield from _said("paid otherwise than written", (p for p in both if paid[p] != written[p]))


def _letters(books: Books) -> Iterator[str]:
    origins = {letter.origin for letter in books.letters}
    yield from _said("poison without a dead letter", books.poison - origins)
    yield from _said("a dead letter of a good record", origins - books.poison)
    ids = Counter(origin for _, origin in {(one.id, one.origin) for one in books.letters})
    yield from _said("several dedup ids of one record", (o for o, own in ids.items() if own > 1))


def _offsets(books: Books) -> Iterator[str]:
    yield from _said("passed by a commit before it was finished", books.passed)
    ends: dict[int, int] = {}
    for place in books.records:
        ends[place.partition] = max(ends.get(place.partition, 0), place.offset + 1)
    late = (
        f"partition {partition} at {books.committed.get(partition)} of {end}"
        for partition, end in ends.items()
        if books.committed.get(partition) != end
    )
    yield from _said("not committed to the end", late)


def _sums(books: Books) -> Iterator[str]:
    sums: dict[str, tuple[int, int, int]] = {}
    for play in books.plays:
        number, wagered, won = sums.get(play.player_id, (0, 0, 0))
        sums[play.player_id] = (number + 1, wagered + play.bet, won + play.payout)
    real = {Total(player, *sum_) for player, sum_ in sums.items()}
    yield from _said("totals that are not the sum", real ^ set(books.totals))


def _said(what: str, found: Iterable[object]) -> Iterator[str]:
    listed = sorted(map(str, found))
    if listed:
        more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
        yield f"{what}: {', '.join(listed[:SHOWN])}{more}"
