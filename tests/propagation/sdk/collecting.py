"""An OTLP receiver over gRPC, in the test's own process."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.infra.otlp import ReceivedSpan, decoded

if TYPE_CHECKING:
    from collections.abc import Iterator


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """An OTLP receiver over gRPC that keeps requests, their spans, and metadata."""

    def __init__(self) -> None:
        self.spans: list[ReceivedSpan] = []
        self.requests: list[ExportTraceServiceRequest] = []
        self.metadata: dict[str, str] = {}

    def Export(self, request: ExportTraceServiceRequest, context: Any) -> Any:  # noqa: N802
        """Take one request."""
        self.metadata = dict(context.invocation_metadata())
        self.requests.append(request)
        self.spans += decoded(request.SerializeToString())
        return ExportTraceServiceResponse()


@contextmanager
def collector() -> Iterator[tuple[Collector, str]]:
    """Serve a collector; give it and its address."""
    server = grpc.server(ThreadPoolExecutor(2))
    taker = Collector()
    register: Any = trace_service_pb2_grpc.add_TraceServiceServicer_to_server
    register(taker, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield taker, f"http://127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
