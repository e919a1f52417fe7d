"""Threads that each make a run of attempts at a time, so that who polls never waits for a handler.

A handler that hangs cannot be ended from outside. It keeps its thread, which is a daemon and does
not keep the process from ending. `Work` is what one lane does with a run.
"""

from __future__ import annotations

import queue
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from consumers.types import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.types import Attempt, Ended, Run

    Work = Callable[[Run], None]


class OneByOne:
    """Makes the attempts of a run in order by *tries*, and ends it with one that does not finish.

    Reads the same *clock* as the loop, in seconds.
    """

    def __init__(
        self, tries: Callable[[Attempt], Ended], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tries, self._clock = tries, clock

    def __call__(self, run: Run) -> None:
        """Work on *run* until it has ended."""
        todo, ended, tries, clock = run.todo, run.ended, self._tries, self._clock
        began = clock()
        # The loop may take the last one back between the question and the answer.
        with suppress(IndexError):
            while todo:
                attempt = todo.popleft()
                run.since = clock()
                end = tries(attempt)
                ended.append(end)
                outcome = end.outcome
                if outcome is not Outcome.DONE and outcome is not Outcome.DEAD_LETTER:
                    break
        run.seconds = clock() - began


class ThreadExecutor:
    """Does *work* in as many threads as there are *lanes*.

    See `consumers.ports.Executor`; used from one other thread. *work* never raises.
    """

    def __init__(self, work: Work, lanes: int = 1) -> None:
        self._work, self._lanes = work, lanes
        self._inbox: queue.SimpleQueue[Run | None] = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue[Run] = queue.SimpleQueue()
        self._busy = 0
        for number in range(lanes):
            threading.Thread(target=self._run, name=f"handler-{number}", daemon=True).start()

    @property
    def free(self) -> int:
        """Count the lanes without a run."""
        return self._lanes - self._busy

    def start(self, run: Run) -> None:
        """Let a free lane begin with *run*."""
        self._busy += 1
        self._inbox.put(run)

    def wait(self, timeout_seconds: float) -> Run | None:
        """Give a run that has ended, or ``None`` if none has when the time is up."""
        with suppress(queue.Empty):
            run = self._outbox.get(timeout=max(timeout_seconds, 0))
            self._busy -= 1
            return run
        return None

    def close(self) -> None:
        """Let each thread end once it is idle."""
        for _ in range(self._lanes):
            self._inbox.put(None)

    def _run(self) -> None:
        while (run := self._inbox.get()) is not None:
            self._work(run)
            self._outbox.put(run)
