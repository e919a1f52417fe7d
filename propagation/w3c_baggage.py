"""W3C baggage: header text to members and back, with their properties. Pure.

What comes in is text somebody else wrote, or values the application set. What goes out keeps the
specification's grammar and limits; a member is passed on whole or not at all. Nothing here raises
because of what a header says.

Source: https://www.w3.org/TR/baggage/; section names are quoted where a rule comes from one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

from opentelemetry import baggage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Self

    from opentelemetry.context import Context

BAGGAGE: Final = "baggage"

BAGGAGE_MAX_MEMBERS: Final = 64
BAGGAGE_MAX_BYTES: Final = 8192

_OWS: Final = " \t"
_BAGGAGE_KEY: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BAGGAGE_VALUE: Final = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")
# All that may stand unquoted, but for the plus sign: some readers take that for a blank.
_BAGGAGE_UNQUOTED: Final = "!#$&'()*-./:<=>?@[]^_`{|}~"


class BaggageValue(str):
    """Hold the value of a baggage member and the *properties* that stood behind it.

    It is the value's text in every way; OpenTelemetry's baggage has no other place for properties.
    One is (key, value), or (key, None) where it is a key alone. A new value has none.
    """

    __slots__ = ("properties",)
    properties: tuple[tuple[str, str | None], ...]

    def __new__(cls, text: str, properties: Iterable[tuple[str, str | None]] = ()) -> Self:
        """Make the value *text* with *properties*, both decoded."""
        value = super().__new__(cls, text)
        value.properties = tuple(properties)
        return value


def parse_baggage(texts: Sequence[str]) -> dict[str, str]:
    """Read the ``baggage`` headers of one message; a malformed member is left out.

    Values are percent-decoded; one with properties is a `BaggageValue`. Of a key that occurs twice
    the last stays. What exceeds 64 members or 8192 bytes is left out, from the end.
    """
    members: dict[str, str] = {}
    budget = BAGGAGE_MAX_BYTES
    for text in ",".join(texts).split(","):
        budget -= len(text) + 1
        if budget < -1 or len(members) == BAGGAGE_MAX_MEMBERS:
            break
        if (member := _member(text)) is not None:
            members[member[0]] = member[1]
    return members


def format_baggage(members: Mapping[str, object]) -> str:
    """Write a ``baggage`` header; empty text when there is nothing that may be written.

    Values are written as text and percent-encoded, with the properties of a `BaggageValue`. A key
    that is no token is left out, and so is what would exceed 64 members or 8192 bytes.
    """
    written: list[str] = []
    budget = BAGGAGE_MAX_BYTES + 1
    for key, value in members.items():
        if not _BAGGAGE_KEY.fullmatch(key):
            continue
        member = f"{key}={_quoted(str(value))}"
        if isinstance(value, BaggageValue):
            member += "".join(_written_property(*pair) for pair in value.properties)
        if len(member) + 1 <= budget and len(written) < BAGGAGE_MAX_MEMBERS:
            written.append(member)
            budget -= len(member) + 1
    return ",".join(written)


def baggage_into(context: Context, members: Mapping[str, str]) -> Context:
    """Give *context* with *members* in its baggage, beside what it already holds."""
    for key, value in members.items():
        context = baggage.set_baggage(key, value, context)
    return context


def _member(text: str) -> tuple[str, str] | None:
    """Read one member, all of it or nothing: without one of its properties it would be another."""
    first, *rest = text.split(";")
    pair = _pair(first)
    properties = [_pair(part) for part in rest if part.strip(_OWS)]
    read = [one for one in properties if one is not None]
    if pair is None or pair[1] is None or len(read) < len(properties):
        return None
    return pair[0], BaggageValue(pair[1], read) if read else pair[1]


def _pair(text: str) -> tuple[str, str | None] | None:
    """Read ``key``, or ``key=value`` with the value decoded; None where it breaks the grammar."""
    key, equals, value = text.partition("=")
    key, value = key.strip(_OWS), value.strip(_OWS)
    if not _BAGGAGE_KEY.fullmatch(key) or not _BAGGAGE_VALUE.fullmatch(value):
        return None
    return key, unquote(value, errors="replace") if equals else None


def _quoted(text: str) -> str:
    return quote(text, safe=_BAGGAGE_UNQUOTED, errors="replace")


def _written_property(key: str, value: str | None) -> str:
    if not _BAGGAGE_KEY.fullmatch(key):
        return ""
    return f";{key}" if value is None else f";{key}={_quoted(value)}"
