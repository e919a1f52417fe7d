"""An exporter that fails says so once a minute."""

from __future__ import annotations

import logging
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from propagation.sdk.quiet import FORK_SECONDS, SILENCE_SECONDS, QuietExporter
from tests.infra.ports import free_port
from tests.propagation.sdk.scripts import succeed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SPAN = TracerProvider().get_tracer("test").start_span("play")
assert isinstance(SPAN, ReadableSpan)
SPANS = (SPAN,)


class Clock:
    """A clock that goes when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def read(self) -> float:
        """Give the time in seconds."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Give a clock that stands still."""
    return Clock()


@pytest.fixture
def unreachable(clock: Clock) -> Iterator[QuietExporter]:
    """Give an exporter whose endpoint nobody listens at."""
    endpoint = f"http://127.0.0.1:{free_port()}/v1/traces"
    exporter = QuietExporter(OTLPSpanExporter(endpoint, timeout=0.2), endpoint, clock=clock.read)
    yield exporter
    exporter.unmute()


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, int | None]]:
    """List what was logged, and of how many spans."""
    return [(r.getMessage(), getattr(r, "spans", None)) for r in caplog.records]


def test_a_failure_is_told_once_a_minute(
    unreachable: QuietExporter, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """The first failure is a line; those of the next minute are one more line with their sum."""
    for _ in range(4):
        assert unreachable.export(SPANS) is SpanExportResult.FAILURE
    clock.now = SILENCE_SECONDS
    unreachable.export(SPANS)

    assert said(caplog) == [("spans_not_exported", 1), ("spans_not_exported", 4)]
    assert unreachable.failed == 5


def test_a_failure_names_target_and_reason(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line says where the spans should have gone and why they did not, without a traceback."""
    # The exporter tells no cause but where it has the time for a retry: much time, short pauses.
    monkeypatch.setattr("random.uniform", lambda *_: 0.001)
    target = f"http://127.0.0.1:{free_port()}/v1/traces"
    quiet = QuietExporter(OTLPSpanExporter(target, timeout=60), target)
    quiet.export(SPANS)
    quiet.unmute()

    [record] = caplog.records
    facts: dict[str, Any] = vars(record)
    assert record.levelno == logging.WARNING
    assert facts["target"] == target
    assert "Connection refused" in facts["reason"]
    assert record.exc_info is None


class Raising(SpanExporter):
    """An exporter of somebody else's, with a defect, until it is mended."""

    broken = True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Raise, or take *spans*."""
        if self.broken:
            raise RuntimeError(f"defect after {len(spans)}")
        return SpanExportResult.SUCCESS


def test_an_exporter_that_raises_is_a_failure(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever an exporter raises is the reason in the line."""
    quiet = QuietExporter(Raising(), "somewhere", clock=clock.read)

    assert quiet.export(SPANS) is SpanExportResult.FAILURE
    assert vars(caplog.records[0])["reason"] == "RuntimeError('defect after 1')"
    quiet.unmute()


def test_a_recovery_is_told(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """The first batch that arrives after failures is a line, the next ones are none."""
    caplog.set_level(logging.INFO, "propagation")
    exporter = Raising()
    quiet = QuietExporter(exporter, "somewhere", clock=clock.read)
    quiet.export(SPANS)
    exporter.broken = False
    quiet.export(SPANS)
    quiet.export(SPANS)

    assert [event for event, _ in said(caplog)] == ["spans_not_exported", "spans_exported_again"]
    quiet.unmute()


class Stuck(SpanExporter):
    """An exporter that waits until it is let go."""

    def __init__(self) -> None:
        self.go = Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Wait, then take *spans*."""
        self.go.wait(60)
        return SpanExportResult.SUCCESS if spans else SpanExportResult.FAILURE


def test_a_full_queue_is_told_once_a_minute(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """What the batch processor says about dropped spans comes once a minute too."""
    exporter = Stuck()
    quiet = QuietExporter(exporter, "somewhere", clock=clock.read)
    processor = BatchSpanProcessor(quiet, max_queue_size=1, max_export_batch_size=1)
    for _ in range(5):
        processor.on_end(SPANS[0])
    exporter.go.set()
    processor.shutdown()  # type: ignore[no-untyped-call] # the SDK left its type out

    [full] = caplog.records
    assert "Queue full" in full.getMessage()
    logging.getLogger(full.name).warning("soon after")
    clock.now = SILENCE_SECONDS
    logging.getLogger(full.name).warning("a minute later")
    assert [event for event, _ in said(caplog)][1:] == ["a minute later"]
    quiet.unmute()


def test_unmuting_gives_the_exporters_logger_back() -> None:
    """Afterwards the exporter's own messages are heard again."""
    logger = logging.getLogger(OTLPSpanExporter.__module__)
    before = list(logger.filters)
    quiet = QuietExporter(OTLPSpanExporter(), "x")
    during = list(logger.filters)
    quiet.unmute()

    assert len(during) == len(before) + 1
    assert logger.filters == before


def test_a_forked_child_has_an_exporter_of_its_own() -> None:
    """A child makes its own exporter at its first export, and the parent keeps the one it has."""
    script = """
        import os, sys
        from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
        from propagation.sdk.quiet import QuietExporter
        class Connection(SpanExporter):
            def __init__(self):
                self.owner = os.getpid()
            def export(self, spans):
                assert self.owner == os.getpid(), "somebody else's connection"
                return SpanExportResult.SUCCESS
        quiet = QuietExporter(Connection(), "x", make=Connection)
        forked = os.fork()
        failed = quiet.export([None]) is not SpanExportResult.SUCCESS
        if not forked:
            os._exit(failed)
        print(failed, os.waitpid(forked, 0)[1])
    """

    assert succeed(script).split() == ["False", "0"]


SENDING = """
    import os, time
    from threading import Event, Thread
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
    from propagation.sdk import quiet as module
    from propagation.sdk.quiet import QuietExporter
    module.FORK_SECONDS = {fork_seconds}
    busy, go, sent = Event(), Event(), []
    # What is registered first runs last: at the very moment of the fork.
    os.register_at_fork(before=lambda: print(sent, flush=True))
    class Slow(SpanExporter):
        def export(self, spans):
            busy.set()
            go.wait(50)
            time.sleep(0.1)
            sent.append("sent")
            return SpanExportResult.SUCCESS
    quiet = QuietExporter(Slow(), "x")
    thread = Thread(target=quiet.export, args=([None],))
    thread.start()
    busy.wait(50)
    {let_go}
    began = time.monotonic()
    if not (forked := os.fork()):
        os._exit(0)
    print(os.waitpid(forked, 0)[1], time.monotonic() - began)
    go.set()
    thread.join()
    quiet.export([None])
    print(sent)
"""


def test_a_fork_waits_until_nothing_is_being_sent() -> None:
    """In the middle of a call a child would inherit a transport that is beyond repair."""
    let_go = "os.register_at_fork(before=go.set)"
    out = succeed(SENDING.format(let_go=let_go, fork_seconds=50))

    assert out.splitlines()[0] == "['sent']"
    assert out.splitlines()[2] == "['sent', 'sent']"  # the parent goes on


def test_a_fork_does_not_wait_for_long() -> None:
    """A receiver that hangs holds no fork up, and the parent sends again once it does not hang."""
    lines = succeed(SENDING.format(let_go="pass", fork_seconds=FORK_SECONDS)).splitlines()

    assert lines[0] == "[]"
    code, seconds = lines[1].split()
    assert code == "0"
    assert FORK_SECONDS <= float(seconds) < FORK_SECONDS + 30  # the receiver hangs for 50
    assert lines[2] == "['sent', 'sent']"


def test_an_exporter_of_the_past_is_forgotten() -> None:
    """Exporters that are gone do not come back with a fork."""
    script = """
        import gc, os, weakref
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter
        from propagation.sdk.quiet import QuietExporter
        quiet = QuietExporter(ConsoleSpanExporter(), "x", make=ConsoleSpanExporter)
        quiet.unmute()
        gone = weakref.ref(quiet)
        del quiet
        gc.collect()
        if not (forked := os.fork()):
            os._exit(0)
        print(gone(), os.waitpid(forked, 0)[1])
    """

    assert succeed(script).split() == ["None", "0"]
