"""What was read of each group, and which groups are to be read now. Pure: it is handed the time.

Comes in: the groups that there are, and readings. Goes out: the groups to read in this cycle, and
for each of the others its last reading, marked with its time.

A group without members whose commits stand is *idle* and read once in a while. One that has
members, had them a while ago, or whose commits move without any (`assign()`, Flink, Spark) is
*alive* and read in every cycle, as is one that was not watched long enough to tell.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lagmon.collector.answers import UNREAD
from lagmon.collector.assemble import remembered
from lagmon.collector.rota import Rota

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from lagmon.collector.answers import Failure
    from lagmon.readings import GroupReading, KnownGroup, TopicPartition

ALIVE_REFRESHES = 10  # times idle_refresh: how long a move or a member keeps a group alive
READ_AT_MOST = 10_000  # groups of which it is not known whether they live, a cycle; about 3 s
IDLE_AT_MOST = 6_000  # a cycle: a minute's worth of 65,000 with the default interval
KEPT_REFRESHES = 3  # times idle_refresh: an idle group that cannot be read is unknown after that


@dataclass(frozen=True, slots=True)
class Known:
    """The last answer about one group, when it came, and until when the group counts as alive.

    *lived*: it had members or its commits moved, so that it does not count as alive just because
    nobody knows better. *partitions* are those to be asked for by name should an answer lack them.
    """

    reading: GroupReading
    read_at: float
    alive_until: float
    lived: bool
    partitions: frozenset[TopicPartition]


class Memory:
    """What is known of the groups of one cluster; of those that are gone nothing is kept.

    Idle groups are read every *idle_refresh* seconds. The reading of one that is alive is shown for
    *kept_seconds* while its coordinator owes the next.
    """

    def __init__(self, *, idle_refresh: float, kept_seconds: float) -> None:
        self._idle_refresh = idle_refresh
        self._kept_seconds = kept_seconds
        self._known: dict[str, Known] = {}
        self._recalled: dict[str, frozenset[TopicPartition]] = {}
        self._rota: Rota[str] = Rota(idle_refresh, at_most=IDLE_AT_MOST)

    @property
    def groups(self) -> Collection[str]:
        """The groups of the last cycle, and those recalled since."""
        known = self._known.keys()
        return known | self._recalled.keys() if self._recalled else known

    def recall(self, groups: Iterable[KnownGroup]) -> None:
        """Take over what somebody else knew of *groups*, until the next `learn`."""
        self._recalled = {one.group: frozenset(one.partitions) for one in groups}

    def partitions(self, group: str) -> frozenset[TopicPartition]:
        """List the partitions on which *group* had commits, or was refused."""
        known = self._known.get(group)
        return known.partitions if known else self._recalled.get(group, frozenset())

    def due(
        self, heads: Mapping[str, GroupReading], changed: Collection[str], now: float
    ) -> list[str]:
        """List the groups to read, those first that are most likely to answer with news.

        Of *heads* those that can be read. An idle group is read out of turn when one of its topics
        *changed*: appeared, went, grew, or was made anew.
        """
        readable = [name for name, head in heads.items() if head.error is None]
        idle = {name for name in readable if self._is_idle(name, heads[name], now)}
        if changed:
            self._rota.forget(name for name in idle if self._is_on(name, changed))
        turn = self._rota.due(idle, now)
        unknown = [name for name in readable if name not in idle and self._is_unknown(name)]
        # Of a cluster with very many groups some are left for the next cycles.
        put_off = set(sorted(unknown, key=self._read_at)[READ_AT_MOST:])
        wanted = (n for n in readable if (n not in idle or n in turn) and n not in put_off)
        return sorted(wanted, key=lambda name: (self._rank(name, idle), name))

    def kept(self, head: GroupReading, why: Failure | None, now: float) -> GroupReading:
        """Give the last reading of *head*'s group, which was not read now: not its turn, or *why*.

        What is too old is not known any more.
        """
        known = self._known.get(head.group)
        if known is None:
            return replace(head, error=why.words if why else UNREAD)
        if known.reading.error is not None:
            return replace(head, error=known.reading.error, members=known.reading.members)
        if why and now - known.read_at > self._limit(head, now):
            return replace(head, error=why.words)
        return replace(head, committed=known.reading.committed, read_at=known.read_at)

    def learn(self, readings: Iterable[GroupReading], now: float) -> None:
        """Take note of all *readings* of a cycle; those with a ``read_at`` are no news."""
        known = {one.group: self._learnt(one, now) for one in readings}
        self._known, self._recalled = known, {}
        self._rota.keep(known)

    def _learnt(self, reading: GroupReading, now: float) -> Known:
        known = self._known.get(reading.group)
        if reading.read_at is not None and known is not None:
            return known
        if reading.error is not None:
            # What it had is asked for by name when it can be read again.
            partitions = self.partitions(reading.group)
            alive_until = known.alive_until if known else now + self._idle_refresh
            return Known(reading, now, alive_until, known.lived if known else False, partitions)
        self._rota.asked((reading.group,), now)
        partitions = remembered(reading)
        if reading.members != 0 or self._has_moved(known, reading):
            alive_until = now + ALIVE_REFRESHES * self._idle_refresh
            return Known(reading, now, alive_until, lived=True, partitions=partitions)
        if known is None:  # watched so long before it can be called idle
            alive_until = now + self._idle_refresh
            return Known(reading, now, alive_until, lived=False, partitions=partitions)
        return Known(reading, now, known.alive_until, known.lived, partitions)

    def _has_moved(self, known: Known | None, reading: GroupReading) -> bool:
        if known is None or known.reading.error is not None:
            return False
        return known.reading.committed != reading.committed

    def _is_unknown(self, name: str) -> bool:
        known = self._known.get(name)
        return known is None or not known.lived

    def _read_at(self, name: str) -> float:
        known = self._known.get(name)
        if known is None or known.reading.error == UNREAD:
            return 0.0
        return known.read_at

    def _is_idle(self, name: str, head: GroupReading, now: float) -> bool:
        known = self._known.get(name)
        if known is None or head.members != 0 or known.reading.error is not None:
            return False
        return known.reading.members == 0 and known.alive_until <= now

    def _is_on(self, name: str, topics: Collection[str]) -> bool:
        return any(one.at.topic in topics for one in self._known[name].reading.committed)

    def _limit(self, head: GroupReading, now: float) -> float:
        idle = self._is_idle(head.group, head, now)
        return KEPT_REFRESHES * self._idle_refresh if idle else self._kept_seconds

    def _rank(self, name: str, idle: Collection[str]) -> int:
        known = self._known.get(name)
        if known is None or known.reading.error == UNREAD:
            return 1
        if known.reading.error is not None:
            return 3  # a coordinator that hung costs its groups the time, not others
        return 2 if name in idle else 0
