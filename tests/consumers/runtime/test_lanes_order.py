"""Whatever ends, fails, comes and goes: order per key, and no commit past an unfinished record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from consumers.runtime.lanes import Lanes
from consumers.runtime.offsets import Offsets
from consumers.types import Attempt, TopicPartition
from tests.builders import TOPIC, record

if TYPE_CHECKING:
    from consumers.types import Record

PARTITIONS = [TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)]


class Scheduling(RuleBasedStateMachine):
    """Hands out, ends, puts off and takes away, in any order, as the loop and its lanes may."""

    by_key = True

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.lanes = Lanes(by_key=self.by_key)
        self.offsets = Offsets()
        self.log: dict[TopicPartition, list[Record]] = {at: [] for at in PARTITIONS}
        self.position = dict.fromkeys(PARTITIONS, 0)
        self.committed = dict.fromkeys(PARTITIONS, 0)
        self.finished: set[tuple[TopicPartition, int]] = set()
        self.runs: list[list[Attempt]] = []

    def strand(self, one: Record) -> tuple[TopicPartition, bytes | None]:
        """Name what *one* must keep its order in."""
        return one.at, one.key if self.by_key else None

    def open(self) -> list[Attempt]:
        """List what is in work."""
        return [attempt for run in self.runs for attempt in run]

    @initialize()
    def begin(self) -> None:
        """Write a first record."""
        self.write(PARTITIONS[0], b"a")

    @rule(at=st.sampled_from(PARTITIONS), key=st.sampled_from([None, b"a", b"b", b"c"]))
    def write(self, at: TopicPartition, key: bytes | None) -> None:
        """Write a record; every third offset is a gap."""
        offset = len(self.log[at]) * 3 // 2
        self.log[at].append(record(offset, partition=at.partition, key=key))

    @rule(at=st.sampled_from(PARTITIONS), most=st.integers(1, 5))
    def fetch(self, at: TopicPartition, most: int) -> None:
        """Fetch the next records of a partition."""
        for one in [one for one in self.log[at] if one.offset >= self.position[at]][:most]:
            assert not self.offsets.rewound(at, one.offset)
            self.offsets.started(at, one.offset)
            self.lanes.add(Attempt(one))
            self.position[at] = one.offset + 1

    @rule(most=st.integers(1, 4), free=st.integers(1, 3))
    def take(self, most: int, free: int) -> None:
        """Hand a run to a lane: nothing in it may pass an unfinished record of its strand."""
        before = {self.strand(one.record) for one in self.open()}
        run = self.lanes.take(self.now, most, free)

        assert len(run) <= most
        assert len({id(attempt) for attempt in run}) == len(run)
        begun: set[tuple[TopicPartition, int]] = set()
        for attempt in run:
            one = attempt.record
            assert self.strand(one) not in before, "two lanes work on one strand"
            ahead = [
                (other.at, other.offset)
                for other in self.log[one.at]
                if self.strand(other) == self.strand(one) and other.offset < one.offset
            ]
            assert set(ahead) <= self.finished | begun, "it passes one that is not finished"
            begun.add((one.at, one.offset))
        if any(attempt.failures for attempt in run):
            assert len(run) == 1
        if run:
            self.runs.append(run)

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def end_well(self, data: st.DataObject) -> None:
        """Let the first try of a run end well."""
        run = data.draw(st.sampled_from(self.runs))
        attempt = run.pop(0)
        if not run:
            self.runs.remove(run)
        self.lanes.ended(attempt)
        if not attempt.dropped:
            at, offset = attempt.record.at, attempt.record.offset
            self.offsets.finished(at, offset)
            self.finished.add((at, offset))

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), wait=st.floats(0, 5), everything=st.booleans())
    def end_badly(self, data: st.DataObject, wait: float, everything: bool) -> None:  # noqa: FBT001 - drawn
        """Let the first try of a run fail: the rest goes back."""
        run = data.draw(st.sampled_from(self.runs))
        self.runs.remove(run)
        attempt, *rest = run
        self.lanes.put_back(rest)
        if attempt.dropped:
            self.lanes.ended(attempt)
        else:
            attempt.failures += 1
            self.lanes.put_off(attempt, self.now + wait, everything=everything)

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def recall(self, data: st.DataObject) -> None:
        """Take back what a run has not begun."""
        run = data.draw(st.sampled_from(self.runs))
        self.lanes.put_back(run[1:])
        del run[1:]

    @rule(seconds=st.floats(0, 3))
    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    @rule()
    def commit(self) -> None:
        """Commit what may be committed."""
        self.committed.update(self.offsets.committable())

    @rule(at=st.sampled_from(PARTITIONS), commits=st.booleans())
    def away_and_back(self, at: TopicPartition, commits: bool) -> None:  # noqa: FBT001 - drawn
        """Take a partition away, with a last commit or, as if lost, without; and give it back."""
        if commits:
            self.commit()
        for attempt in self.open():
            attempt.dropped |= attempt.record.at == at
        self.lanes.drop([at])
        self.offsets.forget([at])
        self.position[at] = self.committed[at]
        # What was finished and not committed is handled again, in order.
        self.finished -= {
            one for one in self.finished if one[0] == at and one[1] >= self.committed[at]
        }

    @invariant()
    def nothing_unfinished_is_passed(self) -> None:
        """Before what may be committed everything is finished."""
        for at, offset in self.offsets.committable().items():
            assert all(
                (at, one.offset) in self.finished for one in self.log[at] if one.offset < offset
            )

    @invariant()
    def ready_records_are_counted(self) -> None:
        """The count of what may run is that of the strands that may."""
        assert self.lanes.ready_records == sum(len(one.queue) for one in self.lanes._ready)

    def teardown(self) -> None:
        """In the end, with nothing failing any more, all of it is finished, and nothing is kept."""
        while self.runs:
            run = self.runs[0]
            attempt = run.pop(0)
            self._finish(attempt)
            if not run:
                self.runs.remove(run)
        for at in PARTITIONS:
            self.fetch(at, 1000)
        self.now += 1000
        while run := self.lanes.take(self.now, 1000):
            for attempt in run:
                self._finish(attempt)
        self.commit()
        for at, records in self.log.items():
            if records:
                assert self.committed[at] == records[-1].offset + 1
        assert not self.lanes._strands
        assert not self.lanes._held
        assert self.offsets.unfinished() == 0

    def _finish(self, attempt: Attempt) -> None:
        self.lanes.ended(attempt)
        if not attempt.dropped:
            self.offsets.finished(attempt.record.at, attempt.record.offset)


class SchedulingByPartition(Scheduling):
    """The same with one lane's rule: a partition in order, whatever the keys."""

    by_key = False


TestByKey = Scheduling.TestCase
TestByPartition = SchedulingByPartition.TestCase
TestByKey.settings = TestByPartition.settings = settings(
    max_examples=150, stateful_step_count=60, deadline=None
)
