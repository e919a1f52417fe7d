"""Who makes the spans: the light span where the provider is OpenTelemetry's SDK, its API elsewhere.

`recorder` gives what stands for the application's tracer provider now. Without an SDK nothing of
it is imported.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from opentelemetry import trace
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    TraceFlags,
    Tracer,
)

from propagation import conventions as names
from propagation.contexts import holding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.context import Context
    from opentelemetry.trace import SpanKind, TracerProvider, TraceState
    from opentelemetry.util.types import AttributeValue

    Linked: TypeAlias = Sequence[SpanContext | Link]  # a context, or a link with attributes

_FLAGS: Final = tuple(TraceFlags(bits) for bits in range(4))


class Dropped(NonRecordingSpan):
    """A span that is not recorded and not sampled, whose context is made when somebody asks.

    Most such spans live and die without that: their header is written from the ids.
    """

    __slots__ = ("_made", "flags", "span_id", "state", "trace_id")

    def __init__(self, trace_id: int, span_id: int, flags: int, state: TraceState | None) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.flags = flags
        self.state = state
        self._made: SpanContext | None = None

    def get_span_context(self) -> SpanContext:
        """Give the context; the same one each time."""
        if self._made is None:
            flags = _FLAGS[self.flags]
            self._made = SpanContext(self.trace_id, self.span_id, False, flags, self.state)
        return self._made

    _context = property(get_span_context)  # what the API's own methods call it


class Recorder(Protocol):
    """What starts spans for one tracer."""

    def dropped(self, parent: SpanContext) -> Span | None:
        """Give the span where a child of *parent* (invalid: a root) is certain to be dropped."""

    def start(  # noqa: PLR0917  # once per message: names cost
        self,
        name: str,
        kind: SpanKind,
        attributes: dict[str, AttributeValue],
        linked: Linked,
        context: Context | None,
        parent: SpanContext,
        start_ns: int | None = None,
    ) -> Span:
        """Start a span where `dropped` gave none, as a child of *parent*.

        *context* None means the current one. It holds *parent*, or is given it where that is
        remote. *attributes* must need no cleaning. *start_ns* (since the epoch) None means now.
        """


class ApiRecorder:
    """Starts spans by the API's ``start_span``, which knows what the provider does with them."""

    __slots__ = ("_tracer",)

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def dropped(self, parent: SpanContext) -> Span | None:  # noqa: ARG002  # see Recorder
        """Give nothing: nothing is certain."""
        return None

    def start(  # noqa: PLR0917  # see Recorder
        self,
        name: str,
        kind: SpanKind,
        attributes: dict[str, AttributeValue],
        linked: Linked,
        context: Context | None,
        parent: SpanContext,
        start_ns: int | None = None,
    ) -> Span:
        """Start the span."""
        links = as_links(linked)
        context = holding(parent, context)  # where the tracer looks for it
        return self._tracer.start_span(name, context, kind, attributes, links, start_ns)


def recorder() -> Recorder:
    """Give the recorder of the application's provider; a new one once that is another."""
    global _current  # noqa: PLW0603  # one pair, swapped whole: safe between threads
    provider, current = trace.get_tracer_provider(), _current
    if provider is not current[0]:
        tracer = provider.get_tracer("propagation", schema_url=names.SCHEMA_URL)
        current = _current = provider, _recorder_of(tracer)
    return current[1]


def _recorder_of(tracer: Tracer) -> Recorder:
    if "opentelemetry.sdk.trace" not in sys.modules:
        return ApiRecorder(tracer)
    light = import_module("propagation.sdk.recorder")
    made: Recorder = light.Recorder(tracer) if light.is_plain(tracer) else ApiRecorder(tracer)
    return made


def as_links(linked: Linked) -> list[Link]:
    """Make links of what is *linked*."""
    return [one if isinstance(one, Link) else Link(one) for one in linked]


def finish(span: Span, attributes: dict[str, AttributeValue]) -> None:
    """End *span* with last *attributes*, which must need no cleaning."""
    end_with = getattr(span, "end_with", None)
    if end_with is not None:
        end_with(attributes)
        return
    span.set_attributes(attributes)
    span.end()


_current: tuple[TracerProvider | None, Recorder] = (None, ApiRecorder(trace.NoOpTracer()))
