"""W3C trace context, levels 1 and 2, and W3C baggage: header text to values and back.

What comes in is text somebody else wrote. What goes out is a value, or ``None`` or an empty one
where the text breaks the specification: nothing here raises because of what a header says, and
nothing here reads or writes headers. `W3CPropagator` offers the same rules to everything that
speaks OpenTelemetry's propagation interface; Kafka headers go through `propagation.carrier`.

Sources: https://www.w3.org/TR/trace-context-1/, https://www.w3.org/TR/trace-context-2/,
https://www.w3.org/TR/baggage/; section names are quoted where a rule comes from one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

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

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
BAGGAGE: Final = "baggage"

TRACEPARENT_CHARACTERS: Final = 55  # of version 00; later versions may append "-…"
TRACEPARENT_MAX_CHARACTERS: Final = 512  # ours: a later version has no limit of its own
TRACESTATE_MAX_MEMBERS: Final = 32
TRACESTATE_MAX_CHARACTERS: Final = 8192  # written; the specification asks for at least 512
TRACESTATE_LONG_MEMBER_CHARACTERS: Final = 128  # such members are the first to go
BAGGAGE_MAX_MEMBERS: Final = 64
BAGGAGE_MAX_BYTES: Final = 8192

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
_BAGGAGE_KEY: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BAGGAGE_VALUE: Final = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")
_BAGGAGE_UNQUOTED: Final = "!#$&'()*+-./:<=>?@[]^_`{|}~"
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
        """Put a new member first; give *self* when the key is taken, invalid, or one too many."""
        return self if key in self else self.update(key, value)

    def update(self, key: str, value: str) -> TraceState:
        """Put a member first with a new value; give *self* when it is invalid or one too many."""
        rest = [(name, text) for name, text in self.items() if name != key]
        valid = _TRACESTATE_MEMBER.fullmatch(f"{key}={value}")
        if valid is None or len(rest) >= TRACESTATE_MAX_MEMBERS:
            return self
        return WideTraceState([(key, value), *rest])

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


def parse_baggage(texts: Sequence[str]) -> dict[str, str]:
    """Read the ``baggage`` headers of one message; a malformed member is left out.

    Values are percent-decoded. Properties (``;…``) are read over: OpenTelemetry's baggage has no
    place for them. What exceeds 64 members or 8192 bytes is left out, from the end.
    """
    members: dict[str, str] = {}
    budget = BAGGAGE_MAX_BYTES
    for member in ",".join(texts).split(","):
        budget -= len(member) + 1
        if budget < -1 or len(members) == BAGGAGE_MAX_MEMBERS:
            break
        key, equals, rest = member.partition("=")
        key = key.strip(_OWS)
        value = rest.partition(";")[0].strip(_OWS)
        if equals and _BAGGAGE_KEY.fullmatch(key) and _BAGGAGE_VALUE.fullmatch(value):
            members[key] = unquote(value, errors="replace")
    return members


def format_baggage(members: Mapping[str, object]) -> str:
    """Write a ``baggage`` header; empty text when there is nothing that may be written.

    Values are written as text and percent-encoded. A key that is no token is left out, and so is
    what would exceed 64 members or 8192 bytes.
    """
    written: list[str] = []
    budget = BAGGAGE_MAX_BYTES + 1
    for key, value in members.items():
        if not _BAGGAGE_KEY.fullmatch(key):
            continue
        member = f"{key}={quote(str(value), safe=_BAGGAGE_UNQUOTED, errors='replace')}"
        if len(member) + 1 <= budget and len(written) < BAGGAGE_MAX_MEMBERS:
            written.append(member)
            budget -= len(member) + 1
    return ",".join(written)


def baggage_into(context: Context, members: Mapping[str, str]) -> Context:
    """Give *context* with *members* in its baggage, beside what it already holds."""
    for key, value in members.items():
        context = baggage.set_baggage(key, value, context)
    return context


class W3CPropagator(TextMapPropagator):
    """Carry trace context and baggage over HTTP and whatever else has one value a field.

    As the specification asks of HTTP, more than one ``traceparent`` restarts the trace.
    """

    def extract(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        getter: Getter[CarrierT] = default_getter,
    ) -> Context:
        """Give *context* with the span context and baggage that *carrier* holds, if valid."""
        context = Context() if context is None else context
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
        if text := format_baggage(baggage.get_all(context)):
            setter.set(carrier, BAGGAGE, text)

    @property
    def fields(self) -> set[str]:
        """Name the fields that `inject` may write."""
        return {TRACEPARENT, TRACESTATE, BAGGAGE}


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
