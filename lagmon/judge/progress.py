"""The memory of a cluster's groups: how each moves, who its members were, what transactions hold.

In: every snapshot with its lags, by `observe`. Out: one `GroupMemory` a group with a `Standing` a
partition, which `evaluate` reads; `saved` gives what a restart must not forget as plain JSON
values and `Progress.restored` takes it. It grows in place, because a copy of it each cycle would
cost more than the judging; the same snapshot twice is observed once. What is not listed any more is
forgotten, and of the rest only so much is kept. No clock, no I/O.

Time in which the cluster, a group or a partition gave no answer counts for nothing: who cannot be
asked cannot commit either. Nor does time in which nobody looked: this process stood still, or there
was none. A clock that goes back begins the watch anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lagmon.alerts.incidents import AWAY_SECONDS
from lagmon.fields import AMOUNTS, TIMES, Fields
from lagmon.judge.group_memory import GroupMemory
from lagmon.model import Why
from lagmon.readings import KnownGroup, PeekRequest, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lagmon.judge.standing import Standing
    from lagmon.judge.states import GroupVerdict, Judging
    from lagmon.model import ClusterLag, GroupLag, PartitionLag
    from lagmon.readings import GroupReading, Peek, Snapshot

# Without a snapshot for `AWAY_SECONDS`, and for longer than so many times the shorter of the two
# times before, nobody looked: one snapshot between two such times makes no pace. Recordings may be
# sparse: until two have come, nobody knows how sparse.
AWAY_TIMES = 2.0
TOPICS_KEPT = 10_000  # of more, only those that are still read


class Progress:
    """What is remembered of one cluster; `observe` each snapshot, in the order of their times."""

    def __init__(self) -> None:
        self._groups: dict[str, GroupMemory] = {}
        self._gaps: dict[TopicPartition, tuple[int, float]] = {}
        self._ends: dict[TopicPartition, int] = {}  # of the last snapshot
        self._transactional: set[str] = set()
        self._ids: dict[str, str] = {}
        self._at = float("-inf")  # of the last snapshot that came
        self._silent_from: float | None = None
        # The last two times between snapshots; of before a restart, 0.
        self._apart: tuple[float, ...] = ()
        self._last: Snapshot | None = None

    @property
    def alive(self) -> frozenset[str]:
        """The groups that were ever seen with members or with a commit that moved."""
        return frozenset(name for name, one in self._groups.items() if one.alive)

    @property
    def valued(self) -> frozenset[str]:
        """The groups of which the lag was ever known."""
        return frozenset(name for name, one in self._groups.items() if one.valued)

    def group(self, name: str) -> GroupMemory | None:
        """Give what is remembered of the group *name*."""
        return self._groups.get(name)

    def gap(self, at: TopicPartition) -> tuple[int, float] | None:
        """Give the stable offset that an open transaction holds at *at*, and since when."""
        return self._gaps.get(at) if self._gaps else None

    def has_transactions(self, topic: str) -> bool:
        """Tell whether a transaction was ever seen on *topic*."""
        return topic in self._transactional

    def known(self) -> tuple[KnownGroup, ...]:
        """List the groups that there are, and on which partitions they committed or were refused.

        Whoever asks Kafka needs them: it says nothing of what it may not tell.
        """
        return tuple(KnownGroup(name, one.known()) for name, one in self._groups.items())

    def observe(self, snapshot: Snapshot, lag: ClusterLag, settings: Judging) -> None:
        """Take in *snapshot* and the *lag* that was measured of it."""
        if snapshot is self._last or snapshot == self._last:
            return
        self._look(lag.at)
        self._last, now = snapshot, lag.at
        if lag.error is not None:
            if self._silent_from is None:
                self._silent_from = max(now, self._at)
            return
        self._pass(now)
        renewed = self._renewed(snapshot)
        self._transactions(snapshot, now)
        answers = {peek.question: peek for peek in snapshot.peeks}
        for reading, group in zip(snapshot.groups, lag.groups, strict=True):
            self._group(reading, group, settings, renewed, answers)
        if lag.complete and len(self._groups) > len(lag.groups):
            for name in self._groups.keys() - {group.group for group in lag.groups}:
                del self._groups[name]

    def keep(self, verdicts: Mapping[str, GroupVerdict]) -> None:
        """Remember what was judged: it stands until something else is."""
        for name, verdict in verdicts.items():
            memory = self._groups[name]
            memory.judged = verdict.judged
            for one, judged in zip(memory.partitions, verdict.partitions, strict=False):
                one.judged = judged

    def _look(self, now: float) -> None:
        """Take the time since the last snapshot for silent if nobody looked in it."""
        before = self._at if self._last is None else self._last.at
        if before == float("-inf"):
            return
        apart, usual = now - before, min(self._apart, default=None)
        self._apart = (*self._apart[-1:], apart)
        if usual is None or self._silent_from is not None:
            return
        if apart >= AWAY_SECONDS and apart > AWAY_TIMES * usual:
            self._silent_from = before

    def _pass(self, now: float) -> None:
        """Let the time pass from the last snapshot to this one."""
        if now < self._at:
            for memory in self._groups.values():
                memory.forget_times()
            self._gaps = {at: (stable, now) for at, (stable, _) in self._gaps.items()}
        elif self._silent_from is not None:
            self._skip(now - self._silent_from)
        self._silent_from, self._at = None, now

    def _skip(self, seconds: float) -> None:
        for memory in self._groups.values():
            memory.skip(seconds)
        self._gaps = {at: (stable, since + seconds) for at, (stable, since) in self._gaps.items()}

    def _renewed(self, snapshot: Snapshot) -> frozenset[str]:
        """List the topics that were made anew since they were last identified."""
        if not snapshot.topic_ids:
            return frozenset()
        read = {log.at.topic for log in snapshot.topics}
        before = self._ids
        self._ids = {topic: one for topic, one in before.items() if topic in read}
        self._ids |= {one.topic: one.id for one in snapshot.topic_ids}
        return frozenset(t for t, one in self._ids.items() if before.get(t, one) != one)

    def _transactions(self, snapshot: Snapshot, now: float) -> None:
        """Tell what open transactions hold back.

        The stable offset is read first: a record that comes in between lies past it too. So what
        is not stable counts where it was there in the snapshot before, if there was one.
        """
        before, self._gaps = self._gaps, {}
        ends, self._ends = self._ends, {}
        for log in snapshot.topics:
            if log.high is not None:
                self._ends[log.at] = log.high
            if log.stable is None or log.high is None:
                if log.at in before:
                    self._gaps[log.at] = before[log.at]
            elif log.stable < min(log.high, ends.get(log.at, log.high)):
                stable, since = before.get(log.at, (log.stable, now))
                self._gaps[log.at] = (log.stable, since if stable == log.stable else now)
                self._transactional.add(log.at.topic)
        if len(self._transactional) > TOPICS_KEPT:
            self._transactional &= {log.at.topic for log in snapshot.topics}

    def _group(
        self,
        reading: GroupReading,
        group: GroupLag,
        settings: Judging,
        renewed: frozenset[str],
        answers: Mapping[PeekRequest, Peek],
    ) -> None:
        now = self._at
        memory = self._groups.get(group.group)
        if memory is None:
            memory = self._groups[group.group] = GroupMemory()
        memory.valued = memory.valued or group.lag is not None
        if group.why is Why.GROUP_UNREADABLE:
            memory.miss(now)
            return
        memory.meet(group.members, now)
        read_at = now if reading.read_at is None else min(now, reading.read_at)
        for row, one in zip(group.partitions, memory.align(group.partitions), strict=True):
            if renewed and one.topic in renewed:
                one.restart()
            self._partition(row, one, read_at, settings)
            if answers and row.lag and row.committed is not None:
                self._answer(row, one, answers.get(PeekRequest(row.at, row.committed)), now)
        memory.weigh(group, now)
        if not memory.alive:
            memory.alive = any(one.moved_at is not None for one in memory.partitions)

    def _partition(
        self, row: PartitionLag, one: Standing, read_at: float, settings: Judging
    ) -> None:
        now = self._at
        if row.why is None:
            gap = self._gaps.get(row.at) if self._gaps else None
            held = gap is not None and row.committed is not None and row.committed >= gap[0]
            one.see(row, now, read_at, settings, held=held)
        elif row.why is Why.NEVER_COMMITTED:
            one.wait(row, now)
        elif row.why is Why.TOPIC_DELETED:
            one.restart()
        else:
            one.miss(now)

    def _answer(self, row: PartitionLag, one: Standing, peek: Peek | None, now: float) -> None:
        """Take in what a read_committed *peek* found at the commit of *row*."""
        if peek is None:
            return
        one.answer(peek, now, whole=row.at not in self._gaps)
        if one.tail_end == row.end:
            self._transactional.add(row.at.topic)  # nothing else leaves such a tail

    def saved(self) -> dict[str, object]:
        """Give what a restart must not forget, as plain JSON values."""
        gaps: dict[str, dict[str, object]] = {}
        for at, (stable, since) in self._gaps.items():
            gaps.setdefault(at.topic, {})[str(at.partition)] = {"stable": stable, "since": since}
        values: dict[str, object] = {
            "groups": {name: one.saved() for name, one in self._groups.items()},
            "transactions": gaps,
            "transactional": sorted(self._transactional),
        }
        # By which a clock is known that was set back meanwhile.
        return {**values, "at": self._at} if self._at > float("-inf") else values

    @classmethod
    def restored(cls, saved: object) -> Progress:
        """Take what `saved` gave; raise RecordingError with the path of what is wrong in it."""
        fields, found = Fields.of(saved), cls()
        groups, topics = (
            fields.below("groups", default={}),
            fields.below("transactions", default={}),
        )
        found._groups = {name: GroupMemory.restored(groups.below(name)) for name in groups}
        for topic in topics:
            partitions = topics.below(topic)
            for key in partitions:
                gap = partitions.below(key)
                at = TopicPartition(topic, partitions.partition(key))
                found._gaps[at] = (gap.whole("stable", AMOUNTS), gap.number("since", TIMES))
        found._transactional = set(fields.texts("transactional"))
        written = fields.maybe_number("at", TIMES)
        if written is not None:
            found._at, found._apart = written, (0.0,)
        return found
