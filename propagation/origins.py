"""Where a message comes from: the span context that its headers carry, without making a context.

Nearly every message has one well-formed ``traceparent`` and no ``tracestate``; that one is read
here, to the same effect as `propagation.carrier` reads it and at a third of the cost. All else is
left to the carrier.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry.trace import DEFAULT_TRACE_STATE, TraceFlags

from propagation import w3c
from propagation.carrier import W3C, current_format
from propagation.contexts import known_context, span_in

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import SpanContext

_TRACESTATE: Final = w3c.TRACESTATE
_NAMES: Final = frozenset((w3c.TRACEPARENT, _TRACESTATE))
_CHARACTERS: Final = w3c.TRACEPARENT_CHARACTERS
_HEX: Final = b"0123456789abcdef"
_TRACE_ID, _SPAN_ID = 32, 16  # characters
_FLAGS: Final = {b"%02x" % bits: TraceFlags(bits & 3) for bits in range(256)}  # two have a meaning


def read_origin(
    headers: object, here: Context, keys: frozenset[str]
) -> tuple[Context, SpanContext | None]:
    """Give *here* with what *headers* bring beside a span, and the span context they carry.

    *keys* of baggage may pass. None: they carry none that is valid.
    """
    form = current_format()
    if not keys and type(form) is W3C:
        value = _sole_traceparent(headers)
        if value is None:
            return here, None
        if (origin := _parsed(value)) is not None:
            return here, origin
    carried = form.read(headers, here, keys)
    span = span_in(carried)
    if span is span_in(here):
        return carried, None
    remote = span.get_span_context()
    return carried, remote if remote.is_valid else None


def _sole_traceparent(headers: object) -> bytes | None:
    """Give the traceparent that stands alone; None without one; empty if it is not so simple."""
    if headers is None:
        return None
    if type(headers) is not list:
        return b""
    value: bytes | None = None
    try:
        for name, text in headers:
            lower = name.lower()
            if lower in _NAMES:
                if lower == _TRACESTATE or value is not None or type(text) is not bytes:
                    return b""
                value = text
    except (AttributeError, TypeError, ValueError):  # no list of pairs
        return b""
    return value


def _parsed(value: bytes) -> SpanContext | None:
    """Read a traceparent of version 00 (W3C, "traceparent Header Field Values")."""
    if len(value) != _CHARACTERS or value.translate(None, _HEX) != b"---":
        return None
    version, trace_id, span_id, flags = value.split(b"-")
    if version != b"00" or len(trace_id) != _TRACE_ID or len(span_id) != _SPAN_ID:
        return None
    trace, span = int(trace_id, 16), int(span_id, 16)
    if not (trace and span):
        return None
    return known_context(trace, span, True, _FLAGS[flags], DEFAULT_TRACE_STATE)
