"""What each exporter sends of a light span is what it sends of the SDK's own, to the byte."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.zipkin.json import ZipkinExporter
from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExportResult
from opentelemetry.trace import Link, SpanContext, StatusCode, TraceFlags

from propagation.sdk.otlp import FastOTLPSpanExporter, encode
from propagation.sdk.recorder import Recorder
from propagation.sdk.span import LightSpan
from tests.infra.endpoint import Endpoint, Request, Response
from tests.propagation.builders import context, span_context
from tests.propagation.sdk.collecting import collector
from tests.propagation.sdk.twins import BEGAN, ENDED, started, stock, tracer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

    Batch = Sequence[ReadableSpan]

HERE = SpanContext(5, 6, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def untouched(_: Any) -> None:
    """Leave a span as it is: our exporter writes it without asking for the SDK's containers."""


def worked_on(span: Any) -> None:
    """Do all that an application may do to a span."""
    span.set_attributes({"list": ["a", "b"], "float": 0.5, "flag": True, "text": "é\n\x00"})
    span.add_event("event", {"n": 1}, BEGAN)
    span.add_link(span_context(3, 4), {"late": True})
    span.record_exception(LookupError("no such player"), timestamp=BEGAN)
    span.set_status(StatusCode.ERROR, "it failed")
    span.update_name("another name")


def twins(work: Callable[[Any], None]) -> tuple[Batch, Batch]:
    """Make spans by our recorder and by the SDK, roots and children, and *work* on each."""
    (own, heard), (theirs, heard_by_sdk) = tracer(), tracer()
    recorder = Recorder(own)
    stated = span_context(1, 2, flags=3, state="b=2")
    for parent in (None, context(), context(stated)):
        for linked in ([], [span_context(), HERE], [Link(stated, {"n": 1})]):
            for span in (started(recorder, parent, linked), stock(theirs, parent, linked)):
                work(span)
                span.end(ENDED)
    assert all(type(span) is LightSpan for span in heard.ended)
    assert not any(type(span) is LightSpan for span in heard_by_sdk.ended)
    return heard.ended, heard_by_sdk.ended


def exported(exporter: SpanExporter, batch: Batch) -> None:
    """Send *batch* by *exporter*, and stop it."""
    assert exporter.export(batch) is SpanExportResult.SUCCESS
    exporter.shutdown()


def by_http(make: Callable[[str], SpanExporter], batch: Batch) -> bytes:
    """Give the body that an exporter sends to an HTTP receiver."""
    taken: list[Request] = []

    def take(request: Request) -> Response:
        taken.append(request)
        return Response(202)

    with Endpoint(take) as server:
        exported(make(server.address), batch)
    [request] = taken
    return request.body


def by_grpc(batch: Batch) -> bytes:
    """Give the request that the gRPC exporter makes."""
    with collector() as (taker, address):
        exported(GrpcExporter(address, insecure=True), batch)
    [request] = taker.requests
    return bytes(request.SerializeToString())


def by_console(batch: Batch) -> str:
    """Give what the console shows."""
    out = io.StringIO()
    exported(ConsoleSpanExporter(out=out), batch)
    return out.getvalue()


@pytest.fixture(params=[untouched, worked_on], ids=["untouched", "worked on"])
def pair(request: pytest.FixtureRequest) -> tuple[Batch, Batch]:
    """Give our spans and the SDK's."""
    return twins(request.param)


def test_otlp_by_http_sends_the_same(pair: tuple[Batch, Batch]) -> None:
    """Our exporter of ours, the stock one of ours, and the stock one of the SDK's."""
    ours, theirs = pair
    fast = by_http(FastOTLPSpanExporter, ours)  # first: whoever asks for links has them made

    assert by_http(OTLPSpanExporter, theirs) == fast
    assert by_http(OTLPSpanExporter, ours) == fast
    assert by_http(FastOTLPSpanExporter, theirs) == fast


def test_otlp_by_grpc_sends_the_same(pair: tuple[Batch, Batch]) -> None:
    """The request, whole."""
    ours, theirs = pair

    assert by_grpc(ours) == by_grpc(theirs)


def test_the_console_shows_the_same(pair: tuple[Batch, Batch]) -> None:
    """The text, whole."""
    ours, theirs = pair

    assert by_console(ours) == by_console(theirs)
    assert by_console(ours).count('"trace_id"') >= len(ours)


def test_zipkin_gets_the_same(pair: tuple[Batch, Batch]) -> None:
    """The JSON, whole."""
    ours, theirs = pair

    def make(address: str) -> SpanExporter:
        return ZipkinExporter(endpoint=address)

    assert by_http(make, ours) == by_http(make, theirs)


ACTS: dict[str, Callable[[Any], object]] = {
    "nothing": untouched,
    "attribute": lambda span: span.set_attribute("mine", 1),
    "event": lambda span: span.add_event("event", {"n": 1}, BEGAN),
    "link": lambda span: span.add_link(HERE, {"n": 1}),
    "status": lambda span: span.set_status(StatusCode.OK),
    "error": lambda span: span.set_status(StatusCode.ERROR, "it failed"),
    "name": lambda span: span.update_name("another name"),
    "look": lambda span: (span.links, span.attributes, span.to_json()),
}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize(
    "limits",
    [
        SpanLimits(),
        SpanLimits(max_links=0),
        SpanLimits(max_links=1),
        SpanLimits(max_attributes=2),
        SpanLimits(max_attribute_length=3),
    ],
    ids=["default", "no link", "one link", "two attributes", "three characters"],
)
def test_one_act_is_enough_to_be_written(act: str, limits: SpanLimits) -> None:
    """Whether our encoder may write a span straight from its fields is decided right each time."""
    stated = span_context(1, 2, flags=3, state="b=2")
    linked: list[list[Any]] = [[], [span_context()], [span_context(), HERE], [HERE, Link(stated)]]
    linked.append([Link(HERE, {"n": 1})])
    for parent in (None, context(), context(stated), context(HERE)):
        for one in linked:
            (own, heard), (theirs, heard_by_sdk) = tracer(limits=limits), tracer(limits=limits)
            for span in (started(Recorder(own), parent, one), stock(theirs, parent, one)):
                ACTS[act](span)
                span.end(ENDED)

            assert encode(heard.ended) == encode_spans(heard_by_sdk.ended).SerializeToString()
