"""How many records may be given up before the fault is not theirs: then the worker stops.

Without a limit one bad release, or a schema that changed, would empty a whole topic into the
dead-letter queue at full speed. `Limit.refuses` is asked before a dead letter is sent; a reason
means that the record stays where it is and the worker stops with `Fatal`. `Limit.settled` is told
of every record that is finished, well or not.

Records are counted as they finish, over all partitions, in memory: a worker that starts anew counts
from nothing. The tail of the dead-letter topic could not be counted instead: the good records
between two letters are not in there, so that the letters of a quiet year would look like a row, and
a worker whose cause was mended would not start. Of several lanes each may ask before the others
have told, so that up to one letter a lane can pass above the limit. No I/O here, and no clock; any
thread may call.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

OF_LAST: Final = 1000  # finished records that the ratio is of


class Limit:
    """Allow *consecutive* dead letters in a row, and *ratio* of the last *of_last* records.

    Records that have not come yet count as good: a worker that has just started is not stopped by
    the ratio before as many were given up as would be too many of *of_last*. With *ratio* 1 only
    the row counts.
    """

    __slots__ = ("_allowed", "_consecutive", "_dead", "_last", "_lock", "_of_last", "_row")

    def __init__(self, consecutive: int, ratio: float, of_last: int = OF_LAST) -> None:
        self._consecutive, self._allowed, self._of_last = consecutive, ratio * of_last, of_last
        self._row = self._dead = 0
        self._last: deque[bool] = deque(maxlen=of_last)
        self._lock = threading.Lock()

    def refuses(self) -> str | None:
        """Say why one more dead letter is too many, or ``None`` if it may be sent."""
        with self._lock:
            row, dead = self._row, self._dead + 1 - self._leaving()
        if row >= self._consecutive:
            return (
                f"{row} records in a row were given up, as many as dlq_limit_consecutive allows: "
                "find out what they have in common before more are"
            )
        if dead > self._allowed:
            return (
                f"{dead} of the last {self._of_last} records would be given up, more than "
                "dlq_limit_ratio allows: find out what they have in common before more are"
            )
        return None

    def settled(self, *, dead: bool) -> None:
        """Count a record that is finished: handled, or, if *dead*, kept as a dead letter."""
        if not dead and not self._dead:
            return  # those that have not come count as good: one more changes nothing
        with self._lock:
            self._dead += dead - self._leaving()
            self._last.append(dead)
            self._row = self._row + 1 if dead else 0

    def _leaving(self) -> bool:
        """Say whether the record that the next one pushes out was given up."""
        return len(self._last) == self._of_last and self._last[0]
