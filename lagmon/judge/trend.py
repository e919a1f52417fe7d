"""The lags of one partition over a window of time, in little room: lowest and highest by cell.

In: one lag a cycle. Out: whether it rises, falls or neither over the window. A cell holds the
lowest and the highest of so many samples in a row; when there are `CELLS`, two become one, and a
cell holds twice as many from then on. So the window is covered by the last 15 to 30 cells however
long it is, and the first minutes are kept one by one. No clock here.
"""

from __future__ import annotations

from array import array
from enum import Enum, auto

CELLS = 30
_ITEMS = 3  # of a cell: when it ended, its lowest lag, its highest
THIRDS = 3


class Trend(Enum):
    """Where the lag goes."""

    RISING = auto()
    FALLING = auto()
    NEITHER = auto()


class LagWindow:
    """Remembers lags; `add` one a cycle."""

    __slots__ = ("_cells", "_held", "_highest", "_lowest", "_stride", "_trend")

    def __init__(self) -> None:
        self._cells = array("d")
        self._stride = 1
        self._held = 0  # samples in the cell that is not full yet
        self._lowest = self._highest = 0
        self._trend: Trend | None = Trend.NEITHER

    def add(self, at: float, lag: int, window: float) -> None:
        """Take in the *lag* as of *at*, and forget what is older than *window* (seconds)."""
        if not self._held:
            self._lowest = self._highest = lag
        elif lag < self._lowest:
            self._lowest = lag
        elif lag > self._highest:
            self._highest = lag
        self._held += 1
        if self._held >= self._stride:
            self._close(at, window)

    @property
    def trend(self) -> Trend:
        """Compare the newest third of the window with the oldest.

        It rises when the lowest lag of the newest is above the highest of the oldest.
        """
        if self._trend is None:
            self._trend = self._compare()
        return self._trend

    def _close(self, at: float, window: float) -> None:
        cells = self._cells
        cells.extend((at, self._lowest, self._highest))
        self._held = 0
        self._trend = None
        while at - cells[0] > window:
            del cells[:_ITEMS]
        if len(cells) >= CELLS * _ITEMS:
            self._cells = _merged(cells)
            self._stride *= 2

    def _compare(self) -> Trend:
        cells = self._cells
        third = len(cells) // _ITEMS // THIRDS
        if not third:
            return Trend.NEITHER
        # The two cells at the ends say it for most that neither rise nor fall.
        if cells[-2] > cells[2]:
            newest, oldest = cells[1 - third * _ITEMS :: _ITEMS], cells[2 : third * _ITEMS : _ITEMS]
            return Trend.RISING if min(newest) > max(oldest) else Trend.NEITHER
        if cells[-1] < cells[1]:
            newest, oldest = cells[2 - third * _ITEMS :: _ITEMS], cells[1 : third * _ITEMS : _ITEMS]
            return Trend.FALLING if max(newest) < min(oldest) else Trend.NEITHER
        return Trend.NEITHER


def _merged(cells: array[float]) -> array[float]:
    ends, lows, highs = cells[::_ITEMS], cells[1::_ITEMS], cells[2::_ITEMS]
    merged = array("d")
    for one in range(0, len(ends) - 1, 2):
        other = one + 1
        merged.extend((ends[other], min(lows[one], lows[other]), max(highs[one], highs[other])))
    return merged
