"""Read a decoded JSON object field by field, with the path of whatever is not as it must be.

Comes in: any decoded JSON value. Goes out: fields of the type that was asked for, or
`RecordingError` such as ``groups.settle.members: wants a whole number, got 'two'``. Pure.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from lagmon.errors import RecordingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from enum import StrEnum

    E = TypeVar("E", bound=StrEnum)
    V = TypeVar("V")
    N = TypeVar("N", int, float)
    Range = tuple[int, int]

SHOWN = 40  # characters of a wrong value in an error; more would only hide the path
# From the lowest to the highest that are taken; a time is in seconds and has four digits of a year.
TIMES = (0, 253_402_300_799)
AMOUNTS = (0, 2**63 - 1)  # offsets and what is counted in them, and seconds that passed
PARTITIONS = (0, 2**31 - 1)
# What strangers wrote, and Kafka hands on as it is: the times of records, and what a member of a
# classic group says that it owns.
RECORD_TIMES = (-(10**16), 10**16)  # of 64 bits in milliseconds, which end a little below
CLAIMED = (-(2**31), 2**31 - 1)
PARTITION = re.compile(r"0|[1-9]\d{0,9}", re.ASCII)  # "00" would be "0" once more
MISSING: Any = object()


class Fields:
    """The fields of one JSON object; *path* is where it stands in its line, empty at the top.

    ``maybe_…`` gives None where the field is null or missing; the others want it there. *within*
    is the lowest number that is taken and the highest. Iterating gives the keys.
    """

    __slots__ = ("_path", "_values")

    def __init__(self, values: Mapping[str, Any], path: str = "") -> None:
        self._values = values
        self._path = path

    @classmethod
    def of(cls, value: object, path: str = "") -> Fields:
        """Take *value* for an object, or raise."""
        if not isinstance(value, dict):
            raise RecordingError(f"{path or 'the line'}: wants an object, got {_shown(value)}")
        return cls(value, path)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def is_object(self, key: str) -> bool:
        """Tell whether *key* holds an object."""
        return isinstance(self._values.get(key), dict)

    def below(self, key: str, *, default: Mapping[str, Any] = MISSING) -> Fields:
        """Give the object at *key*."""
        value = self._values.get(key, default)
        return self.of(None if value is MISSING else value, self._at(key))

    def maybe_below(self, key: str) -> Fields | None:
        """Give the object at *key*, or None."""
        return None if self._values.get(key) is None else self.below(key)

    def each(self, key: str) -> list[Fields]:
        """Give the objects of the list at *key*; none where it is missing."""
        return [
            self.of(value, f"{self._at(key)}[{number}]")
            for number, value in enumerate(self._list(key))
        ]

    def text(self, key: str) -> str:
        """Give the text at *key*."""
        return self._wanted(key, self.maybe_text(key), "text")

    def maybe_text(self, key: str) -> str | None:
        """Give the text at *key*, or None."""
        value = self._values.get(key)
        return value if value is None or isinstance(value, str) else self._refuse(key, "text")

    def texts(self, key: str) -> tuple[str, ...]:
        """Give the texts of the list at *key*."""
        values = self._list(key)
        return tuple(v if isinstance(v, str) else self._refuse(key, "texts") for v in values)

    def whole(self, key: str, within: Range | None = None) -> int:
        """Give the whole number at *key*."""
        return self._wanted(key, self.maybe_whole(key, within), "a whole number")

    def maybe_whole(self, key: str, within: Range | None = None) -> int | None:
        """Give the whole number at *key*, or None."""
        value = self._values.get(key)
        if value is None:
            return None
        number: int = value if _whole(value) else self._refuse(key, "a whole number")
        return self._inside(key, number, within)

    def wholes(self, key: str, within: Range | None = None) -> tuple[int, ...]:
        """Give the whole numbers of the list at *key*."""
        values = self._list(key)
        known = (v if _whole(v) else self._refuse(key, "whole numbers") for v in values)
        return tuple(self._inside(key, v, within) for v in known)

    def number(self, key: str, within: Range | None = None) -> float:
        """Give the number at *key*."""
        return self._wanted(key, self.maybe_number(key, within), "a number")

    def maybe_number(self, key: str, within: Range | None = None) -> float | None:
        """Give the number at *key*, or None. NaN and the infinities are none."""
        value = self._values.get(key)
        if value is None:
            return None
        number = float(value) if _finite(value) else self._refuse(key, "a number")
        return self._inside(key, number, within)

    def maybe_truth(self, key: str) -> bool | None:
        """Give the true or false at *key*, or None."""
        value = self._values.get(key)
        known = value is None or isinstance(value, bool)
        return value if known else self._refuse(key, "true or false")

    def choice(self, key: str, words: type[E], *, default: E | None = None) -> E:
        """Give the one of *words* at *key*, which has to be there without a *default*."""
        value = self._values.get(key, default)
        known = [word for word in words if word.value == value]
        return known[0] if known else self._refuse(key, f"one of {', '.join(words)}")

    def partition(self, key: str) -> int:
        """Read *key* itself as the number of a partition."""
        if not PARTITION.fullmatch(key) or int(key) > PARTITIONS[1]:
            raise RecordingError(f"{self._at(key)}: {_shown(key)} is no partition number")
        return int(key)

    def _list(self, key: str) -> list[Any]:
        value = self._values.get(key, [])
        return value if isinstance(value, list) else self._refuse(key, "a list")

    def _inside(self, key: str, value: N, within: Range | None) -> N:
        if within is None or within[0] <= value <= within[1]:
            return value
        return self._refuse(key, f"a number from {within[0]} to {within[1]}")

    def _wanted(self, key: str, value: V | None, what: str) -> V:
        return self._refuse(key, what) if value is None else value

    def _refuse(self, key: str, what: str) -> NoReturn:
        got = _shown(self._values[key]) if key in self._values else "nothing"
        raise RecordingError(f"{self._at(key)}: wants {what}, got {got}")

    def _at(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _finite(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond every float
        return False


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
