"""How fast one player may play, with a memory that no crowd of made-up players can fill.

The decision is the library's (``limits``, fixed window: so many in the window that begins with a
player's first request). Its own storage in memory forgets with a timer thread that walks over
every key; `Windows` stands in its place: bounded, without a thread, and by a clock that is never
set back.

The limit is this process's: with three replicas a player has it three times.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from limits import parse
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_PLAYERS = 50_000  # about 20 MB


class PlayerLimit:
    """At most *rate* requests of one player, such as ``20/second``. Not safe from many threads.

    *players* are remembered at most. When more play in one window, those whose window ends first
    are forgotten and begin anew: the memory is bounded, not who may play.
    """

    def __init__(
        self,
        rate: str,
        *,
        players: int = MAX_PLAYERS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = parse(rate)
        self._clock = clock
        self._limiter = FixedWindowRateLimiter(Windows(players, clock))

    def take(self, player_id: str) -> int:
        """Count a request of *player_id*: 0 if it may go on, else the whole seconds to wait."""
        if self._limiter.hit(self._rate, player_id):
            return 0
        ends_at = self._limiter.get_window_stats(self._rate, player_id).reset_time
        return max(1, math.ceil(ends_at - self._clock()))


class Windows(Storage):
    """A storage for fixed windows: at most *most* of them, by *clock* in seconds.

    All windows are equally long, so the one that was begun first is also the first to end: what is
    over stands at the front.
    """

    STORAGE_SCHEME = None

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        super().__init__()
        self._most = most
        self._clock = clock
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        """Give how many windows are kept."""
        return len(self._windows)

    @property
    def base_exceptions(self) -> type[Exception]:
        """Say what a failing backend raises: there is none here."""
        return OSError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count *amount* in the window of *key*, or begin one of *expiry* seconds."""
        self._forget()
        ends_at, count = self._windows.get(key, (self._clock() + expiry, 0))
        if not count and len(self._windows) >= self._most:
            self._windows.popitem(last=False)
        self._windows[key] = (ends_at, count + amount)
        return count + amount

    def get(self, key: str) -> int:
        """Give what was counted in the window of *key*."""
        self._forget()
        return self._windows.get(key, (0.0, 0))[1]

    def get_expiry(self, key: str) -> float:
        """Give when the window of *key* ends, by the clock; now if there is none."""
        return self._windows.get(key, (self._clock(), 0))[0]

    def check(self) -> bool:
        """Say that it works."""
        return True

    def reset(self) -> int:
        """Forget everything; give how much that was."""
        forgotten = len(self._windows)
        self._windows.clear()
        return forgotten

    def clear(self, key: str) -> None:
        """Forget the window of *key*."""
        self._windows.pop(key, None)

    def _forget(self) -> None:
        now = self._clock()
        while self._windows and next(iter(self._windows.values()))[0] <= now:
            self._windows.popitem(last=False)
