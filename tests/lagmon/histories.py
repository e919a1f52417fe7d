"""Builders for what a cluster shows over time: say what changes, the rest is ordinary.

Seconds are counted from the beginning of a test's history. A value that changes is a function of
them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from lagmon.judge.evaluate import states
from lagmon.judge.lag import measure
from lagmon.judge.progress import Progress
from lagmon.judge.states import Judging
from lagmon.readings import (
    Committed,
    GroupReading,
    Isolation,
    Member,
    PartitionOffsets,
    Peek,
    PeekRequest,
    Snapshot,
)
from tests.lagmon.builders import CLUSTER, GROUP, NOON, at

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lagmon.judge.states import GroupVerdict
    from lagmon.model import State
    from lagmon.readings import TopicId

T = TypeVar("T")
Number = int | None
Over = Number | Callable[[int], Number]

REFUSED = "GROUP_AUTHORIZATION_FAILED: not allowed"
DEFAULT = Judging()


@dataclass(frozen=True, slots=True)
class Side:
    """One partition as a group sees it: its commit, its log, and the member that owns it.

    Without *stable* no transaction is open. *error* is what the commit could not be told for.
    """

    committed: Over = 100
    end: Over = 100
    start: Over = 0
    stable: Over = -1
    owner: str | None = "m1"
    error: str | None = None


def now(value: Over, second: int) -> Number:
    """Give *value* as of *second*."""
    return value(second) if callable(value) else value


def during(
    begin: int,
    end: int,
    *sides: Side,
    every: int = 10,
    members: int | None = 1,
    error: str | None = None,
    silent: str | None = None,
    peeks: tuple[Peek, ...] = (),
    ids: tuple[TopicId, ...] = (),
) -> tuple[Snapshot, ...]:
    """Give a snapshot *every* so many seconds from *begin* to *end*, both included.

    *error* is why the group cannot be read, *silent* why the cluster does not answer.
    """
    if silent is not None:
        return tuple(
            Snapshot(NOON + second, CLUSTER, error=silent)
            for second in range(begin, end + 1, every)
        )
    return tuple(
        Snapshot(
            NOON + second,
            CLUSTER,
            tuple(_log(place, side, second) for place, side in enumerate(sides)),
            (_group(sides, second, members, error),),
            peeks,
            topic_ids=ids,
        )
        for second in range(begin, end + 1, every)
    )


def peeked(
    offset: int = 100, *, found: int | None = None, error: str | None = None
) -> tuple[Peek, ...]:
    """Build what a read_committed peek at partition 0 answered: by default, the end."""
    wrong = "_PARTITION_EOF: the end" if found is None and error is None else error
    return (Peek(PeekRequest(at(), offset, Isolation.READ_COMMITTED), found, error=wrong),)


def told(
    history: Iterable[Snapshot], settings: Judging = DEFAULT, progress: Progress | None = None
) -> list[GroupVerdict | None]:
    """Judge each snapshot of *history* after those before it; None where no group was told."""
    progress = Progress() if progress is None else progress
    found = []
    for snapshot in history:
        lag = measure(snapshot)
        progress.observe(snapshot, lag, settings)
        verdicts = states(lag, progress, settings)
        progress.keep(verdicts)
        found.append(verdicts.get(GROUP))
    return found


def states_of(history: Iterable[Snapshot], settings: Judging = DEFAULT) -> list[State]:
    """Give the group's states, one after the other, of the snapshots that had an answer."""
    return [verdict.judged.state for verdict in told(history, settings) if verdict is not None]


def last(history: Iterable[Snapshot], settings: Judging = DEFAULT) -> GroupVerdict:
    """Give the last verdict of *history*."""
    verdict = told(history, settings)[-1]
    assert verdict is not None
    return verdict


def _log(place: int, side: Side, second: int) -> PartitionOffsets:
    end = now(side.end, second)
    stable = now(side.stable, second)
    return PartitionOffsets(
        at(place),
        now(side.start, second),
        end,
        end if stable == -1 else stable,
        "LEADER_NOT_AVAILABLE: no leader" if end is None else None,
    )


def _group(
    sides: tuple[Side, ...], second: int, members: int | None, error: str | None
) -> GroupReading:
    if error is not None:
        return GroupReading(GROUP, error=error)
    owned: dict[str, list[int]] = {}
    for place, side in enumerate(sides):
        if side.owner is not None and members:
            owned.setdefault(side.owner, []).append(place)
    return GroupReading(
        GROUP,
        "stable" if members else "empty",
        "classic",
        members,
        tuple(
            Committed(at(place), None if side.error else now(side.committed, second), side.error)
            for place, side in enumerate(sides)
        ),
        tuple(
            Member(name, f"client-{name}", f"/{name}", tuple(at(place) for place in places))
            for name, places in owned.items()
        ),
    )
