"""The trace that a record's headers carry, in each format, and the headers that may be shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.propagators.b3 import B3MultiFormat, B3SingleFormat

from lagmon.collector.carried import TEXT_CHARACTERS, Trace, allowed, trace_of

ID = "4bf92f3577b34da6a3ce929d0e0e4736"
OTHER = "0af7651916cd43dd8448eb211c80319c"
SHORT = "a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


def headers(**texts: str) -> list[tuple[str, bytes]]:
    """Give headers as a message does; ``_`` in a name is ``-``."""
    return [(name.replace("_", "-"), text.encode()) for name, text in texts.items()]


@pytest.mark.parametrize(
    ("held", "sampled"),
    [
        pytest.param(headers(traceparent=f"00-{ID}-{SPAN}-01"), True, id="W3C, sampled"),
        pytest.param(headers(traceparent=f"00-{ID}-{SPAN}-00"), False, id="W3C, not sampled"),
        pytest.param(headers(TraceParent=f"00-{ID}-{SPAN}-01"), True, id="W3C, another case"),
        pytest.param(headers(b3=f"{ID}-{SPAN}-1"), True, id="B3, sampled"),
        pytest.param(headers(b3=f"{ID}-{SPAN}-0"), False, id="B3, not sampled"),
        pytest.param(headers(b3=f"{ID}-{SPAN}-d"), True, id="B3, debug"),
        pytest.param(headers(b3=f"{ID}-{SPAN}-1-{SPAN}"), True, id="B3 with a parent"),
        pytest.param(headers(b3=f"{ID}-{SPAN}"), None, id="B3, decision deferred"),
        pytest.param(headers(b3=f"{ID.upper()}-{SPAN}-1"), True, id="B3 in capitals"),
        pytest.param(
            headers(X_B3_TraceId=ID, X_B3_SpanId=SPAN, X_B3_Sampled="1"), True, id="B3 multi"
        ),
        pytest.param(
            headers(x_b3_traceid=ID, x_b3_spanid=SPAN, x_b3_sampled="false"), False, id="B3 false"
        ),
        pytest.param(
            headers(X_B3_TraceId=ID, X_B3_SpanId=SPAN, X_B3_Flags="1"), True, id="B3 multi, debug"
        ),
        pytest.param(headers(X_B3_TraceId=ID, X_B3_SpanId=SPAN), None, id="B3 multi, deferred"),
    ],
)
def test_each_format_is_read(held: list[tuple[str, bytes]], sampled: bool | None) -> None:  # noqa: FBT001 - a parameter
    """W3C, B3 in one header and B3 in several give the id and whether the trace was recorded."""
    assert trace_of(held) == Trace(ID, sampled)


def test_a_short_b3_id_is_the_lower_half() -> None:
    """Sixteen digits are padded, as tracing systems store them."""
    assert trace_of(headers(b3=f"{SHORT}-{SPAN}-1")).id == "0" * 16 + SHORT


def test_w3c_counts_before_b3() -> None:
    """A record with both names the trace of its traceparent."""
    both = headers(b3=f"{OTHER}-{SPAN}-1", traceparent=f"00-{ID}-{SPAN}-01")

    assert trace_of(both).id == ID


def test_one_b3_header_counts_before_several() -> None:
    """Where both forms of B3 stand, the single header is the newer one."""
    both = headers(X_B3_TraceId=OTHER, X_B3_SpanId=SPAN, b3=f"{ID}-{SPAN}-1")

    assert trace_of(both).id == ID


def test_a_broken_traceparent_leaves_b3() -> None:
    """What W3C's rules refuse is no reason to overlook a trace that is there."""
    assert trace_of(headers(traceparent="00-zz", b3=f"{ID}-{SPAN}-1")).id == ID


def test_of_several_the_last_valid_one_counts() -> None:
    """Each hop appends; the last one that can be read is the sender's."""
    parents = [f"00-{OTHER}-{SPAN}-01", f"00-{ID}-{SPAN}-01", "00-broken"]

    assert trace_of([("traceparent", one.encode()) for one in parents]).id == ID


@pytest.mark.parametrize(
    ("held", "why"),
    [
        (None, "the record carries no trace header"),
        ([], "the record carries no trace header"),
        (headers(x_request_id="7"), "the record carries no trace header"),
        (headers(traceparent="00-zz"), "no valid trace id in its header traceparent"),
        (headers(b3=f"{'0' * 32}-{SPAN}-1"), "no valid trace id in its header b3"),
        (headers(b3=f"{'0' * 16}-{SPAN}-1"), "no valid trace id in its header b3"),
        (headers(X_B3_TraceId=ID), "no valid trace id in its header x-b3-traceid"),
        (
            headers(X_B3_TraceId="0" * 32, X_B3_SpanId=SPAN),
            "no valid trace id in its header x-b3-traceid",
        ),
        (headers(X_B3_SpanId=SPAN), "the record carries no trace header"),
        (headers(b3="1"), "no valid trace id in its header b3"),
        (headers(b3="0"), "not traced: its header b3 says so"),
        (
            headers(traceparent="", b3=f"{ID}-{'0' * 16}-1"),
            "no valid trace id in its headers traceparent, b3",
        ),
    ],
)
def test_without_a_trace_it_is_said_why(held: list[tuple[str, bytes]] | None, why: str) -> None:
    """A record without a trace id has a reason, which names the header and never quotes it."""
    assert trace_of(held) == Trace(unknown=why)


context = st.builds(
    trace.SpanContext,
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    st.just(value=True),
    st.sampled_from([trace.TraceFlags(0), trace.TraceFlags(1)]),
)


@given(context, st.sampled_from([B3SingleFormat(), B3MultiFormat()]))
def test_what_opentelemetry_writes_as_b3_is_read(
    sent: trace.SpanContext, form: B3SingleFormat | B3MultiFormat
) -> None:
    """Every context that OpenTelemetry's own B3 propagators write comes back."""
    carrier: dict[str, str] = {}
    form.inject(carrier, trace.set_span_in_context(trace.NonRecordingSpan(sent)))

    read = trace_of([(name, text.encode()) for name, text in carrier.items()])

    assert read == Trace(f"{sent.trace_id:032x}", sampled=sent.trace_flags.sampled)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["traceparent", "b3", "X-B3-TraceId", "X-B3-SpanId"]),
            st.none() | st.binary(max_size=60),
        )
    )
)
def test_no_header_is_too_strange(held: list[tuple[str, bytes | None]]) -> None:
    """Whatever stands there, there is either an id or a reason, and never an exception."""
    read = trace_of(held)

    assert (read.id is None) != (read.unknown is None)


def test_only_allowed_headers_are_given() -> None:
    """The settings name them, in any case; the others stay where they are."""
    held = headers(X_Request_Id="r-7", authorization="secret", tenant="blue")

    assert allowed(held, ("tenant", "x-request-id")) == (
        ("tenant", "blue"),
        ("x-request-id", "r-7"),
    )
    assert allowed(held, ()) == ()


def test_an_allowed_header_is_bounded_text() -> None:
    """A long one is cut, what is no text is replaced, and an empty one is empty."""
    long = TEXT_CHARACTERS + 1
    held = [("a", b"x" * long), ("b", b"\xff!"), ("c", None)]

    assert allowed(held, "abc") == (
        ("a", "x" * TEXT_CHARACTERS + "…"),
        ("b", "\N{REPLACEMENT CHARACTER}!"),
        ("c", ""),
    )
