"""How many requests are worked on at once, and for how long each.

Both are answers, never a queue: a request that is one too many, or too late, is refused with a code
that says so, and its client decides. Probes have no part in this.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from consumers.game.catalogue import BODY_TIMEOUT, OVERLOADED, TIMED_OUT, Entry
from consumers.game.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MAX_REQUESTS = 1000
TIMEOUT_SECONDS = 10.0


class Bounds:
    """At most *requests* at once, each for *timeout_seconds*. Belongs to one event loop."""

    def __init__(
        self, *, requests: int = MAX_REQUESTS, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self._requests = requests
        self._timeout_seconds = timeout_seconds
        self._in_work = 0

    @asynccontextmanager
    async def request(self) -> AsyncIterator[None]:
        """Hold a request's work: raises `Refusal` when there is no room, or no time left."""
        if self._in_work >= self._requests:
            raise Refusal(OVERLOADED)
        self._in_work += 1
        try:
            async with _within(self._timeout_seconds, TIMED_OUT):
                yield
        finally:
            self._in_work -= 1

    @asynccontextmanager
    async def body(self) -> AsyncIterator[None]:
        """Hold the reading of a request's body: a slow client has half of the time."""
        async with _within(self._timeout_seconds / 2, BODY_TIMEOUT):
            yield


@asynccontextmanager
async def _within(seconds: float, late: Entry) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds) as bound:
            yield
    # Cancelled, and not too late: so it looks when the loop stood still until the time around this
    # was over as well. What was late first says so.
    except (TimeoutError, asyncio.CancelledError) as error:
        if bound.expired():
            raise Refusal(late) from error
        raise
