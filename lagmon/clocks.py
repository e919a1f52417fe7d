"""The time, as the machine tells it, and waiting for it to pass.

Two clocks: `now` is for people and may be set; `elapsed` is for what has to be over in time, and
nobody sets it. It is the same in every process of the machine, and goes on while the machine
sleeps, where the system has such a clock.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

BOOT_TIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)


class Clock(Protocol):
    """The time, and waiting for it to pass."""

    def now(self) -> float:
        """Give the time in seconds since the epoch."""

    def elapsed(self) -> float:
        """Give seconds since some moment, which no setting of the clock moves."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


def elapsed() -> float:
    """Give seconds since some moment, the same for every process."""
    return time.monotonic() if BOOT_TIME is None else time.clock_gettime(BOOT_TIME)


class SystemClock:
    """The clock of the machine."""

    now = staticmethod(time.time)
    elapsed = staticmethod(elapsed)
    sleep = staticmethod(asyncio.sleep)
