"""The light span against the SDK's own: whatever is done to both, both say the same."""

from __future__ import annotations

import gc
import io
import json
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.context import Context, attach
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.zipkin.json.v2 import JsonV2Encoder
from opentelemetry.exporter.zipkin.node_endpoint import NodeEndpoint
from opentelemetry.sdk.trace import (
    ReadableSpan,
    Span,
    SpanLimits,
    Tracer,
    sampling,
)
from opentelemetry.sdk.trace.export import (
    ConsoleSpanExporter,
    SimpleSpanProcessor,
    SpanExportResult,
)
from opentelemetry.trace import Link, NonRecordingSpan, SpanKind, Status, StatusCode

from propagation.recorders import finish
from propagation.sdk.otlp import encode
from propagation.sdk.recorder import Recorder, is_plain
from propagation.sdk.span import LightSpan
from tests.propagation.builders import context, span_context
from tests.propagation.sdk.twins import BEGAN, ENDED, started, stock, tracer

if TYPE_CHECKING:
    from collections.abc import Callable

    Operation = Callable[[trace.Span], object]


def told(span: Any) -> tuple[object, ...]:
    """Give all that any exporter can learn of *span*; `test_exported` sends it by each of them."""
    assert isinstance(span, ReadableSpan)
    encoded = encode_spans([span]), shown(as_console, span), shown(as_zipkin, span)
    return encoded, list((span.attributes or {}).items()), span.kind, span.parent


def as_console(span: ReadableSpan) -> str:
    """Give what the console shows."""
    out = io.StringIO()
    ConsoleSpanExporter(out=out).export([span])
    assert span.to_json() in out.getvalue()
    return out.getvalue()


def as_zipkin(span: ReadableSpan) -> str:
    """Give what Zipkin gets."""
    spans: list[Any] = [span]  # typed as if it took none but the API's
    return str(JsonV2Encoder().serialize(spans, NodeEndpoint()))


def shown(show: Callable[[ReadableSpan], str], span: ReadableSpan) -> str:
    """Give what *show* makes of *span*, or why it cannot: bytes have no JSON."""
    try:
        return show(span)
    except (TypeError, ValueError) as error:
        return repr(error)


@pytest.fixture(autouse=True)
def nothing_current() -> None:
    """Begin every test without a current span."""
    attach(Context())


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8"), max_size=12)
    | st.binary(max_size=8)
)
VALUES = (
    SCALARS
    | st.lists(SCALARS, max_size=3)
    | st.dictionaries(st.text(max_size=3), SCALARS, max_size=2)
)
KEYS = st.sampled_from(["messaging.system", "a", "b", "c"]) | st.text(
    st.characters(codec="utf-8"), max_size=3
)
MAPPINGS = st.dictionaries(KEYS, VALUES, max_size=4)
STATUSES = st.sampled_from(StatusCode)
ERROR = LookupError("no such player")


def operation(name: str, *arguments: Any, **named: Any) -> Operation:
    """Build a call of one method."""
    return lambda span: getattr(span, name)(*arguments, **named)


OPERATIONS = st.one_of(
    st.builds(operation, st.just("set_attribute"), KEYS, VALUES),
    st.builds(operation, st.just("set_attributes"), MAPPINGS),
    st.builds(
        operation, st.just("add_event"), st.text(max_size=4), MAPPINGS, timestamp=st.just(BEGAN)
    ),
    st.builds(operation, st.just("add_link"), st.just(span_context()), MAPPINGS),
    st.builds(operation, st.just("add_link"), st.just(trace.INVALID_SPAN_CONTEXT)),
    st.builds(operation, st.just("set_status"), STATUSES, st.none() | st.text(max_size=4)),
    st.builds(operation, st.just("set_status"), st.builds(Status, STATUSES)),
    st.builds(operation, st.just("update_name"), st.text(max_size=4)),
    st.builds(operation, st.just("record_exception"), st.just(ERROR), timestamp=st.just(BEGAN)),
    st.builds(operation, st.just("__exit__"), st.none(), st.none(), st.none()),
    st.builds(operation, st.just("end"), st.just(ENDED)),
)
LIMITS = st.builds(
    SpanLimits,
    max_span_attributes=st.none() | st.integers(0, 6),
    max_events=st.none() | st.integers(0, 2),
    max_links=st.none() | st.integers(0, 2),
    max_event_attributes=st.none() | st.integers(0, 2),
    max_link_attributes=st.none() | st.integers(0, 2),
    max_attribute_length=st.none() | st.integers(0, 5),
)
PARENTS = st.sampled_from(
    [
        None,
        Context(),
        context(),
        context(span_context(flags=3, state="a=1")),
        context(span_context(flags=0)),
    ]
)
LINKED = st.lists(
    st.just(span_context()) | st.builds(Link, st.just(span_context(1, 2)), MAPPINGS), max_size=3
)


class Adding(sampling.Sampler):
    """Records everything, with an attribute more and another trace state."""

    asked = 0

    def should_sample(  # noqa: PLR0917  # the interface of a sampler
        self,
        parent_context: Context | None,  # noqa: ARG002  # it does not matter
        trace_id: int,  # noqa: ARG002  # as above
        name: str,  # noqa: ARG002  # as above
        kind: SpanKind | None = None,  # noqa: ARG002  # as above
        attributes: Any = None,
        links: Any = None,
        trace_state: Any = None,  # noqa: ARG002  # as above
    ) -> sampling.SamplingResult:
        """Count, and record."""
        self.asked += 1
        state = trace.TraceState([("added", "1")])
        more = {**attributes, "sampled.by": "test", "list": [1, 2], "links": len(links)}
        return sampling.SamplingResult(sampling.Decision.RECORD_AND_SAMPLE, more, state)

    def get_description(self) -> str:
        """Name it as what drops: nobody may believe that."""
        return "AlwaysOffSampler"


class Lying(sampling.StaticSampler):
    """Says that it drops and records: a subclass may decide as it likes."""

    def __init__(self) -> None:
        super().__init__(sampling.Decision.DROP)

    def should_sample(self, *args: Any, **kwargs: Any) -> sampling.SamplingResult:
        """Record."""
        return sampling.ALWAYS_ON.should_sample(*args, **kwargs)


class Refusing(sampling.StaticSampler):
    """Says that it records and drops."""

    def __init__(self) -> None:
        super().__init__(sampling.Decision.RECORD_AND_SAMPLE)

    def should_sample(self, *args: Any, **kwargs: Any) -> sampling.SamplingResult:
        """Drop."""
        return sampling.ALWAYS_OFF.should_sample(*args, **kwargs)


SAMPLERS = [
    sampling.ALWAYS_ON,
    sampling.ALWAYS_OFF,
    sampling.DEFAULT_ON,
    sampling.DEFAULT_OFF,
    sampling.ParentBased(sampling.TraceIdRatioBased(0.5)),
    sampling.ParentBased(sampling.ALWAYS_ON, remote_parent_sampled=sampling.ALWAYS_OFF),
    sampling.ParentBased(Adding(), remote_parent_not_sampled=Lying()),
    sampling.AlwaysRecordSampler(sampling.ALWAYS_OFF),
    sampling.TraceIdRatioBased(1.0),
    sampling.TraceIdRatioBased(0.0),
    Adding(),
    Lying(),
    Refusing(),
]


@given(st.lists(OPERATIONS, max_size=8), LIMITS, PARENTS, LINKED, st.sampled_from(SAMPLERS))
def test_whatever_is_done_both_spans_say_the_same(
    operations: list[Operation],
    limits: SpanLimits,
    parent: Context | None,
    linked: list[Any],
    sampler: sampling.Sampler,
) -> None:
    """Limits, cleaning, events, links, status, the end, and what comes after it."""
    logging.disable(logging.WARNING)  # both complain of the same
    (own, heard), (theirs, heard_by_sdk) = tracer(sampler, limits), tracer(sampler, limits)
    ours, expected = started(Recorder(own), parent, linked), stock(theirs, parent, linked)

    for one in [*operations, operation("end", ENDED)]:
        one(ours)
        one(expected)

    logging.disable(logging.NOTSET)
    context_of = ours.get_span_context(), expected.get_span_context()
    assert context_of[0] == context_of[1]
    assert ours.is_recording() == expected.is_recording()
    assert [t[:2] for t in heard.told] == [t[:2] for t in heard_by_sdk.told]
    for span, other in zip(heard.ended, heard_by_sdk.ended, strict=True):
        span._end_time = other._end_time = ENDED
        encoded = encode([span])  # first: whoever asks for links has them made
        assert encoded == encode_spans([other]).SerializeToString()
        assert told(span) == told(other)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: sampler.get_description())
@pytest.mark.parametrize("flags", [None, 0, 1, 2, 3])
@pytest.mark.parametrize("is_remote", [True, False])
def test_a_sampler_decides_as_it_does_for_the_sdk(
    sampler: sampling.Sampler,
    flags: int | None,
    is_remote: bool,  # noqa: FBT001  # a case
) -> None:
    """Recorded or not, sampled or not, ids, flags and trace state, for every kind of parent."""
    above = span_context(flags=flags or 0, state="a=1")
    if not is_remote:
        above = trace.SpanContext(*above[:2], False, *above[3:5])
    parent = Context() if flags is None else trace.set_span_in_context(NonRecordingSpan(above))
    (own, _), (theirs, _) = tracer(sampler), tracer(sampler)

    ours, expected = started(Recorder(own), parent), stock(theirs, parent)

    assert ours.is_recording() == expected.is_recording()
    assert ours.get_span_context() == expected.get_span_context()
    assert ours.get_span_context().trace_state == expected.get_span_context().trace_state


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: sampler.get_description())
@pytest.mark.parametrize("parent", [Context(), context()], ids=["root", "child"])
def test_a_span_can_be_written_to_whoever_sampled_it(
    sampler: sampling.Sampler, parent: Context
) -> None:
    """What a sampler hands back may be read-only; the span's attributes are not."""
    own, heard = tracer(sampler)
    span = started(Recorder(own), parent)

    span.set_attribute("mine", 1)
    finish(span, {"messaging.kafka.offset": 9})

    for ended in heard.ended:
        assert {"mine": 1, "messaging.kafka.offset": 9}.items() <= (ended.attributes or {}).items()


@pytest.mark.parametrize("inside", [False, True], ids=["alone", "root of ParentBased"])
def test_a_sampler_is_asked_exactly_once(inside: bool) -> None:  # noqa: FBT001  # a case
    """Once for each span that is not certain to be dropped, as a rate limiter needs it."""
    sampler = Adding()
    own, _ = tracer(sampling.ParentBased(sampler) if inside else sampler)
    recorder = Recorder(own)

    for _ in range(3):
        assert started(recorder).is_recording()

    assert sampler.asked == 3


def test_a_new_sampler_is_noticed() -> None:
    """Whoever replaces the tracer's sampler gets its decisions from the next span on."""
    own, _ = tracer(sampling.ALWAYS_OFF)
    recorder = Recorder(own)
    assert not started(recorder).is_recording()

    own.sampler = sampling.ALWAYS_ON

    assert started(recorder).is_recording()


def test_a_disabled_tracer_starts_nothing() -> None:
    """It gives the parent's own context, as the SDK's does."""
    own, heard = tracer()
    own._tracer_config.is_enabled = False

    span = started(Recorder(own), context())

    assert span.get_span_context() == stock(own, context()).get_span_context() == span_context()
    assert heard.told == []


def test_processors_hear_of_a_span_as_of_the_sdks() -> None:
    """Start with the parent's context, ending while it still records, end when it does not."""
    own, heard = tracer()
    parent = context()

    span = started(Recorder(own), parent)
    span.end(ENDED)

    assert heard.told == [
        ("start", "send plays", parent),
        ("ending", "send plays", True),
        ("end", "send plays", ENDED),
    ]
    assert isinstance(span, Span)
    assert heard.ended[0] is span


def test_a_span_ends_once_among_threads() -> None:
    """Of many that end it at the same time one does."""
    own, heard = tracer()
    span = started(Recorder(own))
    assert isinstance(span, LightSpan)
    logging.disable(logging.WARNING)

    threads = [threading.Thread(target=span.end_with, args=({"a": 1},)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    logging.disable(logging.NOTSET)
    assert len(heard.ended) == 1


def test_last_attributes_are_set_with_the_end() -> None:
    """What the delivery report tells is there, in either container, and nothing after it."""
    own, heard = tracer()
    first, second = started(Recorder(own)), started(Recorder(own))
    second.set_attribute("mine", [1])

    for span in (first, second):
        assert isinstance(span, LightSpan)
        span.end_with({"messaging.kafka.offset": 9})

    assert [dict(s.attributes or {})["messaging.kafka.offset"] for s in heard.ended] == [9, 9]
    assert (heard.ended[1].attributes or {})["mine"] == (1,)


def test_the_console_prints_it() -> None:
    """The exporter that reads a span by its JSON prints it to the end."""
    lines: list[str] = []
    own, _ = tracer()

    class Out:
        """A stream."""

        write = staticmethod(lines.append)
        flush = staticmethod(lambda: None)

    exporter = ConsoleSpanExporter(out=Out(), formatter=lambda span: span.to_json(indent=None))  # type: ignore[arg-type]  # a stream
    own.span_processor.add_span_processor(SimpleSpanProcessor(exporter))
    started(Recorder(own), linked=[span_context()]).end()

    [line] = lines
    assert json.loads(line)["links"][0]["attributes"] == {}
    assert exporter.export([]) is SpanExportResult.SUCCESS


def test_only_the_sdks_own_tracer_is_made_light() -> None:
    """Another class, or one that counts spans by itself, keeps its own start_span."""
    own, _ = tracer()
    counting, _ = tracer()
    counting._tracer_metrics = object()  # type: ignore[assignment]  # what a version to come may do

    class Other(Tracer):
        """A subclass, which may start spans as it likes."""

    other = Other.__new__(Other)
    other.__dict__.update(vars(own))

    assert is_plain(own)
    assert not is_plain(counting)
    assert not is_plain(other)
    assert not is_plain(trace.NoOpTracer())


def test_a_span_is_small() -> None:
    """It has slots and no dict of its own: a million of them may be in flight."""
    own, _ = tracer()
    gc.collect()

    span: Any = started(Recorder(own))

    assert not span.__dict__
