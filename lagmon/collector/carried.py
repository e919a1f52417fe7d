"""What the headers of one record carry: its trace, and those that the settings allow. Pure.

Comes in: headers as ``Message.headers()`` gives them. Goes out: a trace id, or why there is none;
names and texts of allowed headers. Never raises because of what stands in a header, and never gives
the text of one that is not allowed.

W3C's ``traceparent`` counts first, then B3 in one header, then B3 in several: who migrates writes
both, and the newer format is the one that is still read. Sources: W3C trace context level 2,
https://github.com/openzipkin/b3-propagation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from propagation.headers import found
from propagation.w3c import TRACEPARENT, parse_traceparent

if TYPE_CHECKING:
    from collections.abc import Iterable

TEXT_CHARACTERS = 256  # of an allowed header; what is longer is cut
TRACE_ID_DIGITS = 32  # B3's shorter ids are the lower half

B3 = "b3"
B3_TRACE, B3_SPAN = "x-b3-traceid", "x-b3-spanid"
B3_SAMPLED, B3_FLAGS = "x-b3-sampled", "x-b3-flags"
NAMES = frozenset({TRACEPARENT, B3, B3_TRACE, B3_SPAN, B3_SAMPLED, B3_FLAGS})
NAMING = (TRACEPARENT, B3, B3_TRACE)  # of these each should name a trace

_TRACE = r"(?!0+(?![0-9a-f]))[0-9a-f]{16}(?:[0-9a-f]{16})?"
_SPAN = r"(?!0{16})[0-9a-f]{16}"
_B3_TRACE = re.compile(_TRACE, re.IGNORECASE)
_B3_SPAN = re.compile(_SPAN, re.IGNORECASE)
_B3_SINGLE = re.compile(rf"({_TRACE})-{_SPAN}(?:-([01d])(?:-{_SPAN})?)?", re.IGNORECASE)
_B3_SAMPLED = {"1": True, "true": True, "d": True, "0": False, "false": False}


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace id of 32 hexadecimal digits, or *unknown*, which says why there is none.

    *sampled* is ``None`` where the sender left the decision to others.
    """

    id: str | None = None
    sampled: bool | None = None
    unknown: str | None = None


def trace_of(headers: object) -> Trace:
    """Find the trace of a record with *headers*; of several of a kind the last valid one counts."""
    held: dict[str, list[str]] = {}
    for name, text in found(headers, NAMES):
        held.setdefault(name, []).insert(0, text.strip())
    known = _w3c(held) or _b3_single(held) or _b3_several(held)
    return known or Trace(unknown=_why_none(held))


def allowed(headers: object, names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Give those *headers* that are in *names*, which match in any case and give the order.

    The last of a name counts. What is no UTF-8 is shown with replacement characters.
    """
    wanted = tuple(names)
    if not wanted:
        return ()
    held = dict(found(headers, frozenset(name.lower() for name in wanted)))
    return tuple((name, _cut(held[name.lower()])) for name in wanted if name.lower() in held)


def _w3c(held: dict[str, list[str]]) -> Trace | None:
    for text in held.get(TRACEPARENT, ()):
        if context := parse_traceparent(text):
            return Trace(f"{context.trace_id:032x}", sampled=context.trace_flags.sampled)
    return None


def _b3_single(held: dict[str, list[str]]) -> Trace | None:
    for text in held.get(B3, ()):
        if match := _B3_SINGLE.fullmatch(text):
            return Trace(_whole(match[1]), sampled=_B3_SAMPLED.get((match[2] or "").lower()))
    return None


def _b3_several(held: dict[str, list[str]]) -> Trace | None:
    if not any(_B3_SPAN.fullmatch(text) for text in held.get(B3_SPAN, ())):
        return None  # the specification wants both ids
    for text in held.get(B3_TRACE, ()):
        if _B3_TRACE.fullmatch(text):
            debug = "1" in held.get(B3_FLAGS, ())
            said = next(iter(held.get(B3_SAMPLED, ())), "").lower()
            return Trace(_whole(text), sampled=debug or _B3_SAMPLED.get(said))
    return None


def _why_none(held: dict[str, list[str]]) -> str:
    if "0" in held.get(B3, ()):
        return "not traced: its header b3 says so"
    broken = [name for name in NAMING if name in held]
    if broken:
        return f"no valid trace id in its {'header' if len(broken) == 1 else 'headers'} " + (
            ", ".join(broken)
        )
    return "the record carries no trace header"


def _whole(trace_id: str) -> str:
    return trace_id.lower().rjust(TRACE_ID_DIGITS, "0")


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_CHARACTERS else f"{text[:TEXT_CHARACTERS]}…"
