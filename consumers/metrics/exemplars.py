"""A histogram whose buckets name a trace: from a slow bucket straight to a request that was slow.

Only a trace that is recorded is named, because any other leads nowhere. OpenMetrics alone carries
exemplars; the plain text format leaves them out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import trace
from prometheus_client import Histogram

if TYPE_CHECKING:
    from collections.abc import Mapping


class TracedHistogram(Histogram):
    """A histogram that takes the current trace as its exemplar."""

    def observe(self, amount: float, exemplar: Mapping[str, str] | None = None) -> None:
        """Count *amount*, in seconds, with *exemplar* or, without one, the current trace."""
        super().observe(amount, dict(exemplar) if exemplar else recorded_trace())


def recorded_trace() -> dict[str, str] | None:
    """Give the exemplar that names the current trace, ``None`` unless it is recorded."""
    context = trace.get_current_span().get_span_context()
    return {"trace_id": f"{context.trace_id:032x}"} if context.trace_flags.sampled else None
