"""Who makes the spans: the light span where the provider is OpenTelemetry's SDK, its API elsewhere.

`recorder` gives what stands for the application's tracer provider now. Without an SDK nothing of
it is imported. Beside it stand the questions that each message asks of the current context, in
forms that cost less than the API's.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from opentelemetry import trace
from opentelemetry.context import (
    _SUPPRESS_INSTRUMENTATION_KEY,  # the API has no public name for it
    Context,
)
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    TraceFlags,
    Tracer,
)

from propagation import conventions as names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.trace import SpanKind, TracerProvider, TraceState
    from opentelemetry.util.types import AttributeValue

    Linked: TypeAlias = Sequence[SpanContext | Link]  # a context, or a link with attributes

_SUPPRESSED: Final = "suppress_instrumentation"  # the other key that suppress_instrumentation sets
# The key under which a context holds its span, told by what the API itself writes.
[_SPAN] = trace.set_span_in_context(INVALID_SPAN, Context())

_FLAGS: Final = tuple(TraceFlags(bits) for bits in range(4))
_SPAN_TYPES: Final[set[type]] = {NonRecordingSpan}


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
        """Start a span where `dropped` gave none.

        *context* None means the current one; *parent* is the span context it holds.
        *attributes* must need no cleaning. *start_ns* (since the epoch) None means now.
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
        parent: SpanContext,  # noqa: ARG002  # the tracer looks for itself
        start_ns: int | None = None,
    ) -> Span:
        """Start the span."""
        links = as_links(linked)
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


def span_in(context: Context) -> Span:
    """Give the span that *context* holds; the invalid one where it holds none."""
    span = context.get(_SPAN)
    if type(span) in _SPAN_TYPES:
        return span  # type: ignore[return-value]  # a span's type
    if not isinstance(span, Span):
        return INVALID_SPAN
    _SPAN_TYPES.add(type(span))
    return span


def with_span(span: Span, context: Context) -> Context:
    """Give *context* with *span* in it."""
    return Context({**context, _SPAN: span})


def is_suppressed(context: Context) -> bool:
    """Tell whether *context* asks that nothing be instrumented."""
    return bool(context.get(_SUPPRESS_INSTRUMENTATION_KEY) or context.get(_SUPPRESSED))


def finish(span: Span, attributes: dict[str, AttributeValue]) -> None:
    """End *span* with last *attributes*, which must need no cleaning."""
    end_with = getattr(span, "end_with", None)
    if end_with is not None:
        end_with(attributes)
        return
    span.set_attributes(attributes)
    span.end()


_current: tuple[TracerProvider | None, Recorder] = (None, ApiRecorder(trace.NoOpTracer()))
