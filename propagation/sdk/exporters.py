"""Make the exporters that the settings ask for, each behind a span processor.

In: `Settings`. Out: span processors, and the `QuietExporter` of each that sends over a network.
What is not part of the sdk extra is imported where it is asked for; `environment` has checked that
it is there.
"""

from __future__ import annotations

# requests imports it at its first request. A process that forks while the exporting thread is in
# the middle of that leaves its child an import that never ends.
import netrc  # noqa: F401
import sys
from typing import TYPE_CHECKING, Final

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SimpleSpanProcessor,
)

from propagation.sdk.otlp import FastOTLPSpanExporter
from propagation.sdk.quiet import QuietExporter

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.sdk.trace.export import SpanExporter

    from propagation.sdk.environment import Settings

_MS_PER_SECOND: Final = 1000


def made(settings: Settings) -> tuple[list[SpanProcessor], list[QuietExporter]]:
    """Make what *settings* names, in its order."""
    processors: list[SpanProcessor] = []
    senders: list[QuietExporter] = []
    for name in settings.exporters:
        if name == "console":
            processors.append(_console())
        else:
            senders.append(_zipkin(settings) if name == "zipkin" else _otlp(settings))
            processors.append(_batched(senders[-1], settings))
    return processors, senders


def _otlp(settings: Settings) -> QuietExporter:
    if settings.protocol == "grpc":
        return _otlp_grpc(settings)

    def make() -> SpanExporter:
        return FastOTLPSpanExporter(
            endpoint=settings.endpoint,
            headers=dict(settings.headers),
            timeout=_seconds(settings.timeout_ms, settings),
            compression=Compression(settings.compression),
        )

    return QuietExporter(
        make(), settings.endpoint, make=make, loggers=(OTLPSpanExporter.__module__,)
    )


def _otlp_grpc(settings: Settings) -> QuietExporter:
    import grpc  # noqa: PLC0415 - only who asks for gRPC has it
    from opentelemetry.exporter.otlp.proto.grpc import exporter as mixin  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.grpc import trace_exporter  # noqa: PLC0415

    compression = {
        "gzip": grpc.Compression.Gzip,
        "deflate": grpc.Compression.Deflate,
        "none": grpc.Compression.NoCompression,
    }[settings.compression]

    def make() -> SpanExporter:
        return trace_exporter.OTLPSpanExporter(
            endpoint=settings.endpoint,
            insecure=settings.endpoint.startswith("http://"),
            headers=[(key.lower(), value) for key, value in settings.headers],
            timeout=_seconds(settings.timeout_ms, settings),
            compression=compression,
        )

    loggers = (mixin.__name__, trace_exporter.__name__)
    return QuietExporter(make(), settings.endpoint, make=make, loggers=loggers)


def _zipkin(settings: Settings) -> QuietExporter:
    from opentelemetry.exporter.zipkin.json import ZipkinExporter  # noqa: PLC0415 - the same

    def make() -> SpanExporter:
        exporter = ZipkinExporter(endpoint=settings.zipkin_endpoint)
        # Its argument is whole seconds; what it hands on to its session need not be.
        exporter.timeout = _seconds(settings.zipkin_timeout_ms, settings)  # type: ignore[assignment]
        return exporter

    return QuietExporter(make(), settings.zipkin_endpoint, make=make)


def _seconds(timeout_ms: int, settings: Settings) -> float:
    """Give the time of one export; the batch processor cannot hand its own on."""
    return min(timeout_ms, settings.export_timeout_ms) / _MS_PER_SECOND


def _batched(exporter: QuietExporter, settings: Settings) -> SpanProcessor:
    return BatchSpanProcessor(
        exporter,
        max_queue_size=settings.max_queue_size,
        schedule_delay_millis=settings.schedule_delay_ms,
        max_export_batch_size=settings.max_batch_size,
        export_timeout_millis=settings.export_timeout_ms,
    )


def _console() -> SpanProcessor:
    """Print each span as it ends, on one line: standard output holds lines of JSON."""
    return SimpleSpanProcessor(
        ConsoleSpanExporter(out=sys.stdout, formatter=lambda span: f"{span.to_json(indent=None)}\n")
    )
