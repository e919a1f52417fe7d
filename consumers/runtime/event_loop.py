"""Lanes as tasks of one event loop, in a thread of its own: for handlers that are awaited.

A handler that blocks holds up every lane, but never the thread that polls. What is still in work
when the executor is closed is cancelled. What belongs to the event loop, such as the connections of
a handler, is opened in it before the first task and closed after the last one.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from concurrent.futures import Future
from contextlib import AsyncExitStack, nullcontext, suppress
from typing import TYPE_CHECKING

from consumers.types import Outcome

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from consumers.types import Attempt, Ended, Run

    AsyncWork = Callable[[Run], Awaitable[None]]


class AsyncOneByOne:
    """As `consumers.runtime.executor.OneByOne`, for tries that are awaited."""

    def __init__(
        self,
        tries: Callable[[Attempt], Awaitable[Ended]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tries, self._clock = tries, clock

    async def __call__(self, run: Run) -> None:
        """Work on *run* until it has ended."""
        began = self._clock()
        with suppress(IndexError):
            while run.todo:
                attempt = run.todo.popleft()
                run.since = self._clock()
                end = await self._tries(attempt)
                run.ended.append(end)
                if end.outcome not in (Outcome.DONE, Outcome.DEAD_LETTER):
                    break
        run.seconds = self._clock() - began


class LoopExecutor:
    """Does *work* in as many tasks as there are *lanes*. See `consumers.ports.Executor`.

    *work* raises only when its task is cancelled. *lifetime* is entered first: what that raises is
    raised by the constructor. It is left when every task has ended.
    """

    def __init__(
        self,
        work: AsyncWork,
        lanes: int = 1,
        lifetime: AbstractAsyncContextManager[object] | None = None,
    ) -> None:
        self._work, self._lanes = work, lanes
        self._outbox: queue.SimpleQueue[Run] = queue.SimpleQueue()
        self._busy = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._lifetime = nullcontext() if lifetime is None else lifetime
        opened: Future[None] = Future()
        threading.Thread(target=self._run, args=(opened,), name="handlers", daemon=True).start()
        opened.result()

    @property
    def free(self) -> int:
        """Count the lanes without a run."""
        return self._lanes - self._busy

    def start(self, run: Run) -> None:
        """Let a free lane begin with *run*."""
        self._busy += 1
        self._loop.call_soon_threadsafe(self._begin, run)

    def wait(self, timeout_seconds: float) -> Run | None:
        """Give a run that has ended, or ``None`` if none has when the time is up."""
        with suppress(queue.Empty):
            run = self._outbox.get(timeout=max(timeout_seconds, 0))
            self._busy -= 1
            return run
        return None

    def close(self) -> None:
        """Cancel what is in work, and let the thread end when that has ended."""
        with suppress(RuntimeError):  # closed before
            self._loop.call_soon_threadsafe(self._closing.set)

    def _begin(self, run: Run) -> None:
        task = self._loop.create_task(self._lane(run))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _lane(self, run: Run) -> None:
        await self._work(run)
        self._outbox.put(run)

    def _run(self, opened: Future[None]) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._live(opened))

    async def _live(self, opened: Future[None]) -> None:
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self._lifetime)
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                opened.set_exception(error)
                return
            opened.set_result(None)
            await self._until_closed()

    async def _until_closed(self) -> None:
        await self._closing.wait()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
