"""One try of a record: inside its trace, judged by its error, never raising."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from opentelemetry import trace
from opentelemetry.trace import StatusCode

from consumers.errors import Fatal, Poison, Retryable, Unavailable
from consumers.metrics import Metrics
from consumers.runtime.backoff import RetryPolicy
from consumers.runtime.tries import Tries
from consumers.types import Attempt, Outcome
from propagation import processing
from propagation.testing import captured_spans
from tests.builders import record
from tests.fakes import FakeDeadLetters

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from structlog.typing import EventDict

    from consumers.types import Record

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACED = [("traceparent", f"00-{TRACE_ID}-b7ad6b7169203331-01".encode())]


def in_trace(one: Record) -> AbstractContextManager[object]:
    """Open the scope of the real thing."""
    return processing(one.message)


def tried(
    error: BaseException | None, dead_letters: FakeDeadLetters | None = None, spent: int = 0
) -> tuple[Outcome, Metrics]:
    """Try a record with a trace whose handler raises *error*, after *spent* earlier tries."""

    def handle(_: Record) -> None:
        if error is not None:
            raise error

    metrics = Metrics()
    tries = Tries(
        handle,
        processing=in_trace,
        dead_letters=dead_letters or FakeDeadLetters(),
        policy=RetryPolicy(),
        metrics=metrics,
    )
    attempt = Attempt(record(5, headers=[*TRACED]))
    attempt.spent = spent
    return tries(attempt).outcome, metrics


@pytest.mark.usefixtures("logged")
@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, Outcome.DONE),
        (Retryable("not yet"), Outcome.RETRY),
        (ValueError("unknown"), Outcome.RETRY),
        (Unavailable("down"), Outcome.WAIT),
        (Poison("never"), Outcome.DEAD_LETTER),
        (Fatal("no more"), Outcome.FATAL),
        (SystemExit(1), Outcome.FATAL),
    ],
    ids=repr,
)
def test_a_try_ends_as_its_error_says(error: BaseException | None, outcome: Outcome) -> None:
    """Whatever the handler raises comes back as an outcome, and the time it took is measured."""
    ended, metrics = tried(error)

    assert ended is outcome
    count = metrics.registry.get_sample_value("consumers_handler_duration_seconds_count")
    assert count == 1


@pytest.mark.usefixtures("logged")
def test_the_span_of_a_failed_try_is_an_error() -> None:
    """A failure marks the record's span, which belongs to the record's trace."""
    with captured_spans() as spans:
        tried(Retryable("not yet"))

    (span,) = spans
    assert span.status.status_code is StatusCode.ERROR
    assert span.context is not None
    assert f"{span.context.trace_id:032x}" == TRACE_ID


def test_the_handler_runs_inside_the_records_trace() -> None:
    """Whatever the handler logs or calls belongs to the trace of the record."""
    seen: list[str] = []
    tries = Tries(
        lambda _: seen.append(f"{trace.get_current_span().get_span_context().trace_id:032x}"),
        processing=in_trace,
        dead_letters=FakeDeadLetters(),
        policy=RetryPolicy(),
        metrics=Metrics(),
    )

    with captured_spans():
        tries(Attempt(record(headers=[*TRACED])))

    assert seen == [TRACE_ID]


def test_a_dead_letter_is_logged_with_where_it_came_from(logged: list[EventDict]) -> None:
    """One error event names topic, partition and offset, carries the exception, and no payload."""
    tried(Poison("never"), spent=2)

    (event,) = logged
    error = event.pop("exc_info")
    assert event == {
        "event": "record_dead_lettered",
        "log_level": "error",
        "topic": "plays",
        "partition": 0,
        "offset": 5,
        "tries": 3,
    }
    assert isinstance(error, Poison)


def test_a_dead_letter_is_written_inside_the_records_trace() -> None:
    """The queue is written while the record's span is current, so that it gets the same trace."""

    class Noting(FakeDeadLetters):
        """Notes the trace that is current when a record is kept."""

        def send(self, one: Record, error: BaseException, *, attempts: int) -> None:
            """Note it."""
            context = trace.get_current_span().get_span_context()
            seen.append(f"{context.trace_id:032x}")
            super().send(one, error, attempts=attempts)

    seen: list[str] = []
    with captured_spans():
        tried(Poison("never"), Noting())

    assert seen == [TRACE_ID]


def test_a_refused_dead_letter_waits_and_is_counted(logged: list[EventDict]) -> None:
    """A record that the queue did not take is not finished; the log says why."""
    outcome, metrics = tried(Poison("never"), FakeDeadLetters(failures=1))

    assert outcome is Outcome.WAIT
    assert metrics.registry.get_sample_value("consumers_dead_letter_failures_total") == 1
    assert metrics.registry.get_sample_value("consumers_dead_letters_total") == 0
    assert [event["event"] for event in logged] == ["dead_letter_failed"]


@pytest.mark.usefixtures("logged")
def test_a_queue_that_breaks_stops_the_worker() -> None:
    """A dead-letter queue that fails in a way nobody foresaw must not let the record pass."""

    class Broken(FakeDeadLetters):
        """Has a bug."""

        def send(self, *_: object, **__: object) -> None:
            """Fail."""
            raise AttributeError("a bug")

    outcome, _ = tried(Poison("never"), Broken())

    assert outcome is Outcome.FATAL


def test_a_scope_that_breaks_stops_the_worker() -> None:
    """A scope that cannot be opened leaves the record unfinished, and does not hang the loop."""

    @contextmanager
    def broken(_: Record) -> Iterator[None]:
        raise AttributeError("a bug")
        yield

    tries = Tries(
        lambda _: None,
        processing=broken,
        dead_letters=FakeDeadLetters(),
        policy=RetryPolicy(),
        metrics=Metrics(),
    )

    assert tries(Attempt(record())).outcome is Outcome.FATAL
