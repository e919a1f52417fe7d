"""What each message asks of OpenTelemetry's contexts, to the same effect as its API and cheaper.

A context is what is current: a span, baggage. A span context is the ids of one span. Here they are
read and made, and nothing is started, ended or recorded.
"""

from __future__ import annotations

from typing import Any, Final
from weakref import ref

from opentelemetry import context as api
from opentelemetry import trace
from opentelemetry.context import (
    _SUPPRESS_INSTRUMENTATION_KEY,  # the API has no public name for it
    Context,
)
from opentelemetry.trace import (
    DEFAULT_TRACE_STATE,
    INVALID_SPAN,
    NonRecordingSpan,
    Span,
    SpanContext,
    TraceFlags,
    TraceState,
)

# What the API's functions of these names call; where that is not to be found, they themselves.
_runtime: Final[Any] = getattr(api, "_RUNTIME_CONTEXT", api)
get_current: Final = _runtime.get_current
attach: Final = _runtime.attach

_SUPPRESSED: Final = "suppress_instrumentation"  # the other key that suppress_instrumentation sets
# The key under which a context holds its span, told by what the API itself writes.
[_SPAN] = trace.set_span_in_context(INVALID_SPAN, Context())
_SPAN_TYPES: Final[set[type]] = {NonRecordingSpan}

# Spans whose scope was left while something else was current, and what was current before them.
# The span may still be current in another thread, or come back with the scope that stands upon it.
left_late: Final[dict[ref[Span], Context]] = {}

_new_tuple: Final[Any] = tuple.__new__


def is_suppressed(context: Context) -> bool:
    """Tell whether *context* asks that nothing be instrumented."""
    return bool(context.get(_SUPPRESS_INSTRUMENTATION_KEY) or context.get(_SUPPRESSED))


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
    return Context({**context, _SPAN: span} if context else {_SPAN: span})


def leave_late(span: Span, before: Context) -> None:
    """Remember that the scope of *span* is over; *before* was current outside of it."""
    if span is not INVALID_SPAN and span_in(before) is not span:
        left_late[ref(span, _forget)] = before


def _forget(gone: ref[Span]) -> None:
    left_late.pop(gone, None)


def unwound(context: Context) -> Context:
    """Give *context*, or what was current before it where its scope is over."""
    while (before := left_late.get(ref(span_in(context)))) is not None:
        context = before
    return context


def holding(parent: SpanContext, context: Context | None) -> Context | None:
    """Give *context* (None: the current one) with *parent* in it where that is remote."""
    here = get_current() if context is None else context
    if not parent.is_remote or span_in(here).get_span_context() is parent:
        return context
    return with_span(NonRecordingSpan(parent), here)


def _known_context(  # as SpanContext
    trace_id: int,
    span_id: int,
    is_remote: bool,  # noqa: FBT001  # as SpanContext
    flags: TraceFlags,
    state: TraceState,
) -> SpanContext:
    """Make a span context of ids that are known to be valid, at half the cost."""
    made: SpanContext = _new_tuple(SpanContext, (trace_id, span_id, is_remote, flags, state, True))
    return made


_PROBE: Final = (1, 2, True, TraceFlags(3), DEFAULT_TRACE_STATE)
# SpanContext declares what tuple it is. Should that change, it makes its own.
known_context: Final = (
    _known_context if tuple(SpanContext(*_PROBE)) == (*_PROBE, True) else SpanContext
)
