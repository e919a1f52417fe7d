"""Ask a slow question often: the answer is kept for a moment, and nobody waits long for it.

A readiness check calls a broker or a database. `Cached` puts it behind a probe that is called by
anybody, as often as they like: one question at a time, an old answer while it is fresh, and a
reason of its own when no answer comes.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FRESH_SECONDS = 2.0
PATIENCE_SECONDS = 1.0


class Cached:
    """A check that asks *check* at most once in *fresh_seconds*, and waits *patience_seconds*.

    *check* gives ``None`` or a reason, as `consumers.serving.health` wants it. One that raises or
    hangs counts as failed; a hanging one is not asked again before it has answered.
    """

    def __init__(
        self,
        check: Callable[[], str | None],
        *,
        fresh_seconds: float = FRESH_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._check = check
        self._fresh_seconds = fresh_seconds
        self._patience_seconds = patience_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._asked: threading.Event | None = None
        self._answer: str | None = None
        self._stale_at: float | None = None

    def __call__(self) -> str | None:
        """Give the answer, an old one if it is fresh enough."""
        asked = self._ask_if_stale()
        if asked is not None and not asked.wait(self._patience_seconds):
            return f"no answer within {self._patience_seconds:g} s"
        with self._lock:
            return self._answer

    def _ask_if_stale(self) -> threading.Event | None:
        with self._lock:
            stale = self._stale_at is None or self._clock() >= self._stale_at
            if self._asked is None and stale:
                self._asked = threading.Event()
                # A daemon, so that a question that hangs does not keep the process from ending.
                threading.Thread(target=self._ask, args=(self._asked,), daemon=True).start()
            return self._asked

    def _ask(self, asked: threading.Event) -> None:
        answer: str | None = "the check did not end"
        try:
            answer = self._check()
        finally:
            with self._lock:
                self._answer, self._asked = answer, None
                self._stale_at = self._clock() + self._fresh_seconds
            asked.set()
