"""Values that several tests of propagation need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

TRACE_ID: Final = 0x0AF7651916CD43DD8448EB211C80319C
SPAN_ID: Final = 0xB7AD6B7169203331
TRACEPARENT: Final = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHER_TRACEPARENT: Final = "00-11111111111111111111111111111111-2222222222222222-01"


def span_context(
    trace_id: int = TRACE_ID, span_id: int = SPAN_ID, flags: int = 1, state: str = ""
) -> SpanContext:
    """Build the context of a span far away."""
    return SpanContext(
        trace_id,
        span_id,
        is_remote=True,
        trace_flags=TraceFlags(flags),
        trace_state=TraceState.from_header([state]),
    )


def context(remote: SpanContext | None = None) -> Context:
    """Build a context in which *remote* is current, and nothing else."""
    return trace.set_span_in_context(NonRecordingSpan(remote or span_context()), Context())


def span_in(context: Context) -> SpanContext:
    """Give the span context that *context* holds."""
    return trace.get_current_span(context).get_span_context()


def ids(context: SpanContext) -> tuple[int, int]:
    """Give what tells one span from all others, here or far away."""
    return context.trace_id, context.span_id


def points(reader: InMemoryMetricReader, name: str) -> list[Any]:
    """Give the data points of the metric *name*."""
    data = reader.get_metrics_data()
    every = (
        [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics]
        if data
        else []
    )
    return [point for metric in every if metric.name == name for point in metric.data.data_points]
