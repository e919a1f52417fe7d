"""Trace context in Kafka headers: `extract` reads it, `inject` writes it.

Which formats is OpenTelemetry's global setting. Where that is W3C trace context with or without
baggage (``OTEL_PROPAGATORS`` unset, ``tracecontext``, ``tracecontext,baggage``), this package's
own strict parser does the work; any other setting goes through the configured propagators with
the same headers. Nothing that stands in a header makes these functions raise.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Protocol, cast

from opentelemetry import baggage, trace
from opentelemetry.context import Context, get_current
from opentelemetry.propagate import get_global_textmap, set_global_textmap
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import (
    DEFAULT_TRACE_STATE,
    NonRecordingSpan,
    Span,
    SpanContext,
    TraceFlags,
)

from propagation import w3c, w3c_baggage
from propagation.headers import NO_NAMES, Headers, found, replaced
from propagation.recorders import Dropped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.propagators.textmap import TextMapPropagator

    from propagation.options import Options

# As `w3c.format_traceparent` writes it, at half its cost: this is done for every message.
_TRACEPARENT: Final = b"00-%032x-%016x-%02x"
_KNOWN_FLAGS: Final = int(TraceFlags.SAMPLED | TraceFlags.RANDOM_TRACE_ID)

_log: Final = logging.getLogger(__name__)

Keys = frozenset[str] | None  # baggage keys that may pass; None: all


class Format(Protocol):
    """One way to write a context into headers and to read it back."""

    names: frozenset[str]  # lower case; what is replaced when a context is written

    def read(self, headers: object, context: Context, keys: Keys) -> Context:
        """Give *context* with what *headers* hold; unchanged where they hold nothing valid."""

    def write(self, span: Span, context: Context | None, keys: Keys) -> list[tuple[str, bytes]]:
        """Give the headers that carry *span* and the baggage of *context* (None: current)."""


def extract(headers: object, *, topic: str = "", options: Options | None = None) -> Context:
    """Read the context out of *headers*, as ``Message.headers()`` gives them. Never raises.

    Of several ``traceparent`` the last valid one counts. Gives an empty context where there is
    none. With *options* it gives no more than they trust: nothing from a *topic* whose policy is
    not to continue traces, and of the baggage the listed keys.
    """
    if options is None:
        return current_format().read(headers, Context(), None)
    if options.policy(topic).trust != "continue":
        return Context()
    return current_format().read(headers, Context(), options.baggage_keys)


def inject(headers: object = None, context: Context | None = None) -> Headers:
    """Give a new list: *headers* with the trace headers of *context* (default: the current one).

    Trace headers that *headers* already hold are replaced. Where *context* has no span they are
    left as they are: there is nothing to replace them by.

    Raises:
        TypeError: *headers* is of a shape that ``confluent_kafka.Producer.produce`` refuses.
    """
    return inject_span(headers, trace.get_current_span(context), context, None)


def inject_span(headers: object, span: Span, context: Context | None, keys: Keys) -> Headers:
    """Do as `inject` does, with *span* in place of the context's; only *keys* of its baggage."""
    form = current_format()
    ours = form.write(span, context, keys)
    if headers is None:
        return cast("Headers", ours)  # a new list
    if span.get_span_context().is_valid:
        stale = form.names
    else:
        stale = frozenset(name.lower() for name, _ in ours) if ours else NO_NAMES
    return replaced(headers, stale, ours)


def current_format() -> Format:
    """Give the format that OpenTelemetry's global propagator stands for, found out once."""
    global _resolved  # noqa: PLW0603  # one pair, swapped whole: safe between threads
    propagator, resolved = get_global_textmap(), _resolved
    if propagator is not resolved[0]:
        resolved = _resolved = propagator, _format_of(propagator)
    return resolved[1]


def adopt_w3c() -> None:
    """Let OpenTelemetry's global propagator follow this package's rules, if it stands for W3C.

    An HTTP edge and every instrumentation go by the global one, and OpenTelemetry's own reads more
    loosely: two traceparents as one, keys of level 2 not at all. Any other setting stays.
    """
    form = current_format()
    if isinstance(form, W3C) and not isinstance(get_global_textmap(), w3c.W3CPropagator):
        set_global_textmap(w3c.W3CPropagator(with_baggage=w3c_baggage.BAGGAGE in form.names))


class W3C:
    """W3C trace context, and baggage where *with_baggage*, by this package's own parser."""

    __slots__ = ("_with_baggage", "names")

    def __init__(self, *, with_baggage: bool) -> None:
        names = {w3c.TRACEPARENT, w3c.TRACESTATE}
        self.names = frozenset(names | {w3c_baggage.BAGGAGE} if with_baggage else names)
        self._with_baggage = with_baggage

    def read(self, headers: object, context: Context, keys: Keys) -> Context:
        """Take the last valid traceparent with the tracestate that belongs to it."""
        texts = found(headers, self.names)
        if not texts:
            return context
        if self._with_baggage and keys != NO_NAMES:
            members = w3c_baggage.parse_baggage(
                [text for name, text in texts if name == w3c_baggage.BAGGAGE]
            )
            passed = {k: v for k, v in members.items() if keys is None or k in keys}
            context = w3c_baggage.baggage_into(context, passed)
        parent = _last_valid(texts)
        if parent is None:
            return context
        return trace.set_span_in_context(NonRecordingSpan(parent), context)

    def write(self, span: Span, context: Context | None, keys: Keys) -> list[tuple[str, bytes]]:
        """Write traceparent, then tracestate and baggage if there are any."""
        ours: list[tuple[str, bytes]] = []
        if type(span) is Dropped and not span.state:  # the usual one: no context has to be made
            ids = span.trace_id, span.span_id, span.flags
            ours.append((w3c.TRACEPARENT, _TRACEPARENT % ids))
        else:
            trace_id, span_id, _, flags, state, is_valid = span.get_span_context()
            if is_valid:
                ids = trace_id, span_id, flags & _KNOWN_FLAGS
                ours.append((w3c.TRACEPARENT, _TRACEPARENT % ids))
                if state is not DEFAULT_TRACE_STATE and state:
                    ours.append((w3c.TRACESTATE, w3c.format_tracestate(state).encode()))
        if self._with_baggage and keys != NO_NAMES:
            members = _limited(baggage.get_all(context), keys)
            if members and (text := w3c_baggage.format_baggage(members)):
                ours.append((w3c_baggage.BAGGAGE, text.encode()))
        return ours


class Configured:
    """Whatever *propagator* reads and writes; headers and exceptions are kept in bounds here."""

    __slots__ = ("_propagator", "names")

    def __init__(self, propagator: TextMapPropagator) -> None:
        self._propagator = propagator
        self.names = frozenset(field.lower() for field in propagator.fields)

    def read(self, headers: object, context: Context, keys: Keys) -> Context:
        """Show the propagator one value a field, the last; it may look for any name."""
        try:
            read = self._propagator.extract(headers, context, getter=_GETTER)
        except Exception:  # noqa: BLE001  # somebody else's code; a message outweighs a trace
            _log.warning("propagator_failed", exc_info=True)
            return context
        if keys is None:
            return read
        own = baggage.get_all(context)
        for name in baggage.get_all(read):
            if name not in keys and name not in own:
                read = baggage.remove_baggage(name, read)
        return read

    def write(self, span: Span, context: Context | None, keys: Keys) -> list[tuple[str, bytes]]:
        """Let the propagator write, as it spells its names."""
        context = trace.set_span_in_context(span, get_current() if context is None else context)
        for name in baggage.get_all(context):
            if keys is not None and name not in keys:
                context = baggage.remove_baggage(name, context)
        carrier: dict[str, str] = {}
        try:
            self._propagator.inject(carrier, context)
        except Exception:  # noqa: BLE001  # as above
            _log.warning("propagator_failed", exc_info=True)
        return [(name, text.encode(errors="replace")) for name, text in carrier.items()]


class _HeadersGetter(Getter[object]):
    """Read headers as OpenTelemetry's propagators ask for them: by name, in any case."""

    def get(self, carrier: object, key: str) -> list[str] | None:
        texts = [text for _, text in found(carrier, frozenset((key.lower(),)))]
        if not texts:
            return None
        return texts if key.lower() in _LISTS else texts[-1:]

    def keys(self, carrier: object) -> list[str]:
        return [name for name, _ in found(carrier, None)]


_GETTER: Final = _HeadersGetter()
_LISTS: Final = frozenset(
    (w3c.TRACESTATE, w3c_baggage.BAGGAGE)
)  # several such headers are one list


def _last_valid(texts: list[tuple[str, str]]) -> SpanContext | None:
    """Choose the last valid traceparent, and of the tracestates those that came with it.

    With one traceparent on the message all tracestates are its own, wherever they stand. With
    several, each hop has added its headers after the others': the winner's are those between it
    and the next.
    """
    winner: SpanContext | None = None
    parents = 0
    states: list[str] = []
    all_states: list[str] = []
    beside_winner = False
    for name, text in texts:
        if name == w3c.TRACEPARENT:
            parents += 1
            parent = w3c.parse_traceparent(text)
            beside_winner = parent is not None
            if parent is not None:
                winner, states = parent, []
        elif name == w3c.TRACESTATE:
            all_states.append(text)
            if beside_winner:
                states.append(text)
    if winner is None:
        return None
    return w3c.with_tracestate(winner, all_states if parents == 1 else states)


def _limited(members: Mapping[str, object], keys: Keys) -> Mapping[str, object]:
    return members if keys is None else {k: v for k, v in members.items() if k in keys}


def _format_of(propagator: TextMapPropagator) -> Format:
    """Recognise W3C by the fields that *propagator* declares: it may write those and no other."""
    fields = {field.lower() for field in propagator.fields}
    if {w3c.TRACEPARENT} <= fields <= {w3c.TRACEPARENT, w3c.TRACESTATE, w3c_baggage.BAGGAGE}:
        return W3C(with_baggage=w3c_baggage.BAGGAGE in fields)
    return Configured(propagator)


_resolved: tuple[TextMapPropagator | None, Format] = (None, W3C(with_baggage=True))
