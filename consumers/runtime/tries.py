"""One try of one record: call the handler inside its trace, judge what it raised, dead-letter.

It says how the try ended and leaves everything that follows, waiting, pausing, committing, to the
runtime. A dead letter is written here, inside the record's trace, and counts as ended only when the
broker has acknowledged it. `Tries` calls a handler, `AsyncTries` awaits one.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import Future
from typing import TYPE_CHECKING

import structlog

from consumers.errors import DeadLetterFailed, Fatal, Reaction, reaction_to
from consumers.traces import current_trace_id
from consumers.types import Ended, Outcome

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from consumers.errors import Reacting
    from consumers.metrics import Metrics
    from consumers.ports import AsyncHandler, DeadLetterLimit, DeadLetters, Handler, Processing
    from consumers.runtime.backoff import RetryPolicy
    from consumers.types import Attempt, Record

Where = dict[str, str | int]

log = structlog.get_logger(__name__)


def where(record: Record) -> Where:
    """Name the place of *record* for a log line."""
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset}


class Judge:
    """Decides what a failure means, acts if it means a dead letter, and logs it in its trace.

    *limit* says when there are too many dead letters: then the worker stops instead. *reaction*
    decides what a failure leads to.
    """

    def __init__(
        self,
        dead_letters: DeadLetters,
        policy: RetryPolicy,
        metrics: Metrics,
        limit: DeadLetterLimit | None = None,
        reaction: Reacting = reaction_to,
    ) -> None:
        self._dead_letters, self._policy, self._limit = dead_letters, policy, limit
        self._reaction = reaction
        self._kept = metrics.dead_letters
        self._not_kept = metrics.dead_letter_failures

    def done(self) -> None:
        """Hear that a record was handled."""
        if self._limit is not None:
            self._limit.settled(dead=False)

    def failed(self, attempt: Attempt, error: BaseException) -> Ended:
        """Say how the try of *attempt* ended that *error* was raised in. May wait for a broker."""
        place, tries = where(attempt.record), attempt.spent + 1
        match self._reaction(error):
            case Reaction.STOP:
                log.critical("record_stopped_the_worker", **place, exc_info=error)
                return _ended(attempt, Outcome.FATAL, error)
            case Reaction.WAIT:
                log.warning("dependency_unavailable", **place, exc_info=error)
                return _ended(attempt, Outcome.WAIT, error)
            case Reaction.RETRY if not self._policy.exhausted(tries):
                log.warning("record_failed", **place, tries=tries, exc_info=error)
                return _ended(attempt, Outcome.RETRY, error)
        return self._give_up(attempt, error, place)

    def _give_up(self, attempt: Attempt, error: BaseException, place: Where) -> Ended:
        tries = attempt.spent + 1
        if self._limit is not None and (reason := self._limit.refuses()) is not None:
            log.critical("dead_letter_limit", **place, reason=reason, exc_info=error)
            return _ended(attempt, Outcome.FATAL, Fatal(reason))
        try:
            self._dead_letters.send(attempt.record, error, attempts=tries)
        except DeadLetterFailed as failure:
            self._not_kept.inc()
            log.error("dead_letter_failed", **place, reason=str(failure), exc_info=error)
            return _ended(attempt, Outcome.WAIT, failure)
        if self._limit is not None:
            self._limit.settled(dead=True)
        self._kept.inc()
        log.error("record_dead_lettered", **place, tries=tries, exc_info=error)
        return _ended(attempt, Outcome.DEAD_LETTER, error)


class Tries:
    """What every try needs. Call it with an attempt; it gives how that ended and never raises."""

    def __init__(
        self,
        handler: Handler,
        *,
        processing: Processing,
        dead_letters: DeadLetters,
        policy: RetryPolicy,
        metrics: Metrics,
        limit: DeadLetterLimit | None = None,
        reaction: Reacting = reaction_to,
    ) -> None:
        self._handler: Callable[[Record], object] = handler
        self._processing = processing
        self._judge = Judge(dead_letters, policy, metrics, limit, reaction)
        self._seconds = metrics.handler_seconds

    def __call__(self, attempt: Attempt) -> Ended:
        """Try *attempt* once."""
        ended: Ended | None = None
        try:
            with self._processing(attempt.record):
                started = time.perf_counter()
                try:
                    refuse_unfinished(self._handler(attempt.record))
                except BaseException as error:
                    self._seconds.observe(time.perf_counter() - started)
                    ended = self._judge.failed(attempt, error)
                    raise  # the span is marked as failed on the way out
                self._seconds.observe(time.perf_counter() - started)
            self._judge.done()
        except BaseException as error:  # noqa: BLE001 - a try that vanished would stop its partition
            # Not the handler's: the scope or the dead-letter queue is broken, nothing is certain.
            return ended or Ended(attempt, Outcome.FATAL, error)
        return Ended(attempt, Outcome.DONE)


class AsyncTries:
    """As `Tries`, for a handler that is awaited. Only cancelling the task itself makes it raise."""

    def __init__(
        self,
        handler: AsyncHandler,
        *,
        processing: Processing,
        dead_letters: DeadLetters,
        policy: RetryPolicy,
        metrics: Metrics,
        limit: DeadLetterLimit | None = None,
        reaction: Reacting = reaction_to,
    ) -> None:
        self._handler: Callable[[Record], Awaitable[object]] = handler
        self._processing = processing
        self._judge = Judge(dead_letters, policy, metrics, limit, reaction)
        self._seconds = metrics.handler_seconds

    async def __call__(self, attempt: Attempt) -> Ended:
        """Try *attempt* once."""
        ended: Ended | None = None
        try:
            with self._processing(attempt.record):
                try:
                    await self._handle(attempt.record)
                except BaseException as error:
                    if cancelled(error):
                        raise
                    # It may wait for a broker: not in the loop of all lanes. The trace goes along.
                    ended = await asyncio.to_thread(self._judge.failed, attempt, error)
                    raise
            self._judge.done()
        except BaseException as error:
            if cancelled(error):
                raise
            return ended or Ended(attempt, Outcome.FATAL, error)
        return Ended(attempt, Outcome.DONE)

    async def _handle(self, record: Record) -> None:
        started = time.perf_counter()
        try:
            refuse_unfinished(await self._handler(record))
        finally:
            self._seconds.observe(time.perf_counter() - started)


def refuse_unfinished(returned: object) -> None:
    """Raise `Fatal` if what a handler has *returned* is work that nobody has done yet.

    An ``async def`` behind an ordinary decorator gives a coroutine, a function with a ``yield``
    gives a generator: its body has not run, and its record must not count as done.
    """
    if returned is None:
        return
    if inspect.isawaitable(returned) or isinstance(returned, Generator | AsyncGenerator | Future):
        if inspect.iscoroutine(returned):
            returned.close()  # or Python warns that nobody has awaited it, which is what we say
        kind = type(returned).__name__
        raise Fatal(
            f"the handler has returned a {kind}, so that its work is not done: make it an async def"
            " that awaits it, or a def that returns when all is done"
        )


def cancelled(error: BaseException) -> bool:
    """Say whether *error* is that the current task is to end, and nothing that its work raised."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def _ended(attempt: Attempt, outcome: Outcome, error: BaseException) -> Ended:
    return Ended(attempt, outcome, error, current_trace_id())
