"""A histogram whose buckets name a trace: from a slow bucket straight to a request that was slow.

Only a trace that is recorded is named, because any other leads nowhere. OpenMetrics alone carries
exemplars; the plain text format leaves them out.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from prometheus_client import Histogram

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prometheus_client.samples import Sample

COUNTED_AT_ONCE: Final = 256


class GatheredHistogram(Histogram):
    """A histogram that counts some at a time, and before anybody reads: at a third of the cost."""

    def _metric_init(self) -> None:
        super()._metric_init()
        self._pending: deque[float] = deque()

    def observe_all(self, amounts: Iterable[float]) -> None:
        """Count *amounts*, in seconds, without an exemplar."""
        self._raise_if_not_observable()  # type: ignore[no-untyped-call]  # the library's
        self._pending.extend(amounts)
        if len(self._pending) >= COUNTED_AT_ONCE:
            self._count()

    def _count(self) -> None:
        """Put what is pending into the buckets. Each is taken by one thread, whoever else does."""
        pending, total = self._pending, 0.0
        counts = [0] * len(self._buckets)
        with suppress(IndexError):
            while True:
                amount = pending.popleft()
                counts[bisect_left(self._upper_bounds, amount)] += 1
                total += amount
        for bucket, times in zip(self._buckets, counts, strict=True):
            if times:
                bucket.inc(times)
        self._sum.inc(total)

    def _child_samples(self) -> Iterable[Sample]:
        self._count()
        return super()._child_samples()


class TracedHistogram(GatheredHistogram):
    """A histogram that takes the current trace as its exemplar."""

    def observe(self, amount: float, exemplar: Mapping[str, str] | None = None) -> None:
        """Count *amount*, in seconds, with *exemplar* or, without one, the current trace."""
        named = dict(exemplar) if exemplar else recorded_trace()
        if named:
            super().observe(amount, named)
        else:
            self.observe_all((amount,))


def recorded_trace() -> dict[str, str] | None:
    """Give the exemplar that names the current trace, ``None`` unless it is recorded."""
    span = trace.get_current_span()
    if not span.is_recording():  # asked first: the context of most such spans is never made
        return None
    context = span.get_span_context()
    return {"trace_id": f"{context.trace_id:032x}"} if context.trace_flags.sampled else None
