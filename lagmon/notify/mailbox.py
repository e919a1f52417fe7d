"""A mailbox stands between the loop and one notifier, so that a slow one delays nobody.

In: notices, put without waiting. A task of its own hands them to the notifier in batches and counts
each by its outcome. Of one incident only the newest notice waits: whoever was not reachable for an
hour is told how it stands, not what happened. Nothing is retried, because everything that is open
or over is sent again every minute anyway.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Protocol

import structlog

from lagmon.report import Sent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lagmon.model import IncidentKey
    from lagmon.report import Notice

# What Prometheus sends at once and lets wait, which Alertmanagers are known to take.
BATCH = 256
CAPACITY = 10_000

log = structlog.get_logger(__name__)


class Outcome(StrEnum):
    """What became of a notice."""

    SENT = "sent"
    REJECTED = "rejected"  # answered, and refused: sending it again would not help
    FAILED = "failed"  # not reachable, or in trouble itself
    TIMEOUT = "timeout"
    DROPPED = "dropped"  # too many were waiting


class Notifier(Protocol):
    """Somewhere to send notices to. *name* tells it apart in logs and metrics."""

    @property
    def name(self) -> str:
        """Name the receiver, without secrets."""

    async def send(self, notices: Sequence[Notice]) -> Outcome:
        """Send *notices* in one go, in bounded time."""

    async def close(self) -> None:
        """Let go of connections."""


class Mailbox:
    """Holds what waits for *notifier*; `start` the task that empties it, `stop` it at the end."""

    def __init__(self, notifier: Notifier, *, capacity: int = CAPACITY) -> None:
        self._notifier = notifier
        self._capacity = capacity
        self._waiting: dict[IncidentKey, Notice] = {}
        self._filled = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._counts: Counter[Outcome] = Counter()
        self._task: asyncio.Task[None] | None = None

    def put(self, notices: Iterable[Notice]) -> None:
        """Leave *notices* to be sent, and return at once."""
        for notice in notices:
            key = notice.change.incident.key
            if key not in self._waiting and len(self._waiting) >= self._capacity:
                self._counts[Outcome.DROPPED] += 1
            else:
                self._waiting[key] = notice
        if self._waiting:
            self._idle.clear()
            self._filled.set()

    def sent(self) -> tuple[Sent, ...]:
        """Give the counts of what became of the notices so far."""
        name = self._notifier.name
        return tuple(Sent(name, what.value, many) for what, many in sorted(self._counts.items()))

    def start(self) -> None:
        """Start to send."""
        self._task = asyncio.create_task(self._run(), name=f"mailbox {self._notifier.name}")

    async def stop(self, timeout_seconds: float) -> None:
        """Wait until all is sent, at most *timeout_seconds*, then end."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._idle.wait()
        except TimeoutError:
            log.warning("notifier_left_behind", notifier=self._notifier.name)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._notifier.close()

    async def _run(self) -> None:
        while True:
            await self._filled.wait()
            while batch := self._take():
                self._counts[await self._send(batch)] += len(batch)
            self._filled.clear()
            self._idle.set()

    def _take(self) -> list[Notice]:
        keys = list(islice(self._waiting, BATCH))
        return [self._waiting.pop(key) for key in keys]

    async def _send(self, batch: list[Notice]) -> Outcome:
        try:
            return await self._notifier.send(batch)
        except Exception:
            # A notifier that breaks on one batch must still get the next one.
            log.exception("notifier_broke", notifier=self._notifier.name, notices=len(batch))
            return Outcome.FAILED
