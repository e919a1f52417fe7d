"""Write the fields of a log event as one line of JSON, whatever the fields are.

In: a mapping of any objects. Out: one line of ASCII that every JSON parser reads. Bytes, lone
surrogates, NaN, circular and unprintable objects come out as the nearest plain value; nothing
raises and nothing breaks the line in two. No clock and no I/O here.
"""

from __future__ import annotations

import json
import math
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Any

STACK_CHARACTERS = 16_384
"""How much of a traceback is kept, counted from its end: the end names the error."""

EVENT_CHARACTERS = 1_000
"""How much of an event is kept: a library's message may repeat what a stranger has sent."""

quoted = encode_basestring_ascii
"""Write a text as a JSON string of ASCII."""

_DEPTH = 8
"""Deeper containers are written as text."""

_SMALL = 2**64
"""Integers below it are written without asking whether Python would."""

_INTEGER_BITS = 13_000
"""Python refuses to write integers of more than 4,300 digits."""


def encode(fields: Mapping[str, Any]) -> str:
    """Write *fields* as one line of JSON without a line end. Never raises."""
    try:
        line = _JSON.encode(fields)
    except Exception:  # noqa: BLE001 - a log call must not fail, whatever a __str__ raises
        line = _JSON.encode(plain(fields))
    return _paired(line) if "\\ud" in line else line


def member(key: str, value: Any) -> str:
    """Write *value* under *key* as one member of an object, with a comma before it. Never raises.

    A line that is put together of members, and `closed`, costs a fraction of `encode`.
    """
    kind = type(value)
    if kind is str:
        return f",{quoted(key)}:{quoted(value)}"
    if kind is int and -_SMALL < value < _SMALL:
        return f",{quoted(key)}:{value}"
    try:
        return f",{_written({key: value})[1:-1]}"
    except Exception:  # noqa: BLE001 - as in `encode`
        return f",{_JSON.encode({key: plain(value, 1)})[1:-1]}"


def closed(line: str) -> str:
    """Give the object that *line* begins: its members, all but its end. Never raises."""
    return _paired(f"{line}}}") if "\\ud" in line else f"{line}}}"


def shortened(event: str) -> str:
    """Give the beginning of *event*, with an ellipsis where something is left out."""
    return event if len(event) <= EVENT_CHARACTERS else f"{event[: EVENT_CHARACTERS - 1]}…"


def plain(value: Any, depth: int = 0) -> Any:
    """Give what JSON has for *value*: containers down to depth 8, text for anything unknown.

    A float that is no number becomes None, so that a field keeps one type in a log store.
    """
    if depth >= _DEPTH:
        return _scalar(value)
    try:
        if isinstance(value, Mapping):
            return {text(key): plain(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [plain(item, depth + 1) for item in value]
    except Exception:  # noqa: BLE001 - somebody else's container
        return text(value)
    return _scalar(value)


def text(value: Any) -> str:
    """Give the text of *value*, or its type's name where it has none. Never raises."""
    try:
        if isinstance(value, bytes | bytearray | memoryview):
            return bytes(value).decode("utf-8", "backslashreplace")
        return str(value)
    except Exception:  # noqa: BLE001 - somebody else's __str__
        return f"<{type(value).__name__} without text>"


def described(error: BaseException) -> dict[str, str]:
    """Describe *error* as {type, message, stack}; the stack includes causes and is capped."""
    kind = type(error)
    home = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return {
        "type": f"{home}{kind.__qualname__}",
        "message": text(error),
        "stack": _tail(traceback.format_exception(error)),
    }


def describe_error(fields: MutableMapping[str, Any]) -> None:
    """Make one field `error` in *fields* of an exception, however it was handed in."""
    raised = _exception(fields.pop("exc_info", None)) or _exception(fields.get("error"))
    if raised is not None:
        fields["error"] = described(raised)


def rfc3339(at_ns: int) -> str:
    """Write *at_ns*, nanoseconds since 1970, as RFC 3339 in UTC with microseconds and Z."""
    seconds, rest = divmod(at_ns, 1_000_000_000)
    return f"{_to_the_second(seconds)}.{rest // 1000:06d}Z"


@lru_cache(maxsize=1)
def _to_the_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _exception(given: Any) -> BaseException | None:
    match given:
        case BaseException():
            return given
        case True:
            return sys.exc_info()[1]
        case (_, BaseException() as raised, _):
            return raised
    return None


def _scalar(value: Any) -> Any:
    match value:
        case None | bool() | str():
            return value
        case int():
            bits = value.bit_length()
            return int(value) if bits < _INTEGER_BITS else f"<integer of {bits} bits>"
        case float():
            return float(value) if math.isfinite(value) else None
        case _:
            return text(value)


def _tail(parts: Iterable[str]) -> str:
    stack = "".join(parts)
    if len(stack) <= STACK_CHARACTERS:
        return stack
    return f"[{len(stack) - STACK_CHARACTERS} characters cut]\n{stack[-STACK_CHARACTERS:]}"


def _paired(line: str) -> str:
    """Replace lone surrogates: legal JSON to the letter, refused by jsonb and strict parsers."""
    raw = json.dumps(json.loads(line), ensure_ascii=False)
    whole = raw.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return _JSON.encode(json.loads(whole))


_JSON = json.JSONEncoder(allow_nan=False, separators=(",", ":"), default=plain)


def _writer() -> Callable[[Any], str]:
    """Give the standard library's C encoder with the settings of `_JSON`, made once.

    `JSONEncoder.encode` makes one at each call, which costs more than a line of the log.
    """
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return _JSON.encode
    write = make(None, plain, encode_basestring_ascii, None, ":", ",", False, False, False)
    return lambda value: "".join(write(value, 0))


_written = _writer()
