"""Set up tracing for a process: provider, sampler, exporter, resource; flush and stop in time.

In: who the service is, and the OTEL_* variables (see `environment`). Out: a global tracer provider
and a `Telemetry` to flush and stop it. Stopping never takes longer than it is given, whatever the
receiver does: what could not be sent by then is lost, and said. It sets no propagator: the
clients of `propagation` and OpenTelemetry's own default agree on W3C.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace

from propagation.sdk.environment import Settings, read

try:
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider, sampling
    from opentelemetry.sdk.trace.export import (
        BatchSpanProcessor,
        ConsoleSpanExporter,
        SimpleSpanProcessor,
    )

    from propagation.sdk.quiet import QuietExporter
except ImportError as error:
    raise ImportError("propagation.sdk needs: pip install 'lagmon[sdk]'") from error

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

FLUSH_SECONDS: Final = 5.0
STOP_SECONDS: Final = 3.0

_log = logging.getLogger(__name__)


def telemetry(service: str, *, version: str = "", environment: str = "") -> Telemetry:
    """Install the tracer provider that the OTEL_* variables describe, and give its handle.

    *service*, *version* and *environment* become service.name, service.version and
    deployment.environment.name, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES say otherwise.
    With OTEL_SDK_DISABLED=true nothing is installed. A provider that somebody installed before
    stays: it is flushed but not stopped. Raises SettingsError with every unusable variable.
    """
    settings = read(os.environ)
    if settings.disabled:
        return Telemetry(None, ())
    present = trace.get_tracer_provider()
    if not isinstance(present, trace.ProxyTracerProvider):
        _log.warning("tracer_provider_kept", extra={"provider": type(present).__qualname__})
        return Telemetry(present if isinstance(present, TracerProvider) else None, (), owned=False)
    identity = {
        "service.name": service,
        "service.version": version,
        "deployment.environment.name": environment,
    }
    resource = {k: v for k, v in identity.items() if v} | dict(settings.resource)
    # The SDK's own exit handler would wait for a dead receiver without a bound.
    provider = TracerProvider(_sampler(settings), Resource.create(resource), shutdown_on_exit=False)
    exporters = _add_exporters(provider, settings)
    trace.set_tracer_provider(provider)
    return Telemetry(provider, exporters)


class Telemetry:
    """A running set-up, also as a context manager that stops it at the end.

    A process that forgets to stop it is stopped at its exit.
    """

    def __init__(
        self,
        provider: TracerProvider | None,
        exporters: Sequence[QuietExporter],
        *,
        owned: bool = True,
    ) -> None:
        self._provider = provider
        self._exporters = exporters
        self._owned = owned
        self._running = provider is not None
        if owned and self._running:
            atexit.register(self.shutdown)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()

    def flush(self, timeout_seconds: float = FLUSH_SECONDS) -> bool:
        """Send what has ended. Tells whether all of it arrived within *timeout_seconds*."""
        if self._provider is None or not self._running:
            return True
        before = self._failed()
        return _bounded(self._provider.force_flush, timeout_seconds) and self._failed() == before

    def shutdown(self, timeout_seconds: float = STOP_SECONDS) -> bool:
        """Send what has ended and stop. Tells whether all arrived within *timeout_seconds*.

        Returns in that time in any case. A second call does nothing.
        """
        if self._provider is None or not self._running:
            return True
        self._running = False
        if not self._owned:
            return _bounded(self._provider.force_flush, timeout_seconds)
        atexit.unregister(self.shutdown)
        before = self._failed()
        in_time = _bounded(self._provider.shutdown, timeout_seconds)
        if not in_time:
            _log.warning("telemetry_stopped_early", extra={"timeout_seconds": timeout_seconds})
        for exporter in self._exporters:
            exporter.unmute() if in_time else exporter.shutdown()
        return in_time and self._failed() == before

    def _failed(self) -> int:
        return sum(exporter.failed for exporter in self._exporters)


def _sampler(settings: Settings) -> sampling.Sampler:
    name = settings.sampler.removeprefix("parentbased_")
    root: sampling.Sampler = {
        "always_on": sampling.ALWAYS_ON,
        "always_off": sampling.ALWAYS_OFF,
    }.get(name) or sampling.TraceIdRatioBased(settings.ratio)
    return sampling.ParentBased(root) if name != settings.sampler else root


def _add_exporters(provider: TracerProvider, settings: Settings) -> tuple[QuietExporter, ...]:
    made: list[QuietExporter] = []
    for name in settings.exporters:
        if name == "console":
            provider.add_span_processor(_console())
        else:
            made.append(_otlp(settings))
            provider.add_span_processor(_batched(made[-1], settings))
    return tuple(made)


def _otlp(settings: Settings) -> QuietExporter:
    exporter = OTLPSpanExporter(
        endpoint=settings.endpoint,
        headers=dict(settings.headers),
        # The batch processor knows its own timeout but has no way to hand it on.
        timeout=min(settings.timeout_ms, settings.export_timeout_ms) / 1000,
        compression=Compression(settings.compression),
    )
    return QuietExporter(exporter, settings.endpoint)


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


def _bounded(work: Callable[[], Any], timeout_seconds: float) -> bool:
    """Run *work* and wait for it no longer than *timeout_seconds*. Tells whether it ended."""
    thread = Thread(target=work, name="propagation-telemetry", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        # From Python 3.12 on a thread cannot start while the interpreter ends.
        return False
    thread.join(max(timeout_seconds, 0.0))
    return not thread.is_alive()
