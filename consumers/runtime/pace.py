"""How many records a lane is handed at once: as many as it gets done in a moment. Pure.

To hand a record to another thread and hear of it costs some 30 µs, three times what a quick
handler takes. So quick handlers get several records at a time, and slow ones get one, as if there
were no such thing.
"""

from __future__ import annotations

from typing import Final

# So long may a run take that another lane could have helped with, or that a stop waits behind.
RUN_SECONDS: Final = 0.002
RUN_RECORDS: Final = 256


class Pace:
    """The size of the next run, in *records*; it starts at one and follows what runs took."""

    __slots__ = ("records",)

    def __init__(self) -> None:
        self.records = 1

    def took(self, records: int, seconds: float) -> None:
        """Learn that a run of *records* took *seconds*."""
        if seconds > RUN_SECONDS:
            self.records = max(1, int(records * RUN_SECONDS / seconds))
        elif records >= self.records and seconds < RUN_SECONDS / 2:
            self.records = min(2 * self.records, RUN_RECORDS)

    def stalled(self) -> None:
        """Learn that a run takes so long that it was cut short."""
        self.records = 1
