"""The span encoder writes what the stock encoder writes, byte for byte, only faster."""

from __future__ import annotations

import logging
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from propagation.sdk.otlp import FastOTLPSpanExporter, encode
from propagation.testing import captured_spans, message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.infra.otlp import OtlpReceiver

CONTEXT = SpanContext(0xAB, 0xCD, is_remote=False)


class Colour(StrEnum):
    """A text of a type of its own."""

    RED = "red"


class Level(IntEnum):
    """A number of a type of its own."""

    HIGH = 3


def bounded(attributes: dict[str, Any], limit: int | None) -> BoundedAttributes:
    """Keep *attributes* as the SDK does, dropping those above *limit*."""
    return BoundedAttributes(limit, attributes, immutable=False)


plain = st.none() | st.booleans() | st.text() | st.integers(-(2**63), 2**63 - 1) | st.floats()
scalars = plain | st.binary() | st.sampled_from([Colour.RED, Level.HIGH])
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=6
)
mappings = st.dictionaries(st.text(max_size=150), values, max_size=5)
attributes = mappings | st.builds(bounded, mappings, st.none() | st.integers(0, 3)) | st.none()
times = st.integers(0, 2**64 - 1)
states = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True),
    st.from_regex(r"[!-+.-<>-~]{1,5}", fullmatch=True),
    max_size=3,
).map(lambda members: TraceState(list(members.items())))
contexts = st.builds(
    SpanContext,
    st.integers(0, 2**128 - 1),
    st.integers(0, 2**64 - 1),
    st.booleans(),
    st.integers(0, 255).map(TraceFlags),
    states,
)
statuses = st.builds(Status, st.just(StatusCode.ERROR), st.none() | st.text()) | st.builds(
    Status, st.sampled_from([StatusCode.UNSET, StatusCode.OK])
)
resources = st.builds(Resource, mappings, st.text()) | st.just(Resource({"service.name": "api"}))
scopes = st.builds(
    InstrumentationScope, st.text(), st.none() | st.text(), st.text(), st.none() | mappings
)
spans = st.builds(
    ReadableSpan,
    name=st.text(),
    context=contexts,
    parent=st.none() | contexts,
    resource=resources,
    attributes=attributes,
    events=st.lists(st.builds(Event, st.text(), attributes, times), max_size=3),
    links=st.lists(st.builds(Link, contexts, attributes), max_size=3),
    kind=st.sampled_from(SpanKind),
    status=statuses,
    start_time=st.none() | times,
    end_time=st.none() | times,
    instrumentation_scope=st.none() | scopes,
)


def stock(batch: Sequence[ReadableSpan]) -> bytes:
    """Encode *batch* with the encoder that we stand in for."""
    return bytes(encode_spans(batch).SerializeToString())


def assert_same(batch: Sequence[ReadableSpan]) -> None:
    """Hold both encodings of *batch* against each other: decoded first, which shows the field."""
    ours, theirs = encode(batch), stock(batch)
    decoded = ExportTraceServiceRequest.FromString(ours)

    assert str(decoded) == str(ExportTraceServiceRequest.FromString(theirs))
    assert ours == theirs


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
@given(st.lists(spans, max_size=4))
def test_a_batch_is_encoded_as_the_stock_encoder_does(batch: list[ReadableSpan]) -> None:
    """Whatever spans hold, both encoders give the same fields and the same bytes."""
    assert_same(batch)


@pytest.mark.parametrize(
    "number",
    [0, 1, -1, 127, 128, 16_383, 16_384, 2**21 - 1, 2**21, 2**35, 2**63 - 1, -(2**63)],
)
def test_a_number_has_the_length_that_it_needs(number: int) -> None:
    """Numbers on both sides of each length of a varint are written as protobuf does."""
    assert_same([ReadableSpan("play", CONTEXT, attributes={"offset": number})])


@pytest.mark.parametrize("size", [0, 63, 64, 65, 100, 127, 128, 129, 16_384, 100_000])
def test_a_text_has_the_length_that_it_needs(size: int) -> None:
    """So are texts as values, keys and names, on both sides of each length of a length."""
    word = "x" * size
    span = ReadableSpan(
        word, CONTEXT, attributes={"value": word, word: "key"}, events=[Event(word, {}, 1)]
    )

    assert_same([span])


@pytest.mark.parametrize("key", ["k", "messaging.kafka.offset", "k" * 70])
def test_an_attribute_has_the_length_that_it_needs(key: str) -> None:
    """Every length of key and value together is written right where it grows by a byte."""
    assert_same([ReadableSpan("play", CONTEXT, attributes={key: "x" * n}) for n in range(140)])
    assert_same([ReadableSpan("play", CONTEXT, attributes={key: b"x" * n}) for n in range(140)])


def test_more_values_than_are_kept_change_nothing() -> None:
    """What is remembered between spans never shows: neither by many values nor by many keys."""
    batch = [
        ReadableSpan("play", CONTEXT, attributes={"same": "x", "key": f"{n % 90}", f"k{n}": "x"})
        for n in range(300)
    ]
    batch += [ReadableSpan("play", CONTEXT, attributes={"port": 1, "at": n}) for n in range(90)]

    assert_same(batch)
    assert_same(batch)


def test_equal_values_of_other_types_are_told_apart() -> None:
    """A number that equals a truth value, and a text of an own type, stay what they are."""
    values = (1, True, 1.0, "1", Colour.RED, "red", b"red", 0, False, Level.HIGH)

    for value in values:
        assert_same([ReadableSpan("play", CONTEXT, attributes={"same": value})])


def test_spans_are_grouped_by_resource_and_scope() -> None:
    """Equal resources that are different objects are one group, in the order of appearance."""
    resources = [Resource({"service.name": name}) for name in ("a", "b", "a")]
    scopes = [InstrumentationScope("x"), None, InstrumentationScope("x"), InstrumentationScope("y")]
    batch = [
        ReadableSpan(f"{n}", CONTEXT, resource=resource, instrumentation_scope=scope)
        for n, (resource, scope) in enumerate((r, s) for r in resources for s in scopes)
    ]

    assert_same(batch)
    assert len(ExportTraceServiceRequest.FromString(encode(batch)).resource_spans) == 2


def test_what_the_sdk_drops_is_counted() -> None:
    """Attributes, events and links above the SDK's limits arrive as numbers."""
    limits = SpanLimits(max_span_attributes=1, max_events=1, max_links=1)
    span = (
        TracerProvider(span_limits=limits, shutdown_on_exit=False)
        .get_tracer("t")
        .start_span("play", attributes={"a": 1, "b": 2}, links=[Link(CONTEXT), Link(CONTEXT)])
    )
    for name in ("first", "second", "third"):
        span.add_event(name)
    span.end()
    assert isinstance(span, ReadableSpan)

    assert_same([span])
    [sent] = ExportTraceServiceRequest.FromString(encode([span])).resource_spans[0].scope_spans
    dropped = sent.spans[0]
    assert dropped.dropped_attributes_count == 1
    assert dropped.dropped_events_count == 2
    assert dropped.dropped_links_count == 1


def test_the_clients_spans_are_encoded_alike() -> None:
    """Spans that our own clients record are no exception."""
    from propagation import processing  # noqa: PLC0415 - a span of the product, not of the SDK

    with captured_spans() as batch:
        for offset in range(3):
            with processing(message(topic="plays", value=b"x", key="k", offset=offset)):
                pass

    assert len(batch) == 3
    assert_same(batch)


def test_half_a_character_costs_nothing() -> None:
    """A lone surrogate becomes a question mark, and neither attribute nor batch is lost."""
    span = ReadableSpan("na\ud83dme", CONTEXT, attributes={"key": "va\udc00lue"})

    [group] = ExportTraceServiceRequest.FromString(encode([span])).resource_spans[0].scope_spans
    assert group.spans[0].name == "na?me"
    assert group.spans[0].attributes[0].value.string_value == "va?lue"


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, object(), [1, {2}], {"deep": [2**64]}])
def test_a_value_without_a_type_is_left_out(value: Any, caplog: pytest.LogCaptureFixture) -> None:
    """An attribute that OTLP cannot carry is missing alone, and its key is logged once."""
    key = f"odd {value!r:.40}"
    span = ReadableSpan("play", CONTEXT, attributes={"before": 1, key: value, "after": 2})

    assert encode([span]) == stock([span])
    encode([span])
    ours = [r for r in caplog.records if r.name.startswith("propagation")]
    assert [(r.getMessage(), r.levelno) for r in ours] == [
        ("attribute_not_exported", logging.WARNING)
    ]
    assert vars(ours[0])["key"] == key


def test_an_empty_batch_is_an_empty_request() -> None:
    """No spans are no bytes."""
    assert encode([]) == b""


def test_the_exporter_sends_what_is_encoded_here(otlp: OtlpReceiver) -> None:
    """The exporter is the stock one in every other way, and a receiver decodes what it sends."""
    exporter = FastOTLPSpanExporter(f"{otlp.endpoint}/v1/traces")
    span = ReadableSpan("play", CONTEXT, attributes={"half": "\ud83d"})

    assert exporter.export([span]) is SpanExportResult.SUCCESS
    exporter.shutdown()  # type: ignore[no-untyped-call] # the SDK left its type out
    assert exporter.export([span]) is SpanExportResult.FAILURE
    assert isinstance(exporter, OTLPSpanExporter)
    assert [one.attributes for one in otlp.spans()] == [{"half": "?"}]  # our encoder was at work


def test_the_stock_exporter_is_left_alone() -> None:
    """Other exporters of the process go on with the stock encoder."""
    assert FastOTLPSpanExporter.export is not OTLPSpanExporter.export
    assert OTLPSpanExporter.export.__globals__["encode_spans"] is encode_spans
