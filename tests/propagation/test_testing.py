"""The test kit: messages as consumers give them, spans as they end."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent
from threading import Thread

import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_NOT_AVAILABLE
from opentelemetry import trace

from propagation import inject
from propagation.testing import captured_spans, drawn, message
from tests.propagation.builders import context, span_context

tracer = trace.get_tracer("test")


def test_a_message_answers_like_a_consumed_one() -> None:
    """Text becomes bytes, headers become a list, the timestamp gets its type."""
    record = message(
        topic="plays",
        value="{}",
        key="p7",
        headers={"a": "1"},
        partition=2,
        offset=7,
        timestamp=1_700_000_000_000,
    )

    assert (record.topic(), record.partition(), record.offset()) == ("plays", 2, 7)
    assert (record.key(), record.value(), record.headers()) == (b"p7", b"{}", [("a", b"1")])
    assert record.timestamp() == (TIMESTAMP_CREATE_TIME, 1_700_000_000_000)
    assert record.error() is None


def test_a_plain_message_has_neither_headers_nor_timestamp() -> None:
    """As a record without them has."""
    assert message().headers() is None
    assert message(headers=[]).headers() is None
    assert message().timestamp() == (TIMESTAMP_NOT_AVAILABLE, 0)


def test_a_message_takes_what_inject_gives() -> None:
    """The headers of the current span make a message of its trace."""
    with tracer.start_as_current_span("here"):
        headers = inject([("a", b"1")])

    assert message(headers=headers).headers() == headers


def test_spans_are_captured_as_they_end() -> None:
    """Within the block, of any thread, in the order of their ends; none after it."""
    with captured_spans() as spans:
        thread = Thread(target=lambda: tracer.start_span("inner").end())
        thread.start()
        thread.join()
        assert [span.name for span in spans] == ["inner"]
    tracer.start_span("late").end()

    assert [span.name for span in spans] == ["inner"]


def test_captures_may_nest() -> None:
    """Each block gets what ends inside it."""
    with captured_spans() as outer:
        with captured_spans() as inner:
            tracer.start_span("both").end()
        tracer.start_span("one").end()

    assert [span.name for span in outer] == ["both", "one"]
    assert [span.name for span in inner] == ["both"]


def run(script: str) -> str:
    """Run *script* in a Python of its own and give what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_missing_sdk_is_named_with_its_extra() -> None:
    """The error says what to install."""
    script = """
import sys
sys.modules["opentelemetry.sdk"] = None
try:
    import propagation.testing
except ImportError as error:
    print(error)
"""

    assert run(script) == "propagation.testing needs the sdk extra: pip install 'lagmon[sdk]'"


def test_a_foreign_provider_has_no_place_to_listen() -> None:
    """The error names the provider that is in the way."""
    script = """
from opentelemetry import trace
trace.set_tracer_provider(trace.NoOpTracerProvider())
from propagation.testing import captured_spans
try:
    captured_spans().__enter__()
except TypeError as error:
    print(error)
"""

    assert run(script).endswith("the global one is NoOpTracerProvider")


@pytest.mark.parametrize("headers", [5, (("a", b"b"),), [["a", b"b"]]])
def test_a_message_refuses_what_a_producer_refuses(headers: object) -> None:
    """A test cannot pass on headers that could not have been sent."""
    with pytest.raises(TypeError):
        message(headers=headers)


def test_spans_are_drawn_as_their_traces() -> None:
    """Children stand below their parents, links are arrows, a name that repeats is numbered."""
    with captured_spans() as spans:
        with tracer.start_as_current_span("request") as request:
            with tracer.start_as_current_span("send"), tracer.start_as_current_span("retry"):
                pass
            with tracer.start_as_current_span("send"):
                pass
        links = [trace.Link(request.get_span_context()), trace.Link(span_context())]
        with tracer.start_as_current_span("batch", context(), links=links) as batch:
            tracer.start_span("sum", links=[trace.Link(batch.get_span_context())]).end()

    assert drawn(spans) == dedent("""\
        trace 1
          request
          ├─ send #1
          │  └─ retry
          └─ send #2

        trace 2
          batch (parent elsewhere) ··> request of trace 1, elsewhere
          └─ sum ··> batch""")


def test_nothing_is_drawn_of_nothing() -> None:
    """No span gives no line."""
    assert drawn([]) == ""
