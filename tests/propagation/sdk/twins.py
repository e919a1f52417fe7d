"""Pairs of spans that were made alike: one by our recorder, one by the SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import (
    ReadableSpan,
    Span,
    SpanLimits,
    SpanProcessor,
    Tracer,
    TracerProvider,
    sampling,
)
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import Link, SpanKind

from propagation.contexts import span_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry import trace
    from opentelemetry.util.types import AttributeValue

    from propagation.sdk.recorder import Recorder

BEGAN, ENDED = 1_700_000_000_000_000_000, 1_700_000_000_500_000_000
ATTRIBUTES: dict[str, AttributeValue] = {
    "messaging.system": "kafka",
    "messaging.kafka.offset": 7,
    "queued": 0.5,
    "t": True,
}


class Counting(IdGenerator):
    """Gives the same ids to whoever asks in the same order."""

    def __init__(self) -> None:
        self.last = 0

    def generate_span_id(self) -> int:
        """Count."""
        self.last += 1
        return self.last

    def generate_trace_id(self) -> int:
        """Count in another range."""
        return 1 << 100 | self.generate_span_id()


class Kept(SpanProcessor):
    """Keeps what a span processor is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, object, object]] = []
        self.ended: list[ReadableSpan] = []

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Note name and context."""
        self.told.append(("start", span.name, parent_context))

    def _on_ending(self, span: Span) -> None:
        self.told.append(("ending", span.name, isinstance(span, Span)))

    def on_end(self, span: ReadableSpan) -> None:
        """Note the name and keep the span."""
        self.told.append(("end", span.name, span.end_time))
        self.ended.append(span)


def tracer(
    sampler: sampling.Sampler = sampling.DEFAULT_ON, limits: SpanLimits | None = None
) -> tuple[Tracer, Kept]:
    """Build a tracer of a provider of its own, and what hears of its spans."""
    kept = Kept()
    provider = TracerProvider(
        sampler, span_limits=limits, id_generator=Counting(), shutdown_on_exit=False
    )
    provider.add_span_processor(kept)
    made = provider.get_tracer("propagation", schema_url="https://example.org/schema")
    assert isinstance(made, Tracer)
    return made, kept


def started(
    recorder: Recorder, parent: Context | None = None, linked: Sequence[Any] = ()
) -> trace.Span:
    """Start a span by *recorder*, as `propagation.spans` does."""
    above = span_in(Context() if parent is None else parent).get_span_context()
    dropped = recorder.dropped(above)
    if dropped is not None:
        return dropped
    attributes = {**ATTRIBUTES}
    return recorder.start("send plays", SpanKind.PRODUCER, attributes, linked, parent, above, BEGAN)


def stock(tracer: Tracer, parent: Context | None = None, linked: Sequence[Any] = ()) -> trace.Span:
    """Start the same span by the SDK."""
    links = [one if isinstance(one, Link) else Link(one) for one in linked]
    return tracer.start_span("send plays", parent, SpanKind.PRODUCER, {**ATTRIBUTES}, links, BEGAN)
