"""Who asked for the configuration to be read anew, and what came of it. No I/O.

In: requests, by a signal or over HTTP, at any time. Out: one turn after the other; all who asked
before a turn began hear what came of it.
"""

from __future__ import annotations

import asyncio


class Reloads:
    """Collects those who ask until `turn` takes them."""

    def __init__(self) -> None:
        self._asked: list[asyncio.Future[bool]] = []
        self._somebody = asyncio.Event()

    def ask(self) -> asyncio.Future[bool]:
        """Ask; what is given will say whether what was read holds."""
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._asked.append(answer)
        self._somebody.set()
        return answer

    async def turn(self) -> Turn:
        """Wait until somebody asks, and give all who did."""
        await self._somebody.wait()
        self._somebody.clear()
        asked, self._asked = self._asked, []
        return Turn(asked)


class Turn:
    """One reading, for those who *asked* for it; `over` when they were told what came of it."""

    def __init__(self, asked: list[asyncio.Future[bool]]) -> None:
        self._asked = asked
        self.over = asyncio.Event()

    def answer(self, *, good: bool) -> None:
        """Tell them whether it was *good*."""
        for each in self._asked:
            if not each.done():  # somebody may have gone
                each.set_result(good)
        self.over.set()
