"""Set up tracing for a process: provider, sampler, exporter, resource; flush and stop in time.

In: who the service is, and the OTEL_* variables (see `environment`). Out: a global tracer provider
and a `Telemetry` to flush and stop it. Stopping never takes longer than it is given, whatever the
receiver does: what could not be sent by then is lost, and said. A process that only ends, or that
SIGTERM ends, is stopped in the same time. It sets no propagator: the clients of `propagation` and
OpenTelemetry's own default agree on W3C.
"""

from __future__ import annotations

import logging
import os
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace

from propagation.identity import identity
from propagation.sdk.ending import AtEnd
from propagation.sdk.environment import read

try:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    from propagation.sdk.exporters import made
    from propagation.sdk.samplers import made_sampler
except ImportError as error:
    raise ImportError("propagation.sdk needs: pip install 'lagmon[sdk]'") from error

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

    from propagation.sdk.quiet import QuietExporter

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
    # The SDK's own exit handler would wait for a dead receiver without a bound.
    resource = Resource.create(identity(service, version, environment, os.environ))
    provider = TracerProvider(made_sampler(settings), resource, shutdown_on_exit=False)
    processors, exporters = made(settings)
    for processor in processors:
        provider.add_span_processor(processor)
    trace.set_tracer_provider(provider)
    return Telemetry(provider, exporters)


class Telemetry:
    """A running set-up, also as a context manager that stops it at the end.

    A process that forgets to stop it is stopped at its exit, and by SIGTERM if nobody else listens
    to that. A forked child goes on with its own connection and its own spans.
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
        self._running = provider is not None
        self._at_end = AtEnd(self.shutdown) if owned and self._running else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()

    def flush(self, timeout_seconds: float = FLUSH_SECONDS) -> bool:
        """Send what has ended. Tells whether all of it arrived within *timeout_seconds*.

        What a full queue did not take had no part in it: see `dropped`.
        """
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
        if self._at_end is None:
            return _bounded(self._provider.force_flush, timeout_seconds)
        self._at_end.take_back()
        before = self._failed()
        in_time = _bounded(self._provider.shutdown, timeout_seconds)
        if not in_time:
            _log.warning("telemetry_stopped_early", extra={"timeout_seconds": timeout_seconds})
        for exporter in self._exporters:
            exporter.unmute() if in_time else exporter.shutdown()
        return in_time and self._failed() == before

    @property
    def dropped(self) -> int:
        """How many spans no queue took: more ended in a moment than OTEL_BSP_MAX_QUEUE_SIZE."""
        return max((exporter.dropped for exporter in self._exporters), default=0)

    def _failed(self) -> int:
        return sum(exporter.failed for exporter in self._exporters)


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
