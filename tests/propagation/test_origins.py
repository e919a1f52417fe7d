"""The short way to a message's span context leads where the carrier's long one does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.propagate import get_global_textmap, set_global_textmap
from opentelemetry.propagators.textmap import TextMapPropagator

from propagation.carrier import current_format
from propagation.contexts import span_in
from propagation.headers import NO_NAMES
from propagation.origins import read_origin
from propagation.recorders import Dropped
from tests.propagation.builders import TRACEPARENT, ids
from tests.propagation.builders import span_in as context_in

VALID = TRACEPARENT.encode()
MUTATED = st.builds(
    lambda at, byte: VALID[:at] + bytes([byte]) + VALID[at + 1 :],
    st.integers(0, len(VALID) - 1),
    st.one_of(st.sampled_from(b"0aAfg-_+ 1"), st.integers(0, 255)),
)
VALUES = st.one_of(
    st.just(VALID), MUTATED, st.binary(max_size=60), st.none(), st.just(VALID + b"-x")
)
NAMES = st.sampled_from(["traceparent", "TraceParent", "tracestate", "baggage", "other"])
HEADERS = st.lists(st.tuples(NAMES, VALUES | st.just(b"a=1")), max_size=4)


@given(HEADERS)
def test_both_ways_lead_to_the_same_place(headers: list[tuple[str, Any]]) -> None:
    """Ids, flags, state, whether it is remote; and whether there is one at all."""
    _, origin = read_origin(headers, Context(), NO_NAMES)

    expected = context_in(current_format().read(headers, Context(), NO_NAMES))
    assert (origin is not None) == expected.is_valid
    if origin is not None:
        assert origin == expected
        assert origin.trace_state == expected.trace_state


@pytest.mark.parametrize(
    "headers", [None, [], {}, (), 5, [5], [(1, 2, 3)], [("traceparent",)], [(b"a", b"b")]]
)
def test_no_shape_of_headers_is_stumbled_over(headers: Any) -> None:
    """What is no list of pairs has no origin, and raises nothing."""
    assert read_origin(headers, Context(), NO_NAMES) == (Context(), None)


def test_another_format_is_read_by_its_propagator() -> None:
    """Where the application has chosen another propagator, that one decides."""

    class Own(TextMapPropagator):
        """A format of somebody's own."""

        fields = frozenset(("own",))  # type: ignore[assignment]  # a set it is

        def extract(self, carrier: Any, context: Any = None, getter: Any = None) -> Context:
            [text] = getter.get(carrier, "own")
            remote = trace.SpanContext(int(text), 7, is_remote=True)
            return trace.set_span_in_context(trace.NonRecordingSpan(remote), context)

        def inject(self, carrier: Any, context: Any = None, setter: Any = None) -> None:
            """Write nothing."""

    before = get_global_textmap()
    set_global_textmap(Own())
    try:
        _, origin = read_origin([("own", b"5")], Context(), NO_NAMES)
    finally:
        set_global_textmap(before)

    assert origin is not None
    assert ids(origin) == (5, 7)


def test_a_dropped_span_has_a_context_when_asked() -> None:
    """It is a span like any other that is not recorded."""
    span = Dropped(5, 7, 2, None)
    context = trace.set_span_in_context(span, Context())

    assert span_in(context) is span
    assert ids(span.get_span_context()) == (5, 7)
    assert span.get_span_context() is span.get_span_context()
    assert (span.is_recording(), span.get_span_context().trace_flags) == (False, 2)
    assert "trace_id=0x" in repr(span)
