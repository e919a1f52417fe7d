"""Continue a client's trace without believing what it says about sampling.

Whoever can reach the service may send ``traceparent: …-01`` with every request. At the edge the
trace id and the parent are taken from it, the sampled flag is not: the service's own sampler is
asked as for a trace that begins here, so that no flag raises the rate of what is recorded, or
lowers it. From then on the local decision is the trace's: child spans follow it, and so does
everybody behind Kafka.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.instrumentation.asgi.version import __version__
from opentelemetry.trace import (
    NonRecordingSpan,
    NoOpTracer,
    ProxyTracer,
    Span,
    SpanContext,
    TraceFlags,
    Tracer,
    TracerProvider,
)

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import Tracer as SdkTracer

Marker: TypeAlias = Callable[[Context], Context]
_Resolved: TypeAlias = tuple[TracerProvider | None, Tracer, Marker]

# The spans are the instrumentation's, and so is the scope they are filed under.
_SCOPE: Final = "opentelemetry.instrumentation.asgi"
_SCHEMA: Final = "https://opentelemetry.io/schemas/1.21.0"

_SAMPLING_MEMBER: Final = "ot"  # OpenTelemetry's tracestate member: how the sender sampled

_log = logging.getLogger(__name__)


class EdgeTracer:
    """Start server spans by the tracer of *provider*, or of the global one where it is ``None``.

    It has what the instrumentation uses of a `Tracer`.

    Where no sampler can be asked, a client's flag is cleared and not believed either: without an
    SDK nothing is recorded here anyway; with a provider that is none of the SDK's, traces that
    clients began are recorded only if it takes no notice of the flag, and a warning says so.
    """

    def __init__(self, provider: TracerProvider | None, *, trust_sampling: bool) -> None:
        self._provider = provider
        self._trust = trust_sampling
        self._current: _Resolved = (None, NoOpTracer(), _unmarked)

    def start_span(
        self, name: str, context: Context | None = None, *args: Any, **kwargs: Any
    ) -> Span:
        """Start a span as any tracer does; a remote parent's flag counts only where trusted."""
        _, tracer, marked = self._resolved()
        parent = trace.get_current_span(context).get_span_context()
        if not self._trust and parent.is_valid and parent.is_remote:
            unsampled = NonRecordingSpan(_unsampled(parent))
            context = marked(trace.set_span_in_context(unsampled, context))
        return tracer.start_span(name, context, *args, **kwargs)

    def _resolved(self) -> _Resolved:
        """Give provider, tracer and marker, found out anew when the global provider is set."""
        provider = self._provider or trace.get_tracer_provider()
        current = self._current
        if provider is not current[0]:
            tracer = provider.get_tracer(_SCOPE, __version__, _SCHEMA)
            current = self._current = provider, tracer, _unmarked if self._trust else _asked(tracer)
        return current


def _asked(tracer: Tracer) -> Marker:
    """Have the sampler of *tracer* asked about marked parents; give what marks them."""
    if hasattr(tracer, "sampler"):
        from propagation.integrations import local_root  # noqa: PLC0415 - it needs the SDK

        local_root.install(cast("SdkTracer", tracer))
        return local_root.marked
    if not isinstance(tracer, NoOpTracer | ProxyTracer):
        _log.warning("edge_sampler_unknown", extra={"tracer": type(tracer).__qualname__})
    return _unmarked


def _unmarked(context: Context) -> Context:
    return context


def _unsampled(parent: SpanContext) -> SpanContext:
    """Give *parent* without anything that says how it was sampled."""
    flags = TraceFlags(parent.trace_flags & ~TraceFlags.SAMPLED)
    state = parent.trace_state
    if _SAMPLING_MEMBER in state:
        state = state.delete(_SAMPLING_MEMBER)
    return SpanContext(
        parent.trace_id, parent.span_id, is_remote=True, trace_flags=flags, trace_state=state
    )
