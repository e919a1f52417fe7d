"""Write fields of protocol buffers, and OTLP's attributes as such fields.

In: texts, numbers, and mappings of attributes. Out: bytes, as protobuf's own encoder orders them
(protobuf.dev, "Encoding"; opentelemetry-proto 1.x, `common/v1`). A lone surrogate in a text becomes
a question mark. An attribute that OTLP has no type for is left out, and said once for its key.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

_SHORT, _KEYS, _VALUES = 64, 256, 64
"""What is kept in encoded form: texts up to a length, for that many keys, of each that many."""

_ONE_BYTE, _TWO_BYTES, _THREE_BYTES = 1 << 7, 1 << 14, 1 << 21
"""From where on a number needs one byte more."""

_DOUBLE, _DOUBLE_BYTES = 0, 8
"""Among the lengths of whole numbers, which take a byte at least, the one that says: a double."""

_READY: Final = tuple(
    bytes((number,)) if number < _ONE_BYTE else bytes((number & 0x7F | 0x80, number >> 7))
    for number in range(1 << 10)
)
"""The encoded numbers that are asked for most: lengths, and small ones."""

_MIN_INTEGER, _MAX_INTEGER = -(1 << 63), (1 << 63) - 1

_double = struct.Struct("<d").pack

_log = logging.getLogger(__name__)


class Attributes:
    """Encodes attributes as the field *tag*, and keeps what comes again and again.

    Texts are kept up to a number for each key: those of a key that is different in each message
    fill their share and no more. Races between threads cost work done twice, nothing else.
    """

    __slots__ = ("_heads", "_kept", "_tag")

    def __init__(self, tag: bytes) -> None:
        self._tag = tag
        self._kept: dict[str, dict[str, bytes]] = {}
        # What comes before a number, by its key and how many bytes it takes.
        self._heads: dict[tuple[str, int], bytes] = {}

    def add(self, parts: list[bytes], attributes: Any) -> None:
        """Add a part for each of *attributes*."""
        if attributes is None:
            return
        # The SDK's mappings copy fast and iterate slowly.
        copied = getattr(attributes, "copy", None)
        kept, heads = self._kept, self._heads
        for key, value in (copied() if copied else attributes).items():
            kind = type(value)
            try:
                if kind is str:
                    parts.append(kept[key][value])
                    continue
                if kind is float:
                    parts += heads[key, _DOUBLE], _double(value)
                    continue
                if kind is int and value >= 0:
                    number = varint(value)
                    parts += heads[key, len(number)], number
                    continue
            except KeyError:  # the first of its kind
                pass
            try:
                parts.append(self._encoded(key, value))
            except Exception as error:  # noqa: BLE001 - one attribute must not cost the batch
                _say_left_out(str(key), repr(error))

    def _encoded(self, key: str, value: Any) -> bytes:
        """Encode one attribute; keep a text, or what comes before a number, while there is room."""
        encoded = _attribute(self._tag, key, _any_value(value))
        kind = type(value)
        if kind is float or (kind is int and value >= 0):
            size = _DOUBLE if kind is float else len(varint(value))
            if len(self._heads) < _KEYS:
                self._heads[key, size] = encoded[: -(size or _DOUBLE_BYTES)]
        elif kind is str and len(value) <= _SHORT:
            if key not in self._kept and len(self._kept) < _KEYS:
                self._kept[key] = {}
            kept = self._kept.get(key)
            if kept is not None and len(kept) < _VALUES:
                kept[value] = encoded
        return encoded


def _attribute(tag: bytes, key: str, value: bytes) -> bytes:
    """Encode a KeyValue, of a *value* that is an AnyValue already, as the field *tag*."""
    name, size = _key(key), len(value)
    whole = len(name) + 1 + size
    if whole < _ONE_BYTE:
        return b"%b%c%b%c%b" % (tag, whole, name, size, value)
    return part(tag, name + varint(size) + value)


@lru_cache(maxsize=1024)
def _key(key: str) -> bytes:
    """Encode a key, up to where the length of its value comes."""
    return text(b"\x0a", key) + b"\x12"


def _any_value(value: Any) -> bytes:
    """Encode *value* as an AnyValue; of several types that fit, the first one counts."""
    encoder = _ENCODERS.get(type(value))
    if encoder is None:
        encoder = next((e for kind, e in _ENCODERS.items() if isinstance(value, kind)), None)
    if encoder is None:
        raise TypeError(f"OTLP has no type for {type(value).__name__}")
    return encoder(value)


def _string(value: str) -> bytes:
    data = value.encode(errors="replace")
    size = len(data)
    return b"\x0a%c%b" % (size, data) if size < _ONE_BYTE else part(b"\x0a", data)


def _integer(value: int) -> bytes:
    if not _MIN_INTEGER <= value <= _MAX_INTEGER:
        raise OverflowError("the integer needs more than 64 bits")
    return b"\x18" + varint(value & 0xFFFF_FFFF_FFFF_FFFF)


def _array(values: Sequence[Any]) -> bytes:
    return part(b"\x2a", b"".join(part(b"\x0a", _any_value(value)) for value in values))


def _key_values(values: Mapping[Any, Any]) -> bytes:
    pairs = (_attribute(b"\x0a", str(key), _any_value(value)) for key, value in values.items())
    return part(b"\x32", b"".join(pairs))


_ENCODERS: Final[dict[type, Callable[[Any], bytes]]] = {
    bool: lambda value: b"\x10\x01" if value else b"\x10\x00",
    str: _string,
    int: _integer,
    float: lambda value: b"\x21" + _double(value),
    bytes: lambda value: part(b"\x3a", value),
    Sequence: _array,
    Mapping: _key_values,
    type(None): lambda _: b"",
}
"""Each type that OTLP has, in the order in which a value of several types is taken for one."""


@lru_cache(maxsize=256)
def _say_left_out(key: str, reason: str) -> None:
    """Log once, as long as it is remembered, that the attribute *key* is not exported."""
    _log.warning("attribute_not_exported", extra={"key": key, "reason": reason})


def text(tag: bytes, value: str | None) -> bytes:
    """Encode a string field; an empty one is left out, as protobuf does."""
    return part(tag, value.encode(errors="replace")) if value else b""


def part(tag: bytes, body: bytes) -> bytes:
    """Encode a field that has a length."""
    return b"%b%b%b" % (tag, varint(len(body)), body)


def varint(number: int) -> bytes:
    """Encode an unsigned number of up to 64 bits, seven bits a byte, the lowest first."""
    if number < len(_READY):
        return _READY[number]
    if number < _TWO_BYTES:
        return bytes((number & 0x7F | 0x80, number >> 7))
    if number < _THREE_BYTES:
        return bytes((number & 0x7F | 0x80, number >> 7 & 0x7F | 0x80, number >> 14))
    return bytes((number & 0x7F | 0x80, number >> 7 & 0x7F | 0x80)) + varint(number >> 14)
