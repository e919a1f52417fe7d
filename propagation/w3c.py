"""W3C trace context, levels 1 and 2: header text to values and back; baggage has its own module.

What comes in is text somebody else wrote. What goes out is a value, or ``None`` or an empty one
where the text breaks the specification: nothing here raises because of what a header says, and
nothing here reads or writes headers. `W3CPropagator` offers the same rules to everything that
speaks OpenTelemetry's propagation interface; Kafka headers go through `propagation.carrier`.

Sources: https://www.w3.org/TR/trace-context-1/, https://www.w3.org/TR/trace-context-2/; section
names are quoted where a rule comes from one. docs/reference/w3c.md goes through them all.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from opentelemetry import baggage, trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState

from propagation.w3c_baggage import BAGGAGE, baggage_into, format_baggage, parse_baggage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"

TRACEPARENT_CHARACTERS: Final = 55  # of version 00; later versions may append "-…"
TRACEPARENT_MAX_CHARACTERS: Final = 512  # ours: a later version has no limit of its own
TRACESTATE_MAX_MEMBERS: Final = 32
TRACESTATE_MAX_CHARACTERS: Final = 8192  # written; the specification asks for at least 512
TRACESTATE_LONG_MEMBER_CHARACTERS: Final = 128  # such members are the first to go

_OWS: Final = " \t"
_KNOWN_FLAGS: Final = TraceFlags.SAMPLED | TraceFlags.RANDOM_TRACE_ID
_TRACE_FLAGS: Final = tuple(TraceFlags(flags) for flags in range(_KNOWN_FLAGS + 1))
_TRACEPARENT: Final = re.compile(
    r"([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
)
_TRACESTATE_MEMBER: Final = re.compile(
    r"([a-z0-9][a-z0-9_\-*/@]{0,255})=([\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e])"
)
_TRACESTATE_MAX_READ: Final = TRACESTATE_MAX_MEMBERS * 1024  # members, their commas, blanks
_NO_STATE: Final = TraceState()


class WideTraceState(TraceState):
    """Hold tracestate members whose keys follow level 2, which allows more than OpenTelemetry's.

    Level 2 ("Key") allows a digit first and ``@`` anywhere after; OpenTelemetry's own class drops
    such members. Changes give a new state, the changed member first ("Mutating the tracestate").
    """

    def __init__(self, entries: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__()
        self._dict = dict(entries)

    def add(self, key: str, value: str) -> TraceState:
        """Put a new member first; give *self* when the key is taken or the member invalid.

        The last one goes where there would be 33 ("tracestate Header Field Values").
        """
        return self if key in self else self.update(key, value)

    def update(self, key: str, value: str) -> TraceState:
        """Put a member first with a new value; give *self* when it is invalid. 33 are as above."""
        rest = [(name, text) for name, text in self.items() if name != key]
        if _TRACESTATE_MEMBER.fullmatch(f"{key}={value}") is None:
            return self
        return WideTraceState([(key, value), *rest][:TRACESTATE_MAX_MEMBERS])

    def delete(self, key: str) -> TraceState:
        """Remove a member, if it is there."""
        return WideTraceState((name, text) for name, text in self.items() if name != key)


def parse_traceparent(text: str) -> SpanContext | None:
    """Read a ``traceparent``; ``None`` means: restart the trace ("A traceparent is received").

    Of a later version the first four fields count. Flags other than sampled and random-trace-id
    are dropped, as section "Other Flags" demands of who writes the next header.
    """
    text = text.strip(_OWS)
    if len(text) > TRACEPARENT_MAX_CHARACTERS:
        return None
    match = _TRACEPARENT.fullmatch(text)
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    if version == "ff" or (version == "00" and rest is not None):
        return None
    return SpanContext(
        int(trace_id, 16),
        int(span_id, 16),
        is_remote=True,
        trace_flags=_TRACE_FLAGS[int(flags, 16) & _KNOWN_FLAGS],
    )


def format_traceparent(context: SpanContext) -> str:
    """Write a ``traceparent`` of version 00 for a valid *context*."""
    flags = context.trace_flags & _KNOWN_FLAGS
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{flags:02x}"


def parse_tracestate(texts: Sequence[str]) -> TraceState:
    """Read the ``tracestate`` headers of one message, in their order, as one list.

    One malformed member, or a 33rd, voids the whole ("tracestate Header Field Values"). Of a key
    that occurs twice the first, which is the newer, stays.
    """
    joined = ",".join(texts)
    if len(joined) > _TRACESTATE_MAX_READ:
        return _NO_STATE
    members = [member for part in joined.split(",") if (member := part.strip(_OWS))]
    matches = [_TRACESTATE_MEMBER.fullmatch(member) for member in members]
    if not matches or len(matches) > TRACESTATE_MAX_MEMBERS:
        return _NO_STATE
    entries: dict[str, str] = {}
    for match in matches:
        if match is None:
            return _NO_STATE
        entries.setdefault(match[1], match[2])
    return WideTraceState(entries.items())


def format_tracestate(state: TraceState) -> str:
    """Write a ``tracestate``, shortened by whole members if it is too long ("tracestate Limits").

    Members above 128 characters go, the last one first; 32 shorter ones always fit.
    """
    text = state.to_header()
    if len(text) <= TRACESTATE_MAX_CHARACTERS:
        return text
    members = text.split(",")
    longest = [i for i, m in enumerate(members) if len(m) > TRACESTATE_LONG_MEMBER_CHARACTERS]
    for index in reversed(longest):
        if len(",".join(members)) > TRACESTATE_MAX_CHARACTERS:
            del members[index]
    return ",".join(members)


class W3CPropagator(TextMapPropagator):
    """Carry trace context and baggage over HTTP and whatever else has one value a field.

    As the specification asks of HTTP, more than one ``traceparent`` restarts the trace. Without
    *with_baggage* it leaves baggage alone.
    """

    def __init__(self, *, with_baggage: bool = True) -> None:
        self._with_baggage = with_baggage

    def extract(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        getter: Getter[CarrierT] = default_getter,
    ) -> Context:
        """Give *context* with the span context and baggage that *carrier* holds, if valid."""
        context = Context() if context is None else context
        if self._with_baggage:
            context = baggage_into(context, parse_baggage(getter.get(carrier, BAGGAGE) or ()))
        parents = getter.get(carrier, TRACEPARENT) or ()
        parent = parse_traceparent(parents[0]) if len(parents) == 1 else None
        if parent is None:
            return context
        parent = with_tracestate(parent, getter.get(carrier, TRACESTATE) or ())
        return trace.set_span_in_context(NonRecordingSpan(parent), context)

    def inject(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        setter: Setter[CarrierT] = default_setter,
    ) -> None:
        """Write what *context* (default: the current one) holds into *carrier*."""
        current = trace.get_current_span(context).get_span_context()
        if current.is_valid:
            setter.set(carrier, TRACEPARENT, format_traceparent(current))
            if current.trace_state:
                setter.set(carrier, TRACESTATE, format_tracestate(current.trace_state))
        if self._with_baggage and (text := format_baggage(baggage.get_all(context))):
            setter.set(carrier, BAGGAGE, text)

    @property
    def fields(self) -> set[str]:
        """Name the fields that `inject` may write."""
        trace_fields = {TRACEPARENT, TRACESTATE}
        return trace_fields | {BAGGAGE} if self._with_baggage else trace_fields


def with_tracestate(parent: SpanContext, texts: Sequence[str]) -> SpanContext:
    """Give *parent* with the state that *texts* hold; an invalid state leaves it as it was."""
    state = parse_tracestate(texts) if texts else None
    if not state:
        return parent
    return SpanContext(
        parent.trace_id,
        parent.span_id,
        is_remote=True,
        trace_flags=parent.trace_flags,
        trace_state=state,
    )
