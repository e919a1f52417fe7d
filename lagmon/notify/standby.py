"""Stand by for the Alertmanagers: what `fallback` decides is told to PagerDuty, one by one.

In: the notices of every cycle, put without waiting, and what became of them at each notifier. A
task of its own acts. What may have reached PagerDuty is kept before it leaves, so that a restart
neither pages twice nor forgets the end; a disk that hangs delays a page by a few seconds at most.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import structlog

from lagmon.errors import RecordingError
from lagmon.labels import safe
from lagmon.notify.fallback import Action
from lagmon.notify.mailbox import Outcome
from lagmon.report import Sent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lagmon.model import IncidentKey
    from lagmon.notify.fallback import Event, Fallback
    from lagmon.notify.pagerduty import PagerDuty
    from lagmon.report import Notice
    from lagmon.state.keeper import Keeper

LOOK_SECONDS = 1.0  # how often it is looked whether it is time, while a page waits
IDLE_SECONDS = 15.0  # and while none does
KEEP_SECONDS = 3.0  # that a page waits for the disk

log = structlog.get_logger(__name__)


class Standby:
    """Tells *pagerduty* as *fallback* decides; `start` the task, `stop` it at the end.

    *keeper* is asked at the start, and told of every change. *elapsed* gives seconds that no
    setting of the clock moves. *covers* tells what may still be told, and is no other replica's.
    """

    def __init__(
        self,
        pagerduty: PagerDuty,
        fallback: Fallback,
        keeper: Keeper | None = None,
        *,
        elapsed: Callable[[], float] = time.monotonic,
        look_seconds: float = LOOK_SECONDS,
        covers: Callable[[IncidentKey], bool] | None = None,
    ) -> None:
        self._covers = covers
        self._pagerduty, self._fallback, self._keeper = pagerduty, fallback, keeper
        self._elapsed, self._look_seconds = elapsed, look_seconds
        self._counts: Counter[Outcome] = Counter()
        self._news = asyncio.Event()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._writing: asyncio.Task[None] | None = None
        self._kept: Any = None

    def put(self, notices: Iterable[Notice]) -> None:
        """Take over how things stand by *notices*, and return at once."""
        self._fallback.take(notices, self._elapsed())
        self._news.set()

    def heard(self, name: str, notices: Sequence[Notice], outcome: Outcome) -> None:
        """Take note of what became of *notices* at the notifier *name*."""
        self._fallback.heard(name, notices, outcome, self._elapsed())
        self._news.set()

    def sent(self) -> tuple[Sent, ...]:
        """Give the counts of what became of the events so far."""
        counts = self._counts + Counter({Outcome.DROPPED: self._fallback.dropped})
        name = self._pagerduty.name
        return tuple(Sent(name, what.value, many) for what, many in sorted(counts.items()))

    def start(self) -> None:
        """Start to stand by, with what was kept until now."""
        self._restore()
        self._task = asyncio.create_task(self._run(), name=f"standby {self._pagerduty.name}")

    async def stop(self, timeout_seconds: float) -> None:
        """Tell what it is time for, at most *timeout_seconds*, then end."""
        self._stopping.set()
        self._news.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=timeout_seconds)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._pagerduty.close()

    def _restore(self) -> None:
        self._kept = self._keeper.paged if self._keeper else None
        try:
            self._fallback.restore(self._kept, self._elapsed())
        except RecordingError as error:
            aside = self._keeper.copy_aside() if self._keeper else None
            log.warning("pages_not_restored", why=str(error), copied_to=aside)

    async def _run(self) -> None:
        is_last = False
        while not is_last:
            await self._wait()
            is_last = self._stopping.is_set()
            try:
                await self._tell()
            except Exception:
                # Whatever breaks on one event must not cost the next page.
                log.exception("notifier_broke", notifier=self._pagerduty.name, notices=1)
                self._counts[Outcome.FAILED] += 1

    async def _wait(self) -> None:
        seconds = self._look_seconds if self._fallback.is_waiting else IDLE_SECONDS
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()
        self._news.clear()

    async def _tell(self) -> None:
        if self._covers is not None:
            self._fallback.keep_only(self._covers)
        while event := self._fallback.due(self._elapsed()):
            outcome = Outcome.FAILED
            try:
                await self._keep()
                outcome = await self._pagerduty.send(event)
            finally:
                self._fallback.settled(event, outcome, self._elapsed())
            self._counts[outcome] += 1
            if outcome is Outcome.SENT:
                _log(event)
        await self._keep()

    async def _keep(self) -> None:
        """Have what changed written, and wait for it a while: the page matters more."""
        if self._keeper is None or await self._is_writing():
            return
        saved = self._fallback.saved()
        if saved != (self._kept or []):
            self._kept = saved
            self._writing = asyncio.create_task(self._keeper.keep_paged(saved))
            await self._is_writing()

    async def _is_writing(self) -> bool:
        """Wait for what is being written, and tell whether that is not over yet."""
        if self._writing is not None:
            await asyncio.wait({self._writing}, timeout=KEEP_SECONDS)
        return self._writing is not None and not self._writing.done()


def _log(event: Event) -> None:
    is_trigger = event.action is Action.TRIGGER
    (log.warning if is_trigger else log.info)(
        "pagerduty_triggered" if is_trigger else "pagerduty_resolved",
        kafka_cluster=safe(event.about.cluster),
        group=safe(event.about.group or ""),
        dedup_key=event.about.dedup_key,
    )
