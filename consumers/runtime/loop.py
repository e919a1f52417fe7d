"""The loop: poll → handle → retry | dead-letter → commit. It owns the clock and joins the parts.

One thread runs `Runtime.run` and alone talks to the source; handlers run in the executor's lanes. A
turn of the loop never lasts longer than `TURN_SECONDS`, whatever a handler does: while no lane is
free, the partitions are paused and polled all the same, so that the group never takes us for dead.
To wait for what is in work, when partitions or the worker go, has a bound, and counts as turning.

What holds at every moment:

- A record is finished when its handler returned or the broker has acknowledged its dead letter.
- A committed offset never passes a record that was delivered and is not finished.
- Partitions taken away are finished first, if that is quick, and committed; partitions lost are
  not, because somebody else may be at work on them.
- After a fatal error nothing more is committed: what was done is done again, what was not is not
  lost.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from consumers.errors import Fatal
from consumers.runtime.backlog import QueuePolicy
from consumers.runtime.commits import Commits
from consumers.runtime.flight import RECALL_SECONDS, Flight, WorkPolicy
from consumers.runtime.offsets import stretches
from consumers.runtime.pauses import Pauses
from consumers.runtime.report import Report
from consumers.runtime.tries import where

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection, Mapping, Sequence

    from consumers.metrics import Metrics
    from consumers.ports import DeadLetters, Executor, Source
    from consumers.runtime.backoff import RetryPolicy
    from consumers.runtime.status import RuntimeStatus
    from consumers.types import Record, TopicPartition

# A turn that lasts longer than this is stuck.
TURN_SECONDS = 30.0
# How long an idle turn waits for a record, and so at most for the stop event.
POLL_SECONDS = 0.25
# The same while one lane is at work and another is free: its end is heard of no sooner.
BUSY_POLL_SECONDS = 0.01
# How long all lanes may be busy before the partitions are paused. Pausing throws away what was
# fetched ahead, so it is kept for handlers that are really slow.
HOLD_SECONDS = 1.0
# How often the loop looks at what lasts: slow handlers, runs to cut short; and tells its status.
LOOK_SECONDS = 0.1
STATUS_SECONDS = 1.0
# The part of the time to stop that is kept for the last commit and for leaving the group.
LEAVE_SECONDS = 2.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StopPolicy:
    """How long to wait, in seconds, for the records in work when the worker or a partition goes."""

    shutdown_seconds: float = 8.0
    revoke_seconds: float = 8.0


class Runtime:
    """A worker: one member of a group, as many records at once as *executor* has lanes. `run` once.

    *clock* gives seconds that never go backwards, *wall* those since the epoch, *chance* a number
    from 0 up to 1, *trace_of* the trace id that a record carries.
    """

    def __init__(
        self,
        source: Source,
        executor: Executor,
        dead_letters: DeadLetters,
        *,
        retry: RetryPolicy,
        stop: StopPolicy,
        metrics: Metrics,
        work: WorkPolicy = WorkPolicy(),  # noqa: B008 - frozen
        queue: QueuePolicy = QueuePolicy(),  # noqa: B008 - frozen
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
        trace_of: Callable[[Record], str | None] = lambda _: None,
    ) -> None:
        self._source, self._executor, self._dead_letters = source, executor, dead_letters
        self._stop, self._metrics = stop, metrics
        self._clock, self._trace_of = clock, trace_of
        self._commits = Commits(source, metrics)
        self._pauses, self._report = Pauses(source), Report(wall)
        self._flight = Flight(
            executor,
            self._commits.offsets,
            self._report,
            metrics,
            retry=retry,
            work=work,
            queue=queue,
            clock=clock,
            chance=chance,
        )
        self._joined = self._draining = self._failed = False
        self._turned = self._polled = clock()
        self._look_at = self._tell_at = self._turned

    # ---- asked by other threads

    def stuck(self) -> str | None:
        """Say why the loop does not turn, or ``None`` if it does. For ``/healthz``."""
        idle = self._clock() - self._turned
        return f"the loop has not turned for {idle:.0f} s" if idle > TURN_SECONDS else None

    def unassigned(self) -> str | None:
        """Say why no records can come, or ``None`` if they can. For ``/readyz``."""
        return None if self._joined else "the group has assigned no partitions yet"

    def status(self) -> RuntimeStatus:
        """Tell what is assigned, in work, waiting and failed, as of the last second."""
        return replace(self._report.latest, turned_seconds=self._clock() - self._turned)

    # ---- the loop

    def run(self, stop: threading.Event) -> None:
        """Work until *stop* is set, then finish the records in work, commit and leave the group.

        Stopping takes `StopPolicy.shutdown_seconds` at most. Raises `Fatal` when it cannot go on;
        nothing is committed then.
        """
        try:
            self._source.subscribe(self)
            while not stop.is_set():
                self._turn()
        except BaseException:
            self._fail()
            raise
        finally:
            self._leave()

    def _turn(self) -> None:
        self._turned = now = self._clock()
        self._dead_letters.serve()
        self._commits.when_due(now)
        if now >= self._look_at:
            self._look(now)
        self._flight.wait(0)
        self._flight.hand_over(now)
        self._flight.gauge()
        self._pauses.pause(self._flight.idle_partitions())
        if self._executor.free:
            self._fetch(now)
        else:
            self._await_lane()

    def _wait_for(self, partitions: Collection[TopicPartition], timeout_seconds: float) -> None:
        """Settle what is in work for *partitions*. Whoever waits here, with a bound, turns."""
        self._turned = now = self._clock()
        deadline = now + timeout_seconds
        while not self._flight.wait_for(partitions, min(deadline - now, STATUS_SECONDS)):
            self._turned = now = self._clock()
            if now >= deadline:
                break

    def _fetch(self, now: float) -> None:
        """Take in what comes next, until something else is due."""
        bound = BUSY_POLL_SECONDS if self._flight.runs else POLL_SECONDS
        due = self._flight.next_due()
        if due is not None:
            bound = min(bound, max(due - now, 0))
        if self._flight.backlog.full():
            self._pauses.pause_everything()
            self._poll(1, bound)
        else:
            self._pauses.resume()
            self._poll(self._flight.wanted(), bound)

    def _await_lane(self) -> None:
        """Wait for a lane; if they are slow, keep polling with everything paused."""
        bound = POLL_SECONDS if self._pauses.everything else HOLD_SECONDS
        if self._turned - self._polled >= bound:
            self._pauses.pause_everything()
            self._poll(1, 0)
        if not self._flight.wait(LOOK_SECONDS):
            self._flight.settle_early()

    def _poll(self, most: int, timeout_seconds: float) -> None:
        self._polled = self._clock()
        self._take_in(self._source.fetch(most, timeout_seconds))

    def _take_in(self, records: Sequence[Record]) -> None:
        flight, offsets, assigned = self._flight, self._commits.offsets, self._pauses.assigned
        for few in stretches(records):
            at, offset = few[0].at, few[0].offset
            if at not in assigned:
                continue  # it was taken away after the client had fetched the record
            if offsets.rewound(at, offset):
                log.warning("partition_rewound", topic=at.topic, partition=at.partition)
                flight.forget([at])
            flight.add(at, few)

    def _look(self, now: float) -> None:
        """See to what is not a matter of every turn."""
        flight = self._flight
        self._look_at = now + LOOK_SECONDS
        flight.recall(now - RECALL_SECONDS)
        flight.measure()
        for run, seconds in flight.slow(now):
            record = run.open()[0].record
            log.warning(
                "handler_slow",
                **where(record),
                seconds=round(seconds, 3),
                trace_id=self._trace_of(record),
            )
        if now >= self._tell_at:
            self._tell_at = now + STATUS_SECONDS
            self._tell(now)

    # ---- told by the source, from inside poll

    def committed(self, offsets: Mapping[TopicPartition, int], error: str | None) -> None:
        """Hear how a commit went."""
        self._commits.answered(offsets, error)

    def assigned(self, partitions: Collection[TopicPartition]) -> None:
        """Begin with *partitions*, at what the group committed."""
        self._metrics.rebalances.labels("assigned").inc()
        self._flight.forget(partitions)
        self._pauses.assign(partitions)
        self._joined = True
        self._note_assignment("partitions_assigned", partitions)

    def revoked(self, partitions: Collection[TopicPartition]) -> None:
        """Finish the records in work, if they are quick, commit, and let go of *partitions*."""
        self._metrics.rebalances.labels("revoked").inc()
        self._flight.recall()
        if not self._draining:
            self._wait_for(partitions, self._stop.revoke_seconds)
        self._commits.at_once()
        self._let_go(partitions)
        self._note_assignment("partitions_revoked", partitions)

    def lost(self, partitions: Collection[TopicPartition]) -> None:
        """Let go of *partitions* without a commit: they may be somebody else's by now."""
        self._metrics.rebalances.labels("lost").inc()
        self._let_go(partitions)
        self._note_assignment("partitions_lost", partitions)

    def _let_go(self, partitions: Collection[TopicPartition]) -> None:
        self._flight.forget(partitions)
        self._pauses.let_go(partitions)
        self._joined = bool(self._pauses.assigned)

    # ---- stopping

    def _leave(self) -> None:
        """Finish the records in work, commit and leave the group, in the time there is."""
        deadline = self._clock() + self._stop.shutdown_seconds
        try:
            if not self._failed:
                self._drain(deadline - LEAVE_SECONDS)
        finally:
            self._draining = True
            self._executor.close()
            if not self._source.close(max(deadline - self._clock(), 0)):
                log.warning("group_not_left_in_time")

    def _drain(self, deadline: float) -> None:
        flight, assigned = self._flight, self._pauses.assigned
        flight.recall()
        try:
            self._wait_for(assigned, max(deadline - self._clock(), 0))
        except Fatal:
            self._fail()
            raise
        for attempt in flight.open(assigned):
            log.warning("record_not_finished_in_time", record=repr(attempt.record))

    def _fail(self) -> None:
        self._failed = True
        self._commits.stop()

    # ---- told to whoever watches

    def _tell(self, now: float) -> None:
        self._report.make(now, self._pauses.assigned, self._flight)

    def _note_assignment(self, event: str, partitions: Collection[TopicPartition]) -> None:
        self._tell(self._clock())
        self._metrics.assigned_partitions.set(len(self._pauses.assigned))
        log.info(event, partitions=[f"{at.topic}[{at.partition}]" for at in sorted(partitions)])
