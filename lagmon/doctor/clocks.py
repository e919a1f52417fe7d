"""How far the clock of each broker is from ours, from the times that it gives to commits. Pure.

A broker writes a commit with its own clock's time. One that was not there at one glance and is at
the next was written between the two, so that its time, less each of theirs, are the bounds of the
offset. One that was there already gives the lower bound alone: it may be old. Nothing is written
for that, and nothing read: the newest time in a partition is told to whoever may DESCRIBE a topic.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lagmon.doctor.examination import Glance

COPIED_SECONDS = 0.5  # a record is shown when the other replicas have it, which takes a moment


@dataclass(frozen=True, slots=True)
class Offset:
    """The clock of a broker less ours, in seconds, from *least* to *most*; None is not known."""

    least: float | None = None
    most: float | None = None


def offsets(glances: Sequence[Glance]) -> dict[int, Offset]:
    """Give the offset of each broker that leads a partition of commits, by its id."""
    found = {leader: Offset() for glance in glances for leader, _ in glance.newest.values()}
    for leader in found:
        least = max(_least(leader, glances), default=None)
        most = min(_most(leader, glances), default=None)
        if least is not None and most is not None and least > most:  # it was set meanwhile
            least, most = most, least
        found[leader] = Offset(least, most)
    return found


def are_known(glances: Sequence[Glance]) -> bool:
    """Tell whether every broker that leads a partition has both bounds."""
    found = offsets(glances).values()
    return bool(found) and all(one.least is not None and one.most is not None for one in found)


def _least(leader: int, glances: Iterable[Glance]) -> Iterator[float]:
    for glance in glances:
        for at, newest in glance.newest.values():
            if at == leader and newest is not None:
                yield newest - glance.answered


def _most(leader: int, glances: Sequence[Glance]) -> Iterator[float]:
    for before, after in pairwise(glances):
        for partition, (at, newest) in after.newest.items():
            was_at, was = before.newest.get(partition, (None, None))
            is_new = newest is not None and (was is None or newest > was)
            if at == leader == was_at and newest is not None and is_new:
                yield newest - before.asked + COPIED_SECONDS
