"""Ask all checks of ``/readyz`` again and again, so that whoever asks for them need not wait.

The first who asks begins it and waits for the first round. From then on each answer is the last
round's, `REFRESH_SECONDS` old at most, however long the checks take. Nobody has asked for
`IDLE_SECONDS`: the rounds end, and the next who asks begins anew. A round that does not end is told
as what it is, instead of an answer that grows old.

A check runs in a thread. One that raises counts as failed, and its exception's type is all that the
outside is told.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import structlog

Check = Callable[[], str | None]
Reasons = dict[str, str | None]

REFRESH_SECONDS = 1.0
IDLE_SECONDS = 60.0
PATIENCE_SECONDS = 10.0

log = structlog.get_logger(__name__)


class Readiness:
    """The answers of *checks*. Used from one event loop; *clock* is monotonic."""

    def __init__(
        self, checks: Mapping[str, Check], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._checks = checks
        self._clock = clock
        self._rounds: asyncio.Task[None] | None = None
        self._answered = asyncio.Event()
        self._reasons: Reasons = {}
        self._asked_at = self._since = clock()

    async def reasons(self) -> Reasons:
        """Give what the checks said last, ``None`` for each that is well."""
        self._asked_at = self._clock()
        if self._rounds is None or self._rounds.done():
            self._answered = asyncio.Event()
            self._rounds = asyncio.create_task(self._watch(self._answered))
        if not self._answered.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self._answered.wait()
        waited = self._clock() - self._since
        if waited > PATIENCE_SECONDS or not self._answered.is_set():
            return dict.fromkeys(self._checks, f"no answer for {waited:.0f} s")
        return self._reasons

    async def _watch(self, answered: asyncio.Event) -> None:
        self._since = self._clock()
        while True:
            # The loop's own executor, not Starlette's threads: what waits there has no part in it.
            checks = dict(self._checks)  # there may be more of them meanwhile
            asked = (asyncio.to_thread(reason, *check) for check in checks.items())
            self._reasons = dict(zip(checks, await asyncio.gather(*asked), strict=True))
            self._since = self._clock()
            answered.set()
            await asyncio.sleep(REFRESH_SECONDS)
            if self._clock() - self._asked_at > IDLE_SECONDS:
                return


def reason(name: str, check: Check) -> str | None:
    """Ask the *check* called *name*. Never raises."""
    try:
        return check()
    except Exception as error:
        log.warning("health_check_failed", check=name, exc_info=error)
        return f"the check failed with {type(error).__name__}"
