"""A mailbox stands between the loop and one notifier, so that a slow one delays nobody.

In: notices, put without waiting. A task of its own hands them to the notifier in batches and counts
each by its outcome. Of one incident only the newest notice waits: whoever was not reachable for an
hour is told how it stands, not what happened.

What did not get through waits on, unless something newer is known by then, and is tried again after
one second, two, four and so on, for half a minute in all; then it is let go, because everything
that is open or over is sent again every minute anyway. What was refused is not tried again.

Whoever stands in for the notifier may hear of each sending what became of it.

What maintenance holds back is told only to who asked for everything: the log, which wakes nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Protocol

import structlog

from lagmon.report import Sent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lagmon.model import IncidentKey
    from lagmon.report import Notice

    Heard = Callable[[str, Sequence[Notice], "Outcome"], None]

# What Prometheus sends at once and lets wait, which Alertmanagers are known to take.
BATCH = 256
CAPACITY = 10_000
# Seconds before each further try: less in all than until everything is sent again.
PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0)

log = structlog.get_logger(__name__)


class Outcome(StrEnum):
    """What became of a notice."""

    SENT = "sent"
    REJECTED = "rejected"  # answered, and refused: sending it again would not help
    FAILED = "failed"  # not reachable, or in trouble itself
    TIMEOUT = "timeout"
    DROPPED = "dropped"  # too many were waiting


WORTH_A_RETRY = frozenset({Outcome.FAILED, Outcome.TIMEOUT})


class Notifier(Protocol):
    """Somewhere to send notices to. *name* tells it apart in logs and metrics."""

    @property
    def name(self) -> str:
        """Name the receiver, without secrets."""

    async def send(self, notices: Sequence[Notice]) -> Outcome:
        """Send *notices* in one go, in bounded time."""

    async def close(self) -> None:
        """Let go of connections."""


class Box(Protocol):
    """What the loop leaves its notices in, whoever empties it."""

    def put(self, notices: Iterable[Notice]) -> None:
        """Take *notices*, and return at once."""

    def sent(self) -> tuple[Sent, ...]:
        """Give the counts of what became of the notices so far."""

    def start(self) -> None:
        """Start to send."""

    async def stop(self, timeout_seconds: float) -> None:
        """Send what is left, at most *timeout_seconds*, then end."""


class Mailbox:
    """Holds what waits for *notifier*; `start` the task that empties it, `stop` it at the end.

    *everything* is for a notifier that wants to hear also of what maintenance holds back. *heard*
    is called after each sending with the notifier's name, what was sent and what became of it.
    *covers* tells right before a sending what may still be told: what waited for too long may be
    another replica's to tell by then.
    """

    def __init__(
        self,
        notifier: Notifier,
        *,
        capacity: int = CAPACITY,
        pauses: Sequence[float] = PAUSES,
        everything: bool = False,
        heard: Heard | None = None,
        covers: Callable[[IncidentKey], bool] | None = None,
    ) -> None:
        self._covers = covers
        self._notifier = notifier
        self._capacity = capacity
        self._pauses = pauses
        self._everything = everything
        self._heard = heard
        self._waiting: dict[IncidentKey, Notice] = {}
        self._filled = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = asyncio.Event()
        self._counts: Counter[Outcome] = Counter()
        self._task: asyncio.Task[None] | None = None

    def put(self, notices: Iterable[Notice]) -> None:
        """Leave *notices* to be sent, and return at once."""
        for notice in notices:
            key = notice.change.incident.key
            if notice.change.incident.held and not self._everything:
                continue
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
        """Wait until all is sent, at most *timeout_seconds*, then end.

        Nothing is tried more than once from here on.
        """
        self._stopping.set()
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
        failures = 0
        while True:
            await self._filled.wait()
            while batch := self._take():
                outcome, is_worth_it = await self._send(batch)
                self._counts[outcome] += len(batch)
                if self._heard is not None:
                    self._heard(self._notifier.name, batch, outcome)
                failures = failures + 1 if is_worth_it else 0
                if is_worth_it and not await self._retry(batch, failures):
                    failures = 0
            self._filled.clear()
            self._idle.set()

    async def _retry(self, batch: list[Notice], failures: int) -> bool:
        """Put *batch* back and wait before the next try; False if there is to be none."""
        if failures > len(self._pauses) or self._stopping.is_set():
            return False
        # Before what came in meanwhile, which may be news of the same incidents.
        self._waiting = {notice.change.incident.key: notice for notice in batch} | self._waiting
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._pauses[failures - 1]):
                await self._stopping.wait()
        return True

    def _take(self) -> list[Notice]:
        if self._covers is not None:
            for key in [key for key in self._waiting if not self._covers(key)]:
                del self._waiting[key]
        keys = list(islice(self._waiting, BATCH))
        return [self._waiting.pop(key) for key in keys]

    async def _send(self, batch: list[Notice]) -> tuple[Outcome, bool]:
        """Give what became of *batch*, and whether another try may bring more."""
        try:
            outcome = await self._notifier.send(batch)
        except Exception:
            # A notifier that breaks on one batch must still get the next one.
            log.exception("notifier_broke", notifier=self._notifier.name, notices=len(batch))
            return Outcome.FAILED, False
        return outcome, outcome in WORTH_A_RETRY
