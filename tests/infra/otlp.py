"""Receive spans by OTLP over HTTP and keep them decoded.

Takes ``POST /v1/traces`` with protobuf, plain or gzipped, as the OTLP specification 1.x describes
it for traces. It judges nothing, samples nothing and keeps spans in the order of their arrival.
"""

from __future__ import annotations

import gzip
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.infra.endpoint import Endpoint, Request, Response

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Self

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

PROTOBUF = "application/x-protobuf"
UNSUPPORTED_MEDIA_TYPE, NOT_FOUND = 415, 404


@dataclass(frozen=True, slots=True)
class ReceivedLink:
    """The span that another one is linked to; hexadecimal ids."""

    trace_id: str
    span_id: str


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """One span as it was exported.

    Ids are lower-case hexadecimal, *parent_span_id* is empty for a root. *kind* and *status* are
    OpenTelemetry's words in capitals (``PRODUCER``, ``ERROR``). *service* is the resource's
    ``service.name``, *resource* all of its attributes, *scope* the instrumentation's name.
    """

    trace_id: str
    span_id: str
    parent_span_id: str
    name: str
    kind: str
    service: str
    attributes: Mapping[str, Any]
    links: tuple[ReceivedLink, ...]
    start_ns: int
    end_ns: int
    status: str
    status_message: str
    resource: Mapping[str, Any]
    scope: str


class OtlpReceiver:
    """Keep the spans that are sent to `endpoint`. A context manager.

    *endpoint* is the base address, as in ``OTEL_EXPORTER_OTLP_ENDPOINT``.
    """

    def __init__(self) -> None:
        self._spans: list[ReceivedSpan] = []
        self._lock = threading.Lock()
        self._server = Endpoint(self._take)
        self.endpoint = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to receive."""
        self._server.start()
        self.endpoint = self._server.address

    def stop(self) -> None:
        """Close; raise what could not be decoded. What was received stays."""
        self._server.stop()

    def spans(self) -> list[ReceivedSpan]:
        """List the spans so far, in the order of their arrival."""
        with self._lock:
            return list(self._spans)

    def clear(self) -> None:
        """Forget the spans so far."""
        with self._lock:
            self._spans.clear()

    def _take(self, request: Request) -> Response:
        if (request.method, request.path) != ("POST", "/v1/traces"):
            return Response(NOT_FOUND)
        if request.headers.get("content-type") != PROTOBUF:
            return Response(UNSUPPORTED_MEDIA_TYPE)
        zipped = request.headers.get("content-encoding") == "gzip"
        arrived = decoded(gzip.decompress(request.body) if zipped else request.body)
        with self._lock:
            self._spans += arrived
        return Response(200, ExportTraceServiceResponse().SerializeToString(), PROTOBUF)


def decoded(body: bytes) -> list[ReceivedSpan]:
    """Decode an ExportTraceServiceRequest; raises protobuf's DecodeError."""
    return [
        _span(span, attributes(batch.resource.attributes), scoped.scope.name)
        for batch in ExportTraceServiceRequest.FromString(body).resource_spans
        for scoped in batch.scope_spans
        for span in scoped.spans
    ]


def attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    """Give *pairs* as a dict of Python values."""
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return attributes(value.kvlist_value.values)
    return getattr(value, kind) if kind else None


def _span(span: Span, resource: Mapping[str, Any], scope: str) -> ReceivedSpan:
    return ReceivedSpan(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_span_id=span.parent_span_id.hex(),
        name=span.name,
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        service=str(resource.get("service.name", "")),
        attributes=attributes(span.attributes),
        links=tuple(ReceivedLink(o.trace_id.hex(), o.span_id.hex()) for o in span.links),
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        status=Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_"),
        status_message=span.status.message,
        resource=resource,
        scope=scope,
    )
