"""Let an exporter fail in one line a minute.

The OTLP exporter logs each retry of each batch, and the batch processor each burst of dropped
spans. `QuietExporter` wraps an exporter: it never raises, counts the spans that did not arrive, and
says so at most once a minute with the reason, and once more when they arrive again. Of spans that
a full queue drops, the batch processor's own line comes once a minute, with their number.
In a forked child it begins with an exporter of its own: a connection has one process. A fork waits
until nothing is being sent, though not for long: gRPC does not survive one in the middle of a call.
"""

from __future__ import annotations

import logging
import os
import time
import weakref
from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

SILENCE_SECONDS: Final = 60.0
FORK_SECONDS: Final = 1.0  # that a fork waits at most for what is being sent

_QUEUE_LOGGER: Final = "opentelemetry.sdk._shared_internal"  # where the batch processor logs

_QUEUE_FULL: Final = "Queue full, dropping %s."

_log = logging.getLogger(__name__)


class QuietExporter(SpanExporter):
    """An exporter whose failures are counted, and logged once a minute.

    *exporter* is what sends, *target* names where to in the log, *loggers* are those it complains
    to, *make* makes another one for a forked child. `failed` counts spans that were sent in vain.
    `dropped` counts those that no queue took; the processors of a process share that count, for
    the SDK does not tell them apart.
    """

    def __init__(
        self,
        exporter: SpanExporter,
        target: str,
        *,
        make: Callable[[], SpanExporter] | None = None,
        loggers: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.failed = 0
        self.dropped = 0
        self._exporter = exporter
        self._make = make
        self._inherited: SpanExporter | None = None
        self._target = target
        self._said, self._said_full = _Said(clock), _Said(clock)
        self._unsaid = self._unsaid_dropped = 0
        self._failing = False
        self._overheard = ""
        self._muted = ExitStack()
        for name in loggers or (type(exporter).__module__,):
            self._muted.enter_context(_filtered(name, self._overhear))
        self._muted.enter_context(_filtered(_QUEUE_LOGGER, self._note_full))
        self._sending = Lock()
        self._forking = False
        _watch_forks(weakref.ref(self))

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send *spans*. Never raises."""
        with self._sending:
            return self._export(spans)

    def _export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._overheard = ""
        if self._inherited is not None and self._make is not None:
            self._exporter, self._inherited = self._make(), None
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # noqa: BLE001 - whatever the exporter's transport raises
            result, self._overheard = SpanExportResult.FAILURE, repr(error)
        if result is SpanExportResult.SUCCESS:
            self._note_success()
        else:
            self._note_failure(len(spans))
        return result

    def shutdown(self) -> None:
        """Close the exporter; a retry that waits is given up."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Pass the wish on."""
        return self._exporter.force_flush(timeout_millis)

    def unmute(self) -> None:
        """Let the exporter's own loggers speak again."""
        self._muted.close()

    def _note_failure(self, spans: int) -> None:
        self.failed += spans
        self._unsaid += spans
        self._failing = True
        if self._said.again():
            reason = self._overheard or "the exporter gave no reason"
            facts = {"target": self._target, "spans": self._unsaid, "reason": reason}
            _log.warning("spans_not_exported", extra=facts)
            self._unsaid = 0

    def _note_success(self) -> None:
        if self._failing:
            self._failing = False
            _log.info("spans_exported_again", extra={"target": self._target, "lost": self.failed})

    def before_fork(self) -> None:
        """Wait, within bounds, until nothing is being sent, and let nothing be sent."""
        if self._sending.acquire(timeout=FORK_SECONDS):
            self._forking = True

    def after_fork(self) -> None:
        """Go on in the parent."""
        if self._forking:  # not where two threads fork at once and the other was here first
            self._forking = False
            self._sending.release()

    def start_anew(self) -> None:
        """Take the exporter as the parent's. The next export makes one, outside of the fork."""
        self._sending = Lock()
        self._forking = False
        if self._make is not None:
            self._inherited = self._exporter

    def _note_full(self, record: logging.LogRecord) -> bool:
        if record.msg == _QUEUE_FULL and record.args == ("Span",):
            self.dropped += 1
            self._unsaid_dropped += 1
        if not self._said_full.again():
            return False
        record.spans, self._unsaid_dropped = self._unsaid_dropped, 0
        return True

    def _overhear(self, record: logging.LogRecord) -> bool:
        # The first message tells the cause, later ones only that it is given up.
        self._overheard = self._overheard or record.getMessage()
        return False


class _Said:
    """Remembers when something was said last."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._at: float | None = None

    def again(self) -> bool:
        """Tell whether it may be said again, and take it as said."""
        now = self._clock()
        if self._at is not None and now - self._at < SILENCE_SECONDS:
            return False
        self._at = now
        return True


def _watch_forks(exporter: weakref.ref[QuietExporter]) -> None:
    """Tell *exporter* of forks as long as it lives; what is registered stays registered."""

    def told(what: Callable[[QuietExporter], None]) -> Callable[[], None]:
        def tell() -> None:
            if (living := exporter()) is not None:
                what(living)

        return tell

    os.register_at_fork(
        before=told(QuietExporter.before_fork),
        after_in_parent=told(QuietExporter.after_fork),
        after_in_child=told(QuietExporter.start_anew),
    )


@contextmanager
def _filtered(name: str, accept: Callable[[logging.LogRecord], bool]) -> Iterator[None]:
    """Ask *accept* about each record of the logger *name*."""
    logger = logging.getLogger(name)
    # First of all: the SDK's own filter hides what comes again, and it has to be counted.
    logger.filters.insert(0, accept)
    try:
        yield
    finally:
        logger.removeFilter(accept)
