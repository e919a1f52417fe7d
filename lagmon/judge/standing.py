"""What is remembered of one group on one partition: since when it stands, and how it used to.

In: one row of lag a cycle, with the time of its commit. Out: `Standing`, whose attributes
`evaluate` reads. A *standing* is a time in which the commit did not move while the lag was
above what is allowed and nothing but the group held it back; one that ended by a move is a *pause*.
Time in which no answer came is taken out of everything that is measured. No clock here.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from lagmon.fields import AMOUNTS, TIMES
from lagmon.judge.trend import LagWindow

if TYPE_CHECKING:
    from lagmon.fields import Fields
    from lagmon.judge.states import Judged, Judging
    from lagmon.model import PartitionLag
    from lagmon.readings import Peek, TopicPartition

PAUSES = 64  # events kept: a slow committer's hours, a fast one's minutes
RESTORED = 4  # of one length, they carry the 95th percentile of a full list
REACHED_THE_END = "_PARTITION_EOF"  # as the collector words it


def percentile(pauses: list[float]) -> float | None:
    """Give the 95th percentile of *pauses* by nearest rank; ``None`` of none."""
    if not pauses:
        return None
    pauses.sort()
    rank = -(-len(pauses) * 95 // 100)  # rounded up, in whole numbers
    return pauses[rank - 1]


class Pauses:
    """The last pauses of one partition, in seconds."""

    __slots__ = ("_p95", "events")

    def __init__(self) -> None:
        self.events = array("f")
        self._p95: float | None = None

    def add(self, seconds: float) -> None:
        """Take in one more, and forget the oldest of too many."""
        if len(self.events) >= PAUSES:
            del self.events[0]
        self.events.append(seconds)
        self._p95 = None

    @property
    def p95(self) -> float | None:
        """The 95th percentile, found when it is asked for."""
        if self._p95 is None:
            self._p95 = percentile(self.events.tolist())
        return self._p95


class Standing:
    """The memory of one group on one partition; `see` a row a cycle, `miss` one without a value.

    *stood* is for how many seconds the group is known to stand now, *stood_from* since when, or
    ``None``; *began_at* is when that began by the clock, whatever was taken out since. *missing*
    counts the cycles in a row without a value. *beyond* counts those in which the commit lay past
    the end. *grown_from* is since when records came to a partition that has no commit. *tail_end*
    is the end before which a peek found nothing but control records.
    """

    __slots__ = (
        "at",
        "began_at",
        "beyond",
        "committed",
        "end",
        "first_at",
        "grown_from",
        "heights",
        "judged",
        "lost_commit",
        "missing",
        "missing_from",
        "moved_at",
        "partition",
        "pauses",
        "peeked_at",
        "record_at",
        "refused",
        "samples",
        "seen_at",
        "started",
        "stood",
        "stood_from",
        "tail_end",
        "topic",
        "touched_at",
        "window",
    )

    def __init__(self, at: TopicPartition) -> None:
        self.at = at
        self.topic, self.partition = at.topic, at.partition
        self.pauses: Pauses | None = None
        self.judged: Judged | None = None
        self.moved_at: float | None = None
        self.missing = self.beyond = 0
        self.restart()

    def restart(self) -> None:
        """Begin anew, as for another partition of the same name; how it used to pause is kept.

        When it last moved is as well: another partition is judged by that, too.
        """
        self.committed: int | None = None
        self.end: int | None = None
        self.seen_at: float | None = None
        self.first_at: float | None = None
        self.missing_from: float | None = None
        self.touched_at: float | None = None
        self.stood_from: float | None = None
        self.began_at: float | None = None
        self.grown_from: float | None = None
        self.started = False  # whether the beginning of this standing was seen
        self.stood = 0.0
        self.samples = 0
        self.heights: list[tuple[int, float]] = []  # higher commits, and when each was last seen
        self.lost_commit: int | None = None  # behind it records were deleted
        self.window = LagWindow()
        self.forget_peeks()

    def forget_times(self) -> None:
        """Begin anew because no time of before can be compared with one from now on."""
        self.restart()
        self.moved_at, self.judged = None, None

    def forget_peeks(self) -> None:
        """Forget what the record at the commit is known to be."""
        self.tail_end: int | None = None
        self.record_at: int | None = None
        self.peeked_at: float | None = None
        self.refused: str | None = None

    def see(
        self, row: PartitionLag, now: float, read_at: float, settings: Judging, *, held: bool
    ) -> None:
        """Take in a *row* with a lag, of which the commit was read at *read_at*.

        *held* says that an open transaction keeps the group from reading on: it does not stand.
        """
        committed, end, lag = row.committed, row.end, row.lag
        assert committed is not None
        assert end is not None
        assert lag is not None
        if self.missing:
            self._come_back(now)
        if self.end is not None and end < self.end:
            self.restart()
        if committed != self.committed:
            self._move(committed, read_at)
        if self.heights:
            self._forget_heights(committed, now, settings.window)
        if lag <= settings.allowed_lag or (end == self.tail_end and not held):
            self.touched_at = now
            self.stood_from, self.stood = None, 0.0
        elif held:
            self.stood_from, self.stood = None, 0.0
        else:
            if self.stood_from is None:
                self.stood_from = self.began_at = now
                self.started = self.seen_at is not None
            stood = read_at - self.stood_from
            self.stood = stood if stood > 0 else 0.0
        self.end = end
        self.seen_at = read_at
        if self.first_at is None:
            self.first_at = now
        self.samples += 1
        self.beyond = self.beyond + 1 if committed > end and not row.clamped else 0
        if row.lost:
            self.lost_commit = committed
        self.window.add(now, lag, settings.window)

    def wait(self, row: PartitionLag, now: float) -> None:
        """Take in a *row* without a commit: nothing can stand yet, but records may come."""
        if self.missing:
            self._come_back(now)
        if self.committed is not None:
            self.restart()
        if row.end is not None:
            if self.end is not None and row.end < self.end:
                self.restart()
            if self.end is not None and row.end > self.end and self.grown_from is None:
                self.grown_from = self.seen_at
            self.end, self.seen_at = row.end, now

    def miss(self, now: float, cycles: int = 1) -> None:
        """Take in that *cycles* brought no value."""
        self.missing += cycles
        if self.missing_from is None:
            self.missing_from = now

    def skip(self, seconds: float) -> None:
        """Take *seconds*, in which nothing could be known, out of everything that is measured."""
        if self.stood_from is not None:
            self.stood_from += seconds
        if self.touched_at is not None:
            self.touched_at += seconds
        if self.first_at is not None:
            self.first_at += seconds
        if self.seen_at is not None:
            self.seen_at += seconds
        if self.grown_from is not None:
            self.grown_from += seconds
        if self.missing_from is not None:  # or this time would be taken out once more
            self.missing_from += seconds

    def _come_back(self, now: float) -> None:
        if self.missing_from is not None:
            self.skip(max(0.0, now - self.missing_from))
        self.missing, self.missing_from = 0, None

    def _move(self, committed: int, at: float) -> None:
        before, self.committed = self.committed, committed
        self.forget_peeks()
        if before is None:
            return
        if self.seen_at is not None:
            if self.stood_from is None:
                self._paused(at - self.seen_at)
            elif self.started:
                self._paused(at - self.stood_from)
            if committed < before:
                self.heights.append((before, self.seen_at))
        self.moved_at = at
        self.stood_from = None

    def _paused(self, seconds: float) -> None:
        if self.pauses is None:
            self.pauses = Pauses()
        # What was read in a cycle that was lost is older than the time that was taken out.
        self.pauses.add(max(0.0, seconds))

    def _forget_heights(self, committed: int, now: float, window: float) -> None:
        self.heights = [
            (height, at) for height, at in self.heights if height > committed and now - at <= window
        ]

    def answer(self, peek: Peek, now: float, *, whole: bool) -> None:
        """Take in what a *peek* at the commit found.

        *whole* says that it could have seen all records: no transaction was open.
        """
        self.peeked_at, self.refused = now, None
        if peek.found_offset is not None:
            self.record_at, self.tail_end = self.committed, None
        elif peek.error is not None and not peek.error.startswith(REACHED_THE_END):
            self.refused = peek.error
        elif whole:
            self.tail_end, self.touched_at = self.end, now
            self.stood_from, self.stood = None, 0.0

    def saved(self) -> dict[str, object]:
        """Give what must outlive a restart, as plain JSON values."""
        p95 = None if self.pauses is None else self.pauses.p95
        values = {
            "committed": self.committed,
            "moved_at": self.moved_at,
            "stood_from": self.stood_from,
            "started": self.started or None,
            "pause": p95,
        }
        return {name: value for name, value in values.items() if value is not None}

    @classmethod
    def restored(cls, at: TopicPartition, fields: Fields) -> Standing:
        """Take what `saved` gave; raise RecordingError with the path of what is wrong in it."""
        one = cls(at)
        one.committed = fields.whole("committed", AMOUNTS)
        one.moved_at = fields.maybe_number("moved_at", TIMES)
        one.stood_from = one.began_at = fields.maybe_number("stood_from", TIMES)
        one.started = bool(fields.maybe_truth("started"))
        pause = fields.maybe_number("pause", AMOUNTS)
        for _ in range(RESTORED if pause is not None else 0):
            one._paused(pause or 0.0)
        return one
