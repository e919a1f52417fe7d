"""Kafka headers in every shape that confluent-kafka takes and gives: read some, replace some. Pure.

What a caller hands to ``produce`` is a dict, or a list of (key, value) tuples, or nothing. What a
message gives is a list of (str, bytes or None), or nothing. `replaced` is strict, because the
client library is: it refuses the same shapes with the same words. `found` is lenient, because its
headers come from strangers: it skips what it does not understand and never raises. The caller's
own list or dict is never changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

Headers: TypeAlias = "list[tuple[str, bytes | None]]"

NO_NAMES: Final[frozenset[str]] = frozenset()


def replaced(
    headers: object, names: frozenset[str], ours: Iterable[tuple[str, bytes]] = ()
) -> Headers:
    """Copy *headers* without those in *names* (lower case, matched in any case), then add *ours*.

    Order and duplicates of the others stay; text becomes UTF-8.

    Raises:
        TypeError: *headers* is of a shape that ``confluent_kafka.Producer.produce`` refuses.
        UnicodeEncodeError: a key or value holds a lone surrogate. (In a key that ends the process
            inside the client library, so it must not get there.)
    """
    if headers is None:
        return list(ours)
    kept: Headers = []
    for pair in _pairs(headers):
        if not isinstance(pair, tuple) or len(pair) != 2:  # noqa: PLR2004  # a pair is two
            raise TypeError("Headers are expected to be a list of (key, value) tuples")
        name = _written_name(pair[0])
        value = _written_value(pair[1])
        if name.lower() not in names:
            kept.append((name, value))
    kept.extend(ours)
    return kept


def found(headers: object, names: frozenset[str] | None) -> list[tuple[str, str]]:
    """List name (lower case) and text of the *headers* called as in *names*, in their order.

    Without *names* (None) it lists all. What is not UTF-8 is read with replacement characters,
    which no trace header allows; a missing value is read as empty text.
    """
    if not isinstance(headers, list | tuple | dict):
        return []
    texts: list[tuple[str, str]] = []
    for pair in headers.items() if isinstance(headers, dict) else headers:
        if not isinstance(pair, tuple) or len(pair) != 2:  # noqa: PLR2004  # a pair is two
            continue
        name, value = pair
        if not isinstance(name, str):
            continue
        name = name.lower()
        if names is None or name in names:
            texts.append((name, _read_value(value)))
    return texts


def _pairs(headers: object) -> Iterable[object]:
    if isinstance(headers, list):
        return headers
    if isinstance(headers, dict):
        return headers.items()
    kind = type(headers).__name__
    raise TypeError(f"expected headers to be dict or list of (key, value) tuples, not {kind}")


def _written_name(key: object) -> str:
    """Name a header as the client library will: as text, cut at the first NUL."""
    name = str(key)
    name.encode()
    return name.partition("\0")[0]


def _written_value(value: object) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    kind = type(value).__name__
    raise TypeError(f"expected header value to be None, binary, or unicode string, not {kind}")


def _read_value(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value if isinstance(value, str) else ""
