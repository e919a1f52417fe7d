"""Trace context in Kafka headers: what is read, what is written, and in which format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagate import get_global_textmap, set_global_textmap
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from propagation import Options, TopicPolicy, extract, inject
from propagation.carrier import W3C, Configured, adopt_w3c, current_format, inject_span
from propagation.w3c import W3CPropagator
from tests.propagation.builders import (
    OTHER_TRACEPARENT,
    TRACEPARENT,
    context,
    span_context,
    span_in,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BAD = st.sampled_from(["traceparent", "tracestate", "baggage", "TraceParent", "x"])
HEADERS = st.lists(st.tuples(BAD | st.text(), st.none() | st.binary() | st.text()), max_size=6)
KEYS = st.from_regex(r"[a-z][a-z0-9_\-*/]{0,8}", fullmatch=True)
STATES = st.dictionaries(KEYS, st.from_regex(r"[!-+\--<>-~]{1,8}", fullmatch=True), max_size=4)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(HEADERS)
def test_no_header_makes_reading_raise(headers: list[tuple[str, Any]]) -> None:
    """Whatever stands in the headers, a context comes out."""
    assert isinstance(extract(headers), Context)


@given(st.lists(st.tuples(BAD, st.none() | st.binary()), max_size=6))
def test_no_header_makes_forwarding_raise(headers: list[tuple[str, bytes | None]]) -> None:
    """Headers of a message can be handed on: one trace goes out, whatever came in."""
    sent = inject(headers, context())

    assert [value for name, value in sent if name.lower() == "traceparent"] == [
        TRACEPARENT.encode()
    ]


@given(
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    st.integers(0, 3),
    STATES,
    st.dictionaries(st.from_regex(r"[a-z!#.]{1,8}", fullmatch=True), TEXTS, max_size=4),
)
def test_a_context_is_read_as_it_was_written(
    trace_id: int, span_id: int, flags: int, state: dict[str, str], bag: dict[str, str]
) -> None:
    """Ids, flags, state and baggage come out of the headers that they went into."""
    members = ",".join(f"{key}={value}" for key, value in state.items())
    sent = context(span_context(trace_id, span_id, flags, members))
    for key, value in bag.items():
        sent = baggage.set_baggage(key, value, sent)

    read = extract(inject(context=sent))

    assert span_in(read) == span_in(sent)
    assert span_in(read).trace_state.to_header() == members
    assert baggage.get_all(read) == bag


@given(STATES, st.booleans())
def test_an_unchanged_trace_keeps_its_state(state: dict[str, str], sampled: bool) -> None:  # noqa: FBT001  # drawn
    """Who only passes on changes nothing, in either header."""
    came = [("traceparent", f"{TRACEPARENT[:-1]}{int(sampled)}".encode())]
    if state:
        came.append(("tracestate", ",".join(f"{k}={v}" for k, v in state.items()).encode()))

    assert inject(context=extract(came)) == came


@pytest.mark.parametrize(
    ("headers", "traceparent"),
    [
        ([("traceparent", OTHER_TRACEPARENT), ("traceparent", TRACEPARENT)], TRACEPARENT),
        ([("traceparent", TRACEPARENT), ("traceparent", "broken")], TRACEPARENT),
        ([("traceparent", TRACEPARENT), ("TRACEPARENT", OTHER_TRACEPARENT)], OTHER_TRACEPARENT),
        ([("Traceparent", TRACEPARENT.encode())], TRACEPARENT),
        ({"traceparent": TRACEPARENT}, TRACEPARENT),
    ],
)
def test_the_last_valid_traceparent_counts(headers: Any, traceparent: str) -> None:
    """Others have appended where they should have replaced; the last hop is the newest."""
    assert inject(context=extract(headers)) == [("traceparent", traceparent.encode())]


@pytest.mark.parametrize(
    "headers",
    [
        None,
        [],
        {},
        [("traceparent", None)],
        [("traceparent", b"\xff\xfe")],
        [("tracestate", b"a=1")],
    ],
)
def test_headers_without_a_valid_trace_give_an_empty_context(headers: Any) -> None:
    """A trace starts anew; a state without a trace is nothing."""
    assert extract(headers) == Context()


@pytest.mark.parametrize(
    ("topic", "trust", "expected"),
    [
        ("plays", "continue", {"tenant": "acme"}),
        ("plays", "link", None),
        ("plays", "ignore", None),
        ("other", "ignore", {"tenant": "acme"}),
    ],
)
def test_no_more_is_extracted_than_is_trusted(
    topic: str, trust: Any, expected: dict[str, str] | None
) -> None:
    """The policy for the topic decides on all of it, the options on the keys of the baggage."""
    headers = [("traceparent", TRACEPARENT), ("baggage", "tenant=acme,secret=1")]
    options = Options((TopicPolicy("plays", trust=trust),), frozenset({"tenant"}))

    read = extract(headers, topic=topic, options=options)

    assert span_in(read).is_valid is (expected is not None)
    assert baggage.get_all(read) == (expected or {})


@pytest.mark.parametrize(
    ("headers", "state"),
    [
        (["s:a=1", "p", "s:b=2"], "a=1,b=2"),
        (["q", "s:a=1", "p", "s:b=2"], "b=2"),
        (["q", "s:a=1", "p"], ""),
        (["p", "s:a=1", "broken", "s:b=2"], "a=1"),
        (["p", "s:not valid"], ""),
    ],
)
def test_a_tracestate_goes_with_its_traceparent(headers: list[str], state: str) -> None:
    """One trace owns all states; of several each owns those up to the next."""
    values = {"p": TRACEPARENT, "q": OTHER_TRACEPARENT}
    carried = [
        ("tracestate", text[2:])
        if text.startswith("s:")
        else ("traceparent", values.get(text, text))
        for text in headers
    ]

    read = span_in(extract(carried))

    assert read == span_context(state=state)
    assert read.trace_state.to_header() == state


def test_the_current_context_is_the_default() -> None:
    """Without a context the span that is current is written."""
    with trace.use_span(trace.NonRecordingSpan(span_context())):
        assert inject() == [("traceparent", TRACEPARENT.encode())]


def test_old_trace_headers_go_even_where_nothing_replaces_them() -> None:
    """A new traceparent makes an old tracestate and old baggage strangers."""
    headers = [("tracestate", b"old=1"), ("baggage", b"old=1"), ("x", b"1")]

    assert inject(headers, context()) == [("x", b"1"), ("traceparent", TRACEPARENT.encode())]


def test_headers_stay_where_there_is_no_trace_to_write() -> None:
    """Without a current span the caller's trace headers travel on."""
    headers = [("traceparent", OTHER_TRACEPARENT.encode()), ("baggage", b"old=1")]
    with_baggage = baggage.set_baggage("new", "1", Context())

    assert inject(headers, Context()) == headers
    assert inject(headers, with_baggage) == [headers[0], ("baggage", b"new=1")]


def test_only_allowed_baggage_is_written() -> None:
    """A producer sends the keys of its options."""
    full = baggage.set_baggage("a", "1", baggage.set_baggage("b", "2", context()))
    span = trace.get_current_span(full)

    assert ("baggage", b"a=1") in inject_span(None, span, full, frozenset({"a"}))
    assert len(inject_span(None, span, full, frozenset())) == 1


class Shouting(TextMapPropagator):
    """A format of its own, that knows one header and fails on request."""

    fails = False

    fields = {"X-Shout"}  # noqa: RUF012  # as the interface has it

    def extract(self, carrier: Any, context: Any = None, getter: Any = None) -> Context:
        """Read the header; its text is the baggage of that name."""
        texts = getter.get(carrier, "x-shout") or []
        if texts == ["fail"]:
            raise RuntimeError
        for text in texts:
            context = baggage.set_baggage(text, ",".join(getter.keys(carrier)), context)
        return context or Context()

    def inject(self, carrier: Any, context: Any = None, setter: Any = None) -> None:
        """Write the ids and the names of the baggage."""
        del setter
        if self.fails:
            raise RuntimeError
        carrier["X-Shout"] = " ".join([hex(span_in(context).span_id), *baggage.get_all(context)])


@pytest.fixture
def configured() -> Iterator[Callable[[TextMapPropagator], None]]:
    """Give the function that sets the global propagator, for one test."""
    before = get_global_textmap()
    yield set_global_textmap
    set_global_textmap(before)


def test_another_format_goes_through_the_same_headers(
    configured: Callable[[TextMapPropagator], None],
) -> None:
    """The configured propagator writes as it spells; its old headers go in any case."""
    configured(Shouting())

    sent = inject([("x-shout", b"old"), ("traceparent", b"kept")], context())

    assert sent == [("traceparent", b"kept"), ("X-Shout", b"0xb7ad6b7169203331")]


def test_another_format_reads_the_last_value(
    configured: Callable[[TextMapPropagator], None],
) -> None:
    """Of a repeated header the last counts there too; all names can be listed."""
    configured(Shouting())

    read = extract([("X-SHOUT", b"old"), ("x-shout", b"new"), ("y", b"")])

    assert baggage.get_all(read) == {"new": "x-shout,x-shout,y"}


def test_another_format_keeps_to_the_allowed_baggage(
    configured: Callable[[TextMapPropagator], None],
) -> None:
    """Baggage is limited on the way in and out, and what was here before stays."""
    configured(Shouting())
    here = baggage.set_baggage("a", "1", baggage.set_baggage("own", "1", context()))

    read = current_format().read([("x-shout", "secret")], here, frozenset({"a"}))
    sent = inject_span(None, trace.get_current_span(here), here, frozenset({"a"}))

    assert baggage.get_all(read) == {"own": "1", "a": "1"}
    assert sent == [("X-Shout", b"0xb7ad6b7169203331 a")]


def test_a_failing_format_costs_the_trace_alone(
    configured: Callable[[TextMapPropagator], None], caplog: pytest.LogCaptureFixture
) -> None:
    """What a configured propagator raises is logged; the message is read."""
    configured(Shouting())

    assert extract([("x-shout", b"fail")]) == Context()
    assert [record.message for record in caplog.records] == ["propagator_failed"]


def test_a_format_that_cannot_write_costs_the_trace_alone(
    configured: Callable[[TextMapPropagator], None], caplog: pytest.LogCaptureFixture
) -> None:
    """The message goes out, with the headers it had."""
    failing = Shouting()
    failing.fails = True
    configured(failing)

    assert inject([("a", b"1")], context()) == [("a", b"1")]
    assert [record.message for record in caplog.records] == ["propagator_failed"]


@pytest.mark.parametrize(
    ("propagator", "names"),
    [
        (W3CPropagator(), {"traceparent", "tracestate", "baggage"}),
        (TraceContextTextMapPropagator(), {"traceparent", "tracestate"}),
        (
            CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()]),
            {"traceparent", "tracestate", "baggage"},
        ),
    ],
)
def test_w3c_is_read_by_our_own_parser(
    configured: Callable[[TextMapPropagator], None], propagator: TextMapPropagator, names: set[str]
) -> None:
    """tracecontext, with or without baggage, needs no other code."""
    configured(propagator)

    form = current_format()

    assert isinstance(form, W3C)
    assert form.names == names


@pytest.mark.parametrize(
    "propagator",
    [Shouting(), CompositePropagator([]), W3CBaggagePropagator(),
     CompositePropagator([TraceContextTextMapPropagator(), Shouting()])],
)  # fmt: skip
def test_any_other_setting_is_left_to_its_propagators(
    configured: Callable[[TextMapPropagator], None], propagator: TextMapPropagator
) -> None:
    """OTEL_PROPAGATORS=none, baggage alone, or a foreign format: theirs."""
    configured(propagator)

    assert isinstance(current_format(), Configured)


def test_without_propagators_nothing_travels(
    configured: Callable[[TextMapPropagator], None],
) -> None:
    """OTEL_PROPAGATORS=none writes nothing, reads nothing, removes nothing."""
    configured(CompositePropagator([]))

    assert inject([("traceparent", b"kept")], context()) == [("traceparent", b"kept")]
    assert extract([("traceparent", TRACEPARENT)]) == Context()


def test_without_baggage_it_stays_an_ordinary_header(
    configured: Callable[[TextMapPropagator], None],
) -> None:
    """OTEL_PROPAGATORS=tracecontext neither reads nor replaces baggage."""
    configured(TraceContextTextMapPropagator())
    full = baggage.set_baggage("a", "1", context())

    sent = inject([("baggage", b"theirs=1")], full)

    assert sent == [("baggage", b"theirs=1"), ("traceparent", TRACEPARENT.encode())]
    assert baggage.get_all(extract(sent)) == {}


@pytest.mark.parametrize(
    ("propagator", "fields"),
    [
        (TraceContextTextMapPropagator(), {"traceparent", "tracestate"}),
        (
            CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()]),
            {"traceparent", "tracestate", "baggage"},
        ),
    ],
)
def test_the_global_propagator_follows_the_same_rules(
    configured: Callable[[TextMapPropagator], None], propagator: TextMapPropagator, fields: set[str]
) -> None:
    """Where it stands for W3C, it is replaced by ours, with the same fields; once."""
    configured(propagator)

    adopt_w3c()
    adopted = get_global_textmap()
    adopt_w3c()

    assert isinstance(adopted, W3CPropagator)
    assert adopted.fields == fields
    assert get_global_textmap() is adopted


def test_a_foreign_global_propagator_stays(
    configured: Callable[[TextMapPropagator], None],
) -> None:
    """Whoever configured another format keeps it, over HTTP as on messages."""
    configured(chosen := Shouting())

    adopt_w3c()

    assert get_global_textmap() is chosen
