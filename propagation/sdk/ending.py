"""Let a process send its last spans however it ends: by itself, by SIGTERM, as a forked child.

`at_end(stop)` has *stop* called once when the interpreter exits, when a child of `multiprocessing`
finishes, and when SIGTERM comes while nobody else listens to it. *stop* must be bounded: nothing
here waits by itself. A process that SIGTERM ended still counts as ended by it. SIGKILL, `os._exit`
and a C call that never returns to Python leave nothing to do.
"""

from __future__ import annotations

import atexit
import os
import signal
from multiprocessing import util
from threading import current_thread, main_thread
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_BEFORE_QUEUES_END: Final = 10
"""A priority of multiprocessing's own finalisers; its queues are joined after it."""


class AtEnd:
    """Calls *stop* at the end of the process, until it is taken back."""

    def __init__(self, stop: Callable[[], Any]) -> None:
        self._stop = stop
        self._listens = False
        atexit.register(stop)
        # A child forgets its parent's finalisers and then runs what is registered here.
        util.register_after_fork(self, AtEnd._finish_with_child)
        if _is_main() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, self._terminated)
            self._listens = True

    def take_back(self) -> None:
        """Leave the process's end alone again."""
        atexit.unregister(self._stop)
        self._stop = _nothing
        if self._listens and _is_main() and signal.getsignal(signal.SIGTERM) == self._terminated:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _finish_with_child(self) -> None:
        util.Finalize(self, self._stop, exitpriority=_BEFORE_QUEUES_END)

    def _terminated(self, signum: int, _frame: object) -> None:
        try:
            self._stop()
        finally:
            # Again, and for good: the parent sees what ended the process.
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)


def _nothing() -> None:
    """Stand in for what was taken back."""


def _is_main() -> bool:
    return current_thread() is main_thread()
