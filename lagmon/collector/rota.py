"""Choose which of many things to ask again in a cycle, so that each is asked within a time. Pure.

Comes in: their names and the time. Goes out: those whose turn it is. Turns are spread by name: what
was first seen in one cycle does not come due in one cycle.
"""

from __future__ import annotations

import heapq
import math
import sys
from typing import TYPE_CHECKING, Generic, TypeVar
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterable

K = TypeVar("K", bound="Hashable")

HASTE = 2  # times the even pace: what was missed is caught up with, over some cycles


class Rota(Generic[K]):
    """Gives each thing a turn every *period_seconds*, at most `HASTE` times the even pace a cycle.

    *at_least* are asked in any case, if there are that many: a small set is always fresh. Of those
    asked before no more than *at_most* are asked: a very large set takes longer than a period.
    """

    def __init__(
        self, period_seconds: float, *, at_least: int = 0, at_most: int = sys.maxsize
    ) -> None:
        self._period = period_seconds
        self._at_least = at_least
        self._at_most = at_most
        self._due: dict[K, float] = {}
        self._turned: float | None = None

    def due(self, names: Collection[K], now: float) -> set[K]:
        """Choose of *names*: all that were never asked, and the longest due of the others.

        To be called once a cycle.
        """
        elapsed = self._period if self._turned is None else max(0.0, now - self._turned)
        self._turned = now
        new = {name for name in names if name not in self._due}
        old = [name for name in names if name in self._due]
        late = sum(self._due[name] <= now for name in old)
        pace = math.ceil(HASTE * len(old) * elapsed / self._period)
        count = max(self._at_least - len(new), min(late, pace, self._at_most))
        return new.union(heapq.nsmallest(max(0, count), old, key=self._due.__getitem__))

    def asked(self, names: Iterable[K], now: float) -> None:
        """Take note that *names* have been answered for."""
        for name in names:
            first = name not in self._due
            self._due[name] = now + self._period * (_share(name) if first else 1.0)

    def forget(self, names: Iterable[K]) -> None:
        """Have *names* asked as if for the first time."""
        for name in names:
            self._due.pop(name, None)

    def keep(self, names: Collection[K]) -> None:
        """Forget all but *names*."""
        self.forget(self._due.keys() - set(names))


def _share(name: object) -> float:
    """Give a number from 0 to 1 that *name* always has."""
    return crc32(str(name).encode("utf-8", "surrogatepass")) / 0xFFFFFFFF
