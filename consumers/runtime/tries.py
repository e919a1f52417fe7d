"""One try of one record: call the handler inside its trace, judge what it raised, dead-letter.

It says how the try ended and leaves everything that follows, waiting, pausing, committing, to the
runtime. A dead letter is written here, inside the record's trace, and counts as ended only when the
broker has acknowledged it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from consumers.errors import DeadLetterFailed, Reaction, reaction_to
from consumers.types import Ended, Outcome

if TYPE_CHECKING:
    from consumers.metrics import Metrics
    from consumers.ports import DeadLetters, Handler, Processing
    from consumers.runtime.backoff import RetryPolicy
    from consumers.types import Attempt

Where = dict[str, str | int]

log = structlog.get_logger(__name__)


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
    ) -> None:
        self._handler = handler
        self._processing = processing
        self._dead_letters = dead_letters
        self._policy = policy
        self._seconds = metrics.handler_seconds
        self._kept = metrics.dead_letters
        self._not_kept = metrics.dead_letter_failures

    def __call__(self, attempt: Attempt) -> Ended:
        """Try *attempt* once."""
        ended: Ended | None = None
        try:
            with self._processing(attempt.record):
                try:
                    self._handle(attempt)
                except BaseException as error:
                    ended = self._judge(attempt, error)
                    raise  # the span is marked as failed on the way out
        except BaseException as error:  # noqa: BLE001 - a try that vanished would stop its partition
            # Not the handler's: the scope or the dead-letter queue is broken, nothing is certain.
            return ended or Ended(attempt, Outcome.FATAL, error)
        return Ended(attempt, Outcome.DONE)

    def _handle(self, attempt: Attempt) -> None:
        started = time.perf_counter()
        try:
            self._handler(attempt.record)
        finally:
            self._seconds.observe(time.perf_counter() - started)

    def _judge(self, attempt: Attempt, error: BaseException) -> Ended:
        """Decide what a failure means, act if it means a dead letter, and log it in its trace."""
        record, tries = attempt.record, attempt.spent + 1
        where: Where = {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
        }
        match reaction_to(error):
            case Reaction.STOP:
                log.critical("record_stopped_the_worker", **where, exc_info=error)
                return Ended(attempt, Outcome.FATAL, error)
            case Reaction.WAIT:
                log.warning("dependency_unavailable", **where, exc_info=error)
                return Ended(attempt, Outcome.WAIT, error)
            case Reaction.RETRY if not self._policy.exhausted(tries):
                log.warning("record_failed", **where, tries=tries, exc_info=error)
                return Ended(attempt, Outcome.RETRY, error)
        return self._give_up(attempt, error, where)

    def _give_up(
        self, attempt: Attempt, error: BaseException, where: dict[str, str | int]
    ) -> Ended:
        tries = attempt.spent + 1
        try:
            self._dead_letters.send(attempt.record, error, attempts=tries)
        except DeadLetterFailed as failure:
            self._not_kept.inc()
            log.error("dead_letter_failed", **where, reason=str(failure), exc_info=error)
            return Ended(attempt, Outcome.WAIT, failure)
        self._kept.inc()
        log.error("record_dead_lettered", **where, tries=tries, exc_info=error)
        return Ended(attempt, Outcome.DEAD_LETTER, error)
