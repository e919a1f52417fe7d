"""What is remembered of every topic partition: at which times it ended at which offset.

Comes in: one snapshot a cycle, each seen once. Goes out: when the record at an offset arrived, that
is, could first be read, as found between two samples of its own partition, and how far that may be
off. Outside of the samples nothing.

Every sample is kept for `FULL_SECONDS`, one a minute up to the window. While a partition does not
grow, the first and the last sample of its standing are enough, so an idle one costs next to
nothing and its next record is still placed within one poll interval.

Pure but for its own memory. Times are those of the snapshots. Where they cannot be compared with
the ones before (the clock went back, or leapt ahead), everything starts anew; where a topic was
made anew or its end went back, that topic or partition does.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lagmon.readings import PartitionOffsets, Snapshot, StepDuration, TopicId, TopicPartition

WINDOW_SECONDS = 1800.0
FULL_SECONDS = 300.0
THIN_SECONDS = 60.0  # between two samples that are older than FULL_SECONDS
DENSE_SECONDS = 1.0  # between two younger ones; a shorter poll interval adds no memory
ROOM = 32  # samples that come in between two thinnings

# A line comes every cycle, with an error if need be. When none came for long, the process stood
# still or its clock was set forward; which of the two cannot be told, and the second makes every
# age wrong. Ten times the usual interval is no busy machine. Usual is the shorter of the last two:
# one line between two such times makes no pace.
LEAP_SECONDS = 60.0
LEAP_RATIO = 10.0


class Samples:
    """The samples of one partition, rising in time and in offset.

    *life* is a number that no other partition, and no earlier life of this one, ever had: what was
    found out in another life is void.
    """

    __slots__ = ("_limit", "_slacks", "ends", "life", "times")

    def __init__(self, life: int) -> None:
        self.life = life
        self.times = array("d")
        self.ends = array("q")
        self._slacks = array("f")  # the end was read at most so long after its time
        self._limit = ROOM

    def add(self, time: float, end: int, slack: float, window: float) -> None:
        """Remember that the partition ended at *end* between *time* and *slack* seconds later."""
        ends = self.ends
        if len(ends) > 1 and ends[-1] == ends[-2] == end:
            self.times[-1] = time
            self._slacks[-1] = slack
            return
        self.times.append(time)
        ends.append(end)
        self._slacks.append(slack)
        if len(ends) >= self._limit:
            self._thin(time, window)
            self._limit = len(self.ends) + ROOM

    def arrived(self, offset: int) -> tuple[float, float] | None:
        """Give when the record at *offset* arrived and by how many seconds that may be wrong.

        ``None`` outside of the samples: nothing is ever carried on beyond them.
        """
        after = bisect_right(self.ends, offset)
        if not 0 < after < len(self.ends):
            return None
        earliest, latest = self.times[after - 1], self.times[after]
        first, end = self.ends[after - 1], self.ends[after]
        # Spread evenly; a single one in the middle, where the error is smallest.
        time = earliest + (latest - earliest) * (offset - first + 1) / (end - first + 1)
        return time, max(time - earliest, latest + self._slacks[after] - time)

    def seen(self, offset: int) -> float | None:
        """Give the time of the first sample that had the record at *offset*."""
        after = bisect_right(self.ends, offset)
        return self.times[after] if after < len(self.ends) else None

    def _thin(self, now: float, window: float) -> None:
        times = self.times
        kept = [0]
        for place in range(1, len(times) - 1):
            step = THIN_SECONDS if now - times[place] > FULL_SECONDS else DENSE_SECONDS
            # By the gap that would be left: the two ends of a long standing are never dropped.
            if times[place + 1] - times[kept[-1]] > step:
                kept.append(place)
        kept.append(len(times) - 1)
        kept = [place for place in kept if now - times[place] <= window]
        self.times = array("d", (times[place] for place in kept))
        self.ends = array("q", (self.ends[place] for place in kept))
        self._slacks = array("f", (self._slacks[place] for place in kept))


class History:
    """The samples of every partition of one cluster, for *window* seconds at least five minutes.

    *transactional* has the topics on which a transaction was seen open. `observe` changes it in
    place. What it has seen is a fact, whatever becomes of the cycle, and
    the same snapshot again adds nothing.
    """

    def __init__(self, window: float = WINDOW_SECONDS) -> None:
        self._window = max(window, FULL_SECONDS)
        self._partitions: dict[TopicPartition, Samples] = {}
        self._ids: dict[str, str] = {}
        self.transactional: set[str] = set()
        self._lives = count(1)
        self._at: float | None = None  # of the last snapshot that came
        self._heard: float | None = None  # of the last line, with an error or without
        self._gaps: tuple[float, ...] = ()  # the last two between lines
        self._swept = 0.0

    def observe(self, snapshot: Snapshot) -> None:
        """Add what *snapshot* says of the ends of its partitions."""
        if self._is_leap(snapshot):
            self._partitions.clear()
            self._swept = snapshot.at
        if snapshot.error is not None or snapshot.at == self._at:
            return
        self._at = snapshot.at
        self._forget_remade(snapshot.topic_ids)
        slack = _slack(snapshot.durations)
        for log in snapshot.topics:
            if log.high is not None:
                self._add(log, log.high, snapshot.at, slack)
        if snapshot.at - self._swept > THIN_SECONDS:
            self._sweep(snapshot.at)

    @property
    def ids(self) -> Mapping[str, str]:
        """The ids of the topics, as far as they were told."""
        return self._ids

    def of(self, at: TopicPartition) -> Samples | None:
        """Give the samples of one partition."""
        return self._partitions.get(at)

    def arrived(self, at: TopicPartition, offset: int) -> tuple[float, float] | None:
        """Give when the record at *offset* of *at* arrived, and the error; None if not known."""
        samples = self.of(at)
        return samples.arrived(offset) if samples is not None else None

    def __len__(self) -> int:
        return len(self._partitions)

    def _is_leap(self, snapshot: Snapshot) -> bool:
        if snapshot.error is None and self._at is not None and snapshot.at < self._at:
            self._heard, self._gaps = snapshot.at, ()
            return True
        before, usual = self._heard, min(self._gaps, default=None)
        if before is None or snapshot.at <= before:
            self._heard = snapshot.at if before is None else before
            return False
        gap = snapshot.at - before
        self._heard, self._gaps = snapshot.at, (*self._gaps[-1:], gap)
        return usual is not None and gap > LEAP_SECONDS and gap > LEAP_RATIO * usual

    def _forget_remade(self, given: Iterable[TopicId]) -> None:
        for one in given:
            if self._ids.get(one.topic, one.id) != one.id:
                self.transactional.discard(one.topic)
                self._partitions = {
                    key: samples
                    for key, samples in self._partitions.items()
                    if key.topic != one.topic
                }
            self._ids[one.topic] = one.id

    def _add(self, log: PartitionOffsets, high: int, time: float, slack: float) -> None:
        samples = self._partitions.get(log.at)
        if samples is None or high < samples.ends[-1]:
            samples = self._partitions[log.at] = Samples(next(self._lives))
        elif log.stable is not None and log.stable < samples.ends[-1]:
            # Less than the end of a cycle ago: the two ends of one snapshot may differ because
            # something was written between the two questions.
            self.transactional.add(log.at.topic)
        samples.add(time, high, slack, self._window)

    def _sweep(self, now: float) -> None:
        """Forget partitions that no snapshot has had for a window."""
        self._swept = now
        self._partitions = {
            key: samples
            for key, samples in self._partitions.items()
            if now - samples.times[-1] <= self._window
        }
        topics = {at.topic for at in self._partitions}
        self._ids = {topic: one for topic, one in self._ids.items() if topic in topics}
        self.transactional &= topics


def _slack(durations: Iterable[StepDuration]) -> float:
    """Give how long after the time of a snapshot its ends may have been read."""
    return sum(one.seconds for one in durations if one.step == "ends")
