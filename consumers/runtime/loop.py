"""The loop: poll → handle → retry | dead-letter → commit. It owns the clock and joins the parts.

One thread runs `Runtime.run` and alone talks to the source; handlers run in the executor's. A turn
of the loop never lasts longer than `TURN_SECONDS`, whatever a handler does: while one is slow, the
partitions are paused and polled all the same, so that the group never takes us for dead.

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
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from consumers.errors import Fatal
from consumers.runtime.commits import Commits
from consumers.runtime.lanes import Lanes
from consumers.types import Attempt, Outcome

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection, Mapping

    from consumers.metrics import Metrics
    from consumers.ports import DeadLetters, Executor, Source
    from consumers.runtime.backoff import RetryPolicy
    from consumers.types import Ended, TopicPartition

# A turn that lasts longer than this is stuck: nothing in it may wait that long.
TURN_SECONDS = 30.0
# How long an idle turn waits for a record, and so at most for the stop event.
POLL_SECONDS = 0.25
# How long a handler may take before the partitions are paused. Pausing throws away what was
# fetched ahead, so it is kept for handlers that are really slow.
HOLD_SECONDS = 1.0
# The part of the time to stop that is kept for the last commit and for leaving the group.
LEAVE_SECONDS = 2.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StopPolicy:
    """How long to wait, in seconds, for the record in work when the worker or a partition goes."""

    shutdown_seconds: float = 8.0
    revoke_seconds: float = 8.0


class Runtime:
    """A worker: one member of a group, one record at a time. `run` it once.

    *clock* gives seconds that never go backwards, *chance* a number from 0 up to 1.
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
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._source, self._executor, self._dead_letters = source, executor, dead_letters
        self._retry, self._stop = retry, stop
        self._metrics = metrics
        self._ended = {one: metrics.records.labels(one) for one in (*Outcome, "dropped")}
        self._clock, self._chance = clock, chance
        self._commits, self._lanes = Commits(source, metrics), Lanes()
        self._offsets = self._commits.offsets
        self._assigned: set[TopicPartition] = set()
        self._joined = False
        self._in_work: Attempt | None = None
        self._held = False  # every partition is paused, because a handler is slow
        self._draining = False
        self._failed = False
        self._turned = clock()

    # ---- asked by other threads

    def stuck(self) -> str | None:
        """Say why the loop does not turn, or ``None`` if it does. For ``/healthz``."""
        idle = self._clock() - self._turned
        return f"the loop has not turned for {idle:.0f} s" if idle > TURN_SECONDS else None

    def unassigned(self) -> str | None:
        """Say why no records can come, or ``None`` if they can. For ``/readyz``."""
        return None if self._joined else "the group has assigned no partitions yet"

    # ---- the loop

    def run(self, stop: threading.Event) -> None:
        """Work until *stop* is set, then finish the record in work, commit and leave the group.

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
        if self._executor.busy:
            self._await_handler()
            return
        self._release()
        if (attempt := self._lanes.take(now)) is not None:
            self._begin(attempt)
        else:
            self._fetch(self._idle_seconds(now))

    def _idle_seconds(self, now: float) -> float:
        due = self._lanes.next_due()
        return POLL_SECONDS if due is None else min(POLL_SECONDS, max(due - now, 0))

    def _fetch(self, timeout_seconds: float) -> None:
        record = self._source.poll(timeout_seconds)
        if record is None:
            return
        if self._offsets.rewound(record.at, record.offset):
            log.warning("partition_rewound", topic=record.topic, partition=record.partition)
            self._forget([record.at])
        self._offsets.started(record.at, record.offset)
        self._lanes.add(Attempt(record))
        self._metrics.in_flight.set(self._offsets.unfinished())

    def _begin(self, attempt: Attempt) -> None:
        if attempt.failures:
            self._gauge_waiting()
        self._in_work = attempt
        self._executor.start(attempt)

    def _await_handler(self) -> None:
        """Wait for the handler; if it is slow, keep polling with everything paused."""
        ended = self._executor.wait(POLL_SECONDS if self._held else HOLD_SECONDS)
        if ended is None:
            self._hold()
            self._fetch(0)
        else:
            self._settle(ended)

    def _settle(self, ended: Ended) -> None:
        """Act upon how a try ended."""
        attempt, self._in_work = ended.attempt, None
        record = attempt.record
        if attempt.dropped:
            self._ended["dropped"].inc()
            return
        self._ended[ended.outcome].inc()
        match ended.outcome:
            case Outcome.DONE | Outcome.DEAD_LETTER:
                self._offsets.finished(record.at, record.offset)
                self._metrics.in_flight.set(self._offsets.unfinished())
                if attempt.failures:
                    self._source.resume([record.at])
            case Outcome.RETRY | Outcome.WAIT:
                self._put_off(attempt, ended.outcome)
            case Outcome.FATAL:
                raise Fatal(f"cannot go on after {record!r}: {ended.error!r}") from ended.error

    def _put_off(self, attempt: Attempt, outcome: Outcome) -> None:
        attempt.failures += 1
        if outcome is Outcome.RETRY:
            attempt.spent += 1
        wait = self._retry.wait_seconds(attempt.failures, self._chance())
        self._lanes.put_off(attempt, self._clock() + wait)
        self._source.pause([attempt.record.at])
        self._metrics.retries.labels(outcome).inc()
        self._gauge_waiting()

    def _hold(self) -> None:
        if not self._held:
            self._held = True
            self._source.pause(self._assigned)

    def _release(self) -> None:
        if self._held:
            self._held = False
            self._source.resume(self._assigned - self._lanes.waiting())

    # ---- told by the source, from inside poll

    def committed(self, offsets: Mapping[TopicPartition, int], error: str | None) -> None:
        """Hear how a commit went."""
        self._commits.answered(offsets, error)

    def assigned(self, partitions: Collection[TopicPartition]) -> None:
        """Begin with *partitions*, at what the group committed."""
        self._metrics.rebalances.labels("assigned").inc()
        self._forget(partitions)
        self._assigned |= set(partitions)
        self._joined = True
        # librdkafka remembers a pause from an earlier ownership, across the rebalance.
        (self._source.pause if self._held else self._source.resume)(partitions)
        self._note_assignment("partitions_assigned", partitions)

    def revoked(self, partitions: Collection[TopicPartition]) -> None:
        """Finish the record in work, if it is quick, commit, and let go of *partitions*."""
        self._metrics.rebalances.labels("revoked").inc()
        if self._in_work and self._in_work.record.at in partitions and not self._draining:
            ended = self._executor.wait(self._stop.revoke_seconds)
            if ended is not None:
                self._settle(ended)
        self._commits.at_once()
        self._let_go(partitions)
        self._note_assignment("partitions_revoked", partitions)

    def lost(self, partitions: Collection[TopicPartition]) -> None:
        """Let go of *partitions* without a commit: they may be somebody else's by now."""
        self._metrics.rebalances.labels("lost").inc()
        self._let_go(partitions)
        self._note_assignment("partitions_lost", partitions)

    def _let_go(self, partitions: Collection[TopicPartition]) -> None:
        self._forget(partitions)
        self._assigned -= set(partitions)
        self._joined = bool(self._assigned)

    def _forget(self, partitions: Collection[TopicPartition]) -> None:
        """Drop everything under way for *partitions*; what is in work no longer counts."""
        if self._in_work and self._in_work.record.at in partitions:
            self._in_work.dropped = True
        self._lanes.drop(partitions)
        self._offsets.forget(partitions)
        self._gauge_waiting()
        self._metrics.in_flight.set(self._offsets.unfinished())

    # ---- stopping

    def _leave(self) -> None:
        """Finish the record in work, commit and leave the group, in the time there is."""
        deadline = self._clock() + self._stop.shutdown_seconds
        try:
            if self._in_work and not self._failed:
                self._drain(deadline - LEAVE_SECONDS)
        finally:
            self._draining = True
            self._executor.close()
            if not self._source.close(max(deadline - self._clock(), 0)):
                log.warning("group_not_left_in_time")

    def _drain(self, deadline: float) -> None:
        ended = self._executor.wait(max(deadline - self._clock(), 0))
        if ended is None:
            log.warning("record_not_finished_in_time", record=repr(self._in_work))
            return
        try:
            self._settle(ended)
        except Fatal:
            self._fail()
            raise

    def _fail(self) -> None:
        self._failed = True
        self._commits.stop()

    # ---- told to whoever watches

    def _gauge_waiting(self) -> None:
        self._metrics.waiting_partitions.set(len(self._lanes.waiting()))

    def _note_assignment(self, event: str, partitions: Collection[TopicPartition]) -> None:
        self._metrics.assigned_partitions.set(len(self._assigned))
        log.info(event, partitions=[f"{at.topic}[{at.partition}]" for at in sorted(partitions)])
