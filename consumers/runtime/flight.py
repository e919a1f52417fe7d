"""What was fetched and is not finished: queued, handed to the lanes, settled, forgotten.

Joins the bookkeeping (`Offsets`, `Lanes`, `Backlog`) to the executor. It is handed records and says
what became of them; it knows no source. Used from the thread that polls alone.

- A record is finished when its handler returned or the broker has acknowledged its dead letter.
- What of a partition was forgotten no longer counts, however its try ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from consumers.errors import Fatal, retry_after_seconds
from consumers.runtime.backlog import Backlog, QueuePolicy
from consumers.runtime.lanes import Lanes
from consumers.runtime.pace import Pace
from consumers.types import Attempt, Outcome, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from consumers.metrics import Metrics
    from consumers.ports import Executor
    from consumers.runtime.backoff import RetryPolicy
    from consumers.runtime.lanes import Strand
    from consumers.runtime.offsets import Offsets
    from consumers.runtime.report import Report
    from consumers.types import Ended, Record, TopicPartition

# A run that lasts longer gives back what it has not begun, for other lanes to take.
RECALL_SECONDS: Final = 0.1

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WorkPolicy:
    """How records are worked on.

    With *by_key* the records of a partition run one after the other only where they share a key.
    *batch_records* are handed over together at most, those that came within *batch_seconds*; 0 is
    for a handler that takes one record. A handler is slow after *slow_seconds*.
    """

    by_key: bool = False
    batch_records: int = 0
    batch_seconds: float = 0.1
    slow_seconds: float = 10.0


class Flight:
    """The records under way. *chance* gives a number from 0 up to 1."""

    def __init__(
        self,
        executor: Executor,
        offsets: Offsets,
        report: Report,
        metrics: Metrics,
        *,
        retry: RetryPolicy,
        work: WorkPolicy,
        queue: QueuePolicy,
        clock: Callable[[], float],
        chance: Callable[[], float],
    ) -> None:
        self._executor, self.offsets, self._report = executor, offsets, report
        self._metrics = metrics
        self._counts = {one: metrics.records.labels(one) for one in (*Outcome, "dropped")}
        self._retry, self._work = retry, work
        self._clock, self._chance = clock, chance
        self._pace = Pace()
        self._batch_from: float | None = None  # since when there has been something for a batch
        self.lanes = Lanes(by_key=work.by_key)
        self.backlog = Backlog(queue)
        self.runs: list[Run] = []
        self._far: set[TopicPartition] = set()  # too much is kept behind one record
        self._far_after = queue.max_records
        self._gauged = 0

    # ---- in

    def add(self, at: TopicPartition, records: Sequence[Record]) -> None:
        """Take *records* of *at* in, those just fetched."""
        attempts = [Attempt(record) for record in records]
        self.lanes.add(*attempts)
        self.offsets.started(at, *[record.offset for record in records])
        self.backlog.added(at, *attempts)
        if self._work.by_key and self.offsets.kept(at) >= self._far_after:
            self._far.add(at)

    def wanted(self) -> int:
        """Say how many records are to be fetched at once for the lanes that are free."""
        size = self._work.batch_records or self._pace.records
        return self.backlog.room(size * self._executor.free - self.lanes.ready_records)

    # ---- out

    def hand_over(self, now: float) -> None:
        """Let every lane that is free begin with what may run."""
        self.lanes.wake(now)
        while (free := self._executor.free) and self._is_due(now):
            size = self._work.batch_records or self._pace.records
            attempts = self.lanes.take(now, size, free)
            if not attempts:
                break
            self._batch_from = None
            if attempts[0].failures:
                self._gauge_waiting()
            else:
                self._metrics.queued(*[attempt.record.timestamp_ms for attempt in attempts])
            run = Run(attempts)
            self.runs.append(run)
            self._executor.start(run)

    def _is_due(self, now: float) -> bool:
        """Say whether there is something to begin with; a batch waits for more of it."""
        size, ready = self._work.batch_records, self.lanes.ready_records
        if not size or not ready:
            self._batch_from = None
            return ready > 0
        if self._batch_from is None:
            self._batch_from = now
        waited = now >= self._batch_from + self._work.batch_seconds
        return waited or ready >= size or self.backlog.full()

    def next_due(self) -> float | None:
        """Say when something may run that may not now, should nothing happen before."""
        due = self.lanes.next_due()
        if self._batch_from is None:
            return due
        batch = self._batch_from + self._work.batch_seconds
        return batch if due is None else min(due, batch)

    def wait(self, timeout_seconds: float) -> bool:
        """Settle the runs that have ended, at least one of them unless the time is up first.

        Raises `Fatal` when a try ended so.
        """
        run = self._executor.wait(timeout_seconds) if self.runs else None
        if run is None:
            return False
        while run is not None:
            self._settle(run)
            run = self._executor.wait(0) if self.runs else None
        return True

    def wait_for(self, partitions: Collection[TopicPartition], timeout_seconds: float) -> bool:
        """Settle what is in work for *partitions*; say whether all of it ended in time."""
        deadline = self._clock() + timeout_seconds
        while self.open(partitions):
            if not self.wait(max(deadline - self._clock(), 0)):
                self.settle_early()
                return not self.open(partitions)
        return True

    def recall(self, older_than: float | None = None) -> None:
        """Take back what the lanes were handed and have not begun, from runs begun before then."""
        for run in self.runs:
            if older_than is not None and not (run.since and run.since < older_than):
                continue
            back = []
            while run.todo:
                try:
                    back.append(run.todo.pop())
                except IndexError:  # the lane was quicker
                    break
            if back:
                run.recalled += len(back)
                self.lanes.put_back(back[::-1])
                self._pace.stalled()

    def settle_early(self) -> None:
        """Settle what is finished of the runs that have not ended."""
        for run in self.runs:
            self._settle_finished(run)

    # ---- away

    def forget(self, partitions: Collection[TopicPartition]) -> None:
        """Drop everything under way for *partitions*; what is in work no longer counts."""
        self.recall()
        for attempt in self.open(partitions):
            attempt.dropped = True
        self.lanes.drop(partitions)
        self.backlog.forget(partitions)
        self.offsets.forget(partitions)
        self._far -= set(partitions)
        self._gauge_waiting()
        self.gauge()

    def open(self, partitions: Collection[TopicPartition]) -> list[Attempt]:
        """List what is in work for *partitions*."""
        return [
            attempt
            for run in self.runs
            for attempt in run.open()
            if attempt.strand.at in partitions and not attempt.dropped
        ]

    # ---- told to whoever watches

    def idle_partitions(self) -> Collection[TopicPartition]:
        """Name the partitions that nothing need be fetched of, whatever lanes are free."""
        return self.lanes.held() | self._far if self._far else self.lanes.held()

    def measure(self) -> None:
        """Look for partitions where what one unfinished record held back is no longer too much."""
        self._far = {at for at in self._far if self.offsets.kept(at) >= self._far_after / 2}

    def slow(self, now: float) -> list[tuple[Run, float]]:
        """Name the runs whose handler has taken too long, each once, and for how many seconds."""
        found = []
        for run in self.runs:
            since = run.since
            if since is None or since == run.warned or now - since < self._work.slow_seconds:
                continue
            run.warned = since
            found.append((run, now - since))
        return found

    def gauge(self) -> None:
        """Set the gauge of what is under way."""
        if self._gauged != self.backlog.records:
            self._gauged = self.backlog.records
            self._metrics.in_flight.set(self._gauged)

    def _gauge_waiting(self) -> None:
        self._metrics.waiting_partitions.set(len(self.lanes.waiting()))

    # ---- how tries ended

    def _settle(self, run: Run) -> None:
        self.runs.remove(run)
        self._settle_finished(run)
        self._pace.took(run.settled, run.seconds)
        failed = run.ended.popleft() if run.ended else None
        run.settled += failed is not None
        self.lanes.put_back(run.open())
        if failed is not None:
            self._settle_failed(failed)

    def _settle_finished(self, run: Run) -> None:
        """Settle those at the head of *run* that need no further try."""
        finished: dict[Strand, list[Attempt]] = {}
        ended, done = run.ended, 0
        while ended:
            attempt, outcome = (end := ended[0]).attempt, end.outcome
            if outcome is not Outcome.DONE and outcome is not Outcome.DEAD_LETTER:
                break
            ended.popleft()
            run.settled += 1
            if attempt.dropped:
                self.lanes.ended(attempt)
                self._counts["dropped"].inc()
                continue
            finished.setdefault(attempt.strand, []).append(attempt)
            if outcome is Outcome.DONE:
                done += 1
            else:
                self._counts[outcome].inc()
                self._report.failed(end)
        for strand, attempts in finished.items():
            self.lanes.ended(*attempts)
            self.offsets.finished(strand.at, *[attempt.record.offset for attempt in attempts])
            self.backlog.finished(strand.at, *attempts)
        if done:
            self._counts[Outcome.DONE].inc(done)
            self._report.succeeded()

    def _settle_failed(self, ended: Ended) -> None:
        attempt, outcome = ended.attempt, ended.outcome
        if attempt.dropped:
            self.lanes.ended(attempt)
            self._counts["dropped"].inc()
            return
        self._counts[outcome].inc()
        self._report.failed(ended)
        if outcome is Outcome.FATAL:
            raise Fatal(f"cannot go on after {attempt.record!r}: {ended.error!r}") from ended.error
        attempt.failures += 1
        if outcome is Outcome.RETRY:
            attempt.spent += 1
        asked = retry_after_seconds(ended.error)
        wait = self._retry.wait_seconds(attempt.failures, self._chance(), asked)
        self.lanes.put_off(attempt, self._clock() + wait, everything=outcome is Outcome.WAIT)
        self._metrics.retries.labels(outcome).inc()
        self._gauge_waiting()
