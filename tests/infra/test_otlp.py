"""The receiver of spans, fed by the SDK's own exporter over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

from tests.infra import plain_http
from tests.infra.otlp import OtlpReceiver, ReceivedLink
from tests.infra.wait import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.trace import Tracer


def provider(receiver: OtlpReceiver, compression: Compression) -> TracerProvider:
    """Make a provider that sends each span to *receiver* as it ends."""
    exporter = OTLPSpanExporter(
        f"{receiver.endpoint}/v1/traces", compression=compression, timeout=PATIENCE_SECONDS
    )
    made = TracerProvider(resource=Resource({"service.name": "game-api", "version": 3}))
    made.add_span_processor(SimpleSpanProcessor(exporter))
    return made


@pytest.fixture(params=[Compression.NoCompression, Compression.Gzip])
def tracer(otlp: OtlpReceiver, request: pytest.FixtureRequest) -> Iterator[Tracer]:
    """Give a tracer whose spans reach `otlp`, plain or zipped."""
    made = provider(otlp, request.param)
    yield made.get_tracer("tests.scope")
    made.shutdown()


def test_a_span_is_decoded_whole(otlp: OtlpReceiver, tracer: Tracer) -> None:
    """Everything that a span says arrives as Python values."""
    with tracer.start_as_current_span("send plays", kind=SpanKind.PRODUCER) as span:
        span.set_attributes({"offset": 7, "ratio": 0.5, "ok": True, "names": ("a", "b")})
        span.set_status(Status(StatusCode.ERROR, "no leader"))

    (received,) = otlp.spans()
    assert (received.name, received.kind, received.service) == (
        "send plays",
        "PRODUCER",
        "game-api",
    )
    assert received.attributes == {"offset": 7, "ratio": 0.5, "ok": True, "names": ["a", "b"]}
    assert (received.status, received.status_message) == ("ERROR", "no leader")
    assert received.resource == {"service.name": "game-api", "version": 3}
    assert received.scope == "tests.scope"
    assert 0 < received.start_ns <= received.end_ns


def test_ids_are_hexadecimal(otlp: OtlpReceiver, tracer: Tracer) -> None:
    """Parent, child and link are told by the ids that logs and headers show."""
    with tracer.start_as_current_span("parent") as parent:
        context = parent.get_span_context()
        tracer.start_span("child", links=[Link(context)]).end()

    child, root = otlp.spans()
    assert root.trace_id == child.trace_id == f"{context.trace_id:032x}"
    assert root.parent_span_id == ""
    assert child.parent_span_id == root.span_id == f"{context.span_id:016x}"
    assert child.links == (ReceivedLink(root.trace_id, root.span_id),)


def test_spans_are_forgotten_on_demand(otlp: OtlpReceiver, tracer: Tracer) -> None:
    """After clear() only later spans are listed."""
    tracer.start_span("earlier").end()

    otlp.clear()
    tracer.start_span("later").end()

    assert [span.name for span in otlp.spans()] == ["later"]


def test_what_is_no_otlp_is_refused(otlp: OtlpReceiver) -> None:
    """Another path and another encoding get the status that the specification names."""
    with httpx.Client(base_url=otlp.endpoint, timeout=PATIENCE_SECONDS) as client:
        wrong_path = client.post("/v1/metrics")
        json_body = client.post("/v1/traces", json={"resourceSpans": []})

    assert (wrong_path.status_code, json_body.status_code) == (404, 415)


def test_what_cannot_be_decoded_is_not_swallowed() -> None:
    """A body that is no protobuf answers 500 and is raised when the receiver stops."""
    receiver = OtlpReceiver()
    receiver.start()

    answered = plain_http.post(
        f"{receiver.endpoint}/v1/traces",
        content=b"not protobuf",
        headers={"content-type": "application/x-protobuf"},
        timeout=PATIENCE_SECONDS,
    )

    assert answered.status_code == 500
    with pytest.raises(ExceptionGroup, match="not answered"):
        receiver.stop()
