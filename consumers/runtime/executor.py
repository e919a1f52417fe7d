"""A thread that runs one try at a time, so that the thread that polls never waits for a handler.

A handler that hangs cannot be ended from outside. It keeps its thread, which is a daemon and does
not keep the process from ending.
"""

from __future__ import annotations

import queue
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.types import Attempt, Ended


class ThreadExecutor:
    """Runs *tries* in one thread. See `consumers.ports.Executor`; used from one other thread."""

    def __init__(self, tries: Callable[[Attempt], Ended]) -> None:
        self._tries = tries
        self._inbox: queue.SimpleQueue[Attempt | None] = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue[Ended] = queue.SimpleQueue()
        self._busy = False
        threading.Thread(target=self._run, name="handler", daemon=True).start()

    @property
    def busy(self) -> bool:
        """Say whether a try was started whose end was not yet taken."""
        return self._busy

    def start(self, attempt: Attempt) -> None:
        """Begin a try of *attempt*."""
        self._busy = True
        self._inbox.put(attempt)

    def wait(self, timeout_seconds: float) -> Ended | None:
        """Give the end of the try, or ``None`` if it is still in work when the time is up."""
        with suppress(queue.Empty):
            ended = self._outbox.get(timeout=max(timeout_seconds, 0))
            self._busy = False
            return ended
        return None

    def close(self) -> None:
        """Let the thread end once it is idle."""
        self._inbox.put(None)

    def _run(self) -> None:
        while (attempt := self._inbox.get()) is not None:
            self._outbox.put(self._tries(attempt))
