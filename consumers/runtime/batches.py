"""Several records in one call of the handler; on failure the halves, down to the one that fails.

A batch that raises has done nothing. If what it raised says nothing about the records, they wait.
Otherwise each half is tried by itself. The record that fails alone takes the way of every record,
by `Tries`: in its own trace, with its tries, its backoff and its dead letter; and since nothing may
pass it, what stands behind it goes back to the queue.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from consumers.errors import Reaction, reaction_to
from consumers.runtime.tries import cancelled, refuse_unfinished, where
from consumers.traces import current_trace_id
from consumers.types import Ended, Outcome

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Sequence

    from consumers.errors import Reacting
    from consumers.metrics import Metrics
    from consumers.ports import (
        AsyncBatchHandler,
        BatchHandler,
        BatchProcessing,
        DeadLetterLimit,
    )
    from consumers.types import Attempt, Record, Run

log = structlog.get_logger(__name__)


def halving(attempts: Sequence[Attempt]) -> Generator[Sequence[Attempt], bool, None]:
    """Give what to try next, in order; to be sent whether it failed and must be split."""
    parts = [attempts]
    while parts:
        part = parts.pop()
        if (yield part):
            middle = len(part) // 2
            parts += [part[middle:], part[:middle]]


class Batches:
    """Works on a run whose records are handled together. See `consumers.ports.BatchHandler`.

    *alone* tries a record by itself; *limit* hears of the others. *reaction* decides what a failure
    leads to. *clock* is the loop's, in seconds.
    """

    def __init__(
        self,
        handler: BatchHandler,
        alone: Callable[[Attempt], Ended],
        *,
        processing: BatchProcessing,
        metrics: Metrics,
        limit: DeadLetterLimit | None = None,
        reaction: Reacting = reaction_to,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._handler: Callable[[Sequence[Record]], object] = handler
        self._alone, self._processing, self._reaction = alone, processing, reaction
        self._seconds, self._limit, self._clock = metrics.handler_seconds, limit, clock

    def __call__(self, run: Run) -> None:
        """Work on *run* until it has ended."""
        began = run.since = self._clock()
        parts = halving(_taken(run))
        part: Sequence[Attempt] | None = next(parts)
        while part and not part[0].dropped:
            ends = [self._alone(part[0])] if len(part) == 1 else self._together(part)
            run.ended.extend(ends)
            part = _next(parts, ends)
        run.seconds = self._clock() - began

    def _together(self, part: Sequence[Attempt]) -> list[Ended]:
        """Give how *part* ended, or nothing where it is to be split."""
        failure: BaseException | None = None
        ends: list[Ended] = []
        records = [attempt.record for attempt in part]
        try:
            with self._processing(records):
                started = time.perf_counter()
                try:
                    refuse_unfinished(self._handler(records))
                except BaseException as error:
                    failure, ends = error, _judged(part, error, self._reaction(error))
                    raise  # the span is marked as failed on the way out
                finally:
                    self._seconds.observe(time.perf_counter() - started)
        except BaseException as error:  # noqa: BLE001 - judged above, or the scope itself is broken
            return ends if error is failure else [Ended(part[0], Outcome.FATAL, error)]
        return _done(part, self._limit)


class AsyncBatches:
    """As `Batches`, for a handler that is awaited; *alone* is awaited too."""

    def __init__(
        self,
        handler: AsyncBatchHandler,
        alone: Callable[[Attempt], Awaitable[Ended]],
        *,
        processing: BatchProcessing,
        metrics: Metrics,
        limit: DeadLetterLimit | None = None,
        reaction: Reacting = reaction_to,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._handler: Callable[[Sequence[Record]], Awaitable[object]] = handler
        self._alone, self._processing, self._reaction = alone, processing, reaction
        self._seconds, self._limit, self._clock = metrics.handler_seconds, limit, clock

    async def __call__(self, run: Run) -> None:
        """Work on *run* until it has ended."""
        began = run.since = self._clock()
        parts = halving(_taken(run))
        part: Sequence[Attempt] | None = next(parts)
        while part and not part[0].dropped:
            alone = len(part) == 1
            ends = [await self._alone(part[0])] if alone else await self._together(part)
            run.ended.extend(ends)
            part = _next(parts, ends)
        run.seconds = self._clock() - began

    async def _together(self, part: Sequence[Attempt]) -> list[Ended]:
        failure: BaseException | None = None
        ends: list[Ended] = []
        records = [attempt.record for attempt in part]
        try:
            with self._processing(records):
                started = time.perf_counter()
                try:
                    refuse_unfinished(await self._handler(records))
                except BaseException as error:
                    if not cancelled(error):
                        failure, ends = error, _judged(part, error, self._reaction(error))
                    raise
                finally:
                    self._seconds.observe(time.perf_counter() - started)
        except BaseException as error:
            if cancelled(error):
                raise
            return ends if error is failure else [Ended(part[0], Outcome.FATAL, error)]
        return _done(part, self._limit)


def _taken(run: Run) -> list[Attempt]:
    """Take what *run* holds: from here on nothing of it is taken back."""
    attempts: list[Attempt] = []
    with suppress(IndexError):
        while run.todo:
            attempts.append(run.todo.popleft())
    return attempts


def _next(
    parts: Generator[Sequence[Attempt], bool, None], ends: list[Ended]
) -> Sequence[Attempt] | None:
    """Give the part to try after one that ended with *ends*; none where nothing may follow."""
    if ends and ends[-1].outcome not in (Outcome.DONE, Outcome.DEAD_LETTER):
        return None
    with suppress(StopIteration):
        return parts.send(not ends)
    return None


def _done(part: Sequence[Attempt], limit: DeadLetterLimit | None) -> list[Ended]:
    if limit is not None:
        for _ in part:
            limit.settled(dead=False)
    return [Ended(attempt, Outcome.DONE) for attempt in part]


def _judged(part: Sequence[Attempt], error: BaseException, reaction: Reaction) -> list[Ended]:
    """Say what *error* means for *part*: nothing where it may be about one of the records."""
    place = {**where(part[0].record), "records": len(part)}
    match reaction:
        case Reaction.STOP:
            log.critical("record_stopped_the_worker", **place, exc_info=error)
            return [Ended(part[0], Outcome.FATAL, error, current_trace_id())]
        case Reaction.WAIT:
            log.warning("dependency_unavailable", **place, exc_info=error)
            return [Ended(part[0], Outcome.WAIT, error, current_trace_id())]
    log.warning("batch_failed", **place, exc_info=error)
    return []
