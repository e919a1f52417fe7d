"""Join the stages and own the clock: plan, collect, measure, judge, publish, tell; then again.

One `Watch` a cluster, so that a cluster that does not answer delays no other. A cycle never ends
the loop: where no snapshot came, or a stage broke on one, the same stages are given a snapshot that
holds the error. So the board says that the cluster is down, values expire, and incidents that are
open go on being sent. What a cycle decides is taken over whole or not at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from lagmon.board import Cycle
from lagmon.changes import Changes
from lagmon.clocks import Clock, SystemClock
from lagmon.exposition.publish import Publisher
from lagmon.judge import recalled
from lagmon.judge.judging import Judgement, Memory, Policy, judge
from lagmon.readings import Snapshot
from lagmon.sharding.tenancy import Tenancy
from lagmon.state.remembering import remembered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lagmon.board import Board
    from lagmon.exposition.bounds import Exported
    from lagmon.notify import Box
    from lagmon.readings import Plan
    from lagmon.state.keeper import Keeper

# Whoever runs the loop also judges single snapshots, by the same policy.
__all__ = [
    "Clock",
    "Collector",
    "Judgement",
    "Memory",
    "Policy",
    "SystemClock",
    "Watch",
    "judge",
    "run",
]

# Beside it the collectors take four seconds to end, and the pages two: less than the ten after
# which a process that was told to stop is usually killed.
NOTIFY_STOP_SECONDS = 3.0
KEEP_STOP_SECONDS = 3.0  # for the last writing of the memory

log = structlog.get_logger(__name__)


class Collector(Protocol):
    """Where snapshots of one cluster come from; `lagmon.supervise.Collector` is the real one."""

    cluster: str
    restarts: int

    @property
    def is_fresh(self) -> bool:
        """Tell whether the next plan is the first of whoever carries it out."""

    async def start(self) -> None:
        """Begin."""

    async def collect(self, plan: Plan, now: float) -> Snapshot:
        """Give a snapshot in bounded time, with its error where there is none."""

    async def stop(self) -> None:
        """End, and make a `collect` under way end."""


class Watch:
    """Watches one cluster: `run` it as a task; after `stop` a cycle under way changes nothing."""

    def __init__(
        self,
        collector: Collector,
        policy: Policy,
        board: Board,
        mailboxes: Sequence[Box],
        clock: Clock,
        *,
        keeper: Keeper | None = None,
        publisher: Publisher | None = None,
        tenancy: Tenancy | None = None,
    ) -> None:
        self._tenancy = tenancy or Tenancy()
        self._collector = collector
        self._policy = policy
        self._board = board
        self._publisher = publisher or Publisher(board)
        self._mailboxes = mailboxes
        self._clock = clock
        self._keeper = keeper
        self._keeping: asyncio.Task[None] | None = None
        self._memory = remembered(policy, collector.cluster, keeper)
        self._growing = threading.Lock()  # what of the memory grows in place
        self._changes = Changes(collector.cluster)
        self._stopping = False

    async def run(self) -> None:
        """Go through cycles until cancelled or stopped, each an interval after the last began."""
        while not self._stopping:
            began = self._clock.elapsed()
            await self.cycle()
            passed = self._clock.elapsed() - began
            await self._clock.sleep(max(0.0, self._policy.poll_interval_seconds - passed))

    async def stop(self) -> None:
        """End the collector; what it still answers is not judged, what is known is kept."""
        self._stopping = True
        await asyncio.gather(self._collector.stop(), self._tenancy.stop(), self._keep_last())

    async def cycle(self) -> None:
        """Go through one cycle. Never raises but for cancellation."""
        cluster, now = self._collector.cluster, self._clock.now()
        try:
            snapshot = await self._collector.collect(self._plan(), now)
            if not self._stopping:
                await self._publish(snapshot, crashed=False)
                self._keep()
        except Exception as error:
            log.exception("cycle_failed", kafka_cluster=cluster)
            reason = f"lagmon failed: {type(error).__name__}: {error}"
            await self._publish_failure(Snapshot(now, cluster, error=reason))

    def _plan(self) -> Plan:
        """Give the next plan; a collector that knows nothing is told whom to miss."""
        plan = self._memory.plan
        if not self._collector.is_fresh:
            return plan
        return replace(plan, known=self._memory.progress.known())

    async def _publish(self, snapshot: Snapshot, *, crashed: bool) -> None:
        snapshot = self._tenancy.renew(snapshot)
        state = self._tenancy.with_taken_over(self._memory.state, snapshot)
        self._memory = replace(self._memory, state=state)
        judged = await self._judged(snapshot)
        held = self._tenancy.narrowed(snapshot)
        if held is not snapshot:  # its time was over meanwhile
            snapshot, judged = held, await self._judged(held)
        if self._stopping:
            return
        self._memory = judged.memory
        for mailbox in self._mailboxes:
            mailbox.put(judged.notices)
        self._changes.log(snapshot, judged.lag)
        self._board.put(self._cycle(snapshot, judged, crashed=crashed))
        self._board.put_sent(sent for mailbox in self._mailboxes for sent in mailbox.sent())
        self._tenancy.at_end(snapshot.owned, self._vacate)
        await self._publisher.publish()

    async def _judged(self, snapshot: Snapshot) -> Judgement:
        # In a thread: thousands of groups take long enough to judge to be felt by the page.
        judging = partial(judge, self._memory, snapshot, self._policy)
        judged: Judgement = await asyncio.to_thread(self._alone, judging)
        return judged

    def _vacate(self) -> None:
        """Take down what is another replica's now: at once, whatever else is under way."""
        share = self._tenancy.share
        if share is None or self._stopping:
            return
        if share.owned:  # the two clocks differ by a moment
            self._tenancy.at_end(share, self._vacate)
            return
        self._board.vacate(self._collector.cluster, share)
        self._publisher.write()

    def _keep(self) -> None:
        """Have the memory kept beside the loop: a disk that hangs must not keep it from paging."""
        idle = self._keeping is None or self._keeping.done()
        if self._keeper is not None and idle and not self._stopping:
            self._keeping = asyncio.create_task(self._write(self._keeper, last=False))

    async def _keep_last(self) -> None:
        if self._keeper is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KEEP_STOP_SECONDS):
                await self._write(self._keeper, last=True)

    async def _write(self, keeper: Keeper, *, last: bool) -> None:
        cluster, memory = self._collector.cluster, self._memory
        elapsed, now = self._clock.elapsed(), self._clock.now()
        arrivals = partial(recalled.saved, memory.arrivals, memory.history, now)
        await keeper.keep(
            *(cluster, memory.state, partial(self._alone, memory.progress.saved), elapsed),
            arrivals=partial(self._alone, arrivals),
            now=last,
        )

    def _alone(self, step: Callable[[], Any]) -> Any:
        """Take a *step* that reads the memory or lets it grow while no other does."""
        with self._growing:
            return step()

    async def _publish_failure(self, snapshot: Snapshot) -> None:
        try:
            await self._publish(snapshot, crashed=True)
        except Exception:
            # Nothing is left to try before the next cycle: the last page stays up.
            log.exception("cycle_failed_twice", kafka_cluster=snapshot.cluster)

    def _cycle(self, snapshot: Snapshot, judged: Judgement, *, crashed: bool) -> Cycle:
        state = judged.memory.state
        return Cycle(
            snapshot,
            judged.lag,
            pending=frozenset(
                pending.key.group for pending in state.pending if pending.key.group is not None
            ),
            incidents=state.opened,
            records=tuple(judged.memory.records.items()),
            answers=judged.memory.answers,
            maintenance=judged.maintenance,
            restarts=self._collector.restarts,
            crashed=crashed,
        )


async def run(
    collectors: Sequence[Collector],
    policy: Policy,
    board: Board,
    mailboxes: Sequence[Box],
    *,
    clock: Clock,
    until: asyncio.Event,
    keeper: Keeper | None = None,
    exported: Exported | None = None,
    tenancies: Mapping[str, Tenancy] | None = None,
) -> None:
    """Watch every cluster and keep *board* filled until *until* is set; leave no child behind.

    *tenancies* are by cluster, where replicas share them.
    """
    publisher = Publisher(board, exported)
    publisher.write()
    watching = partial(Watch, keeper=keeper, publisher=publisher)
    held = tenancies or {}
    watches = [
        watching(each, policy, board, mailboxes, clock, tenancy=held.get(each.cluster))
        for each in collectors
    ]
    for mailbox in mailboxes:
        mailbox.start()
    tasks: list[asyncio.Task[None]] = []
    try:
        await asyncio.gather(*(collector.start() for collector in collectors))
        tasks += [asyncio.create_task(watch.run()) for watch in watches]
        await until.wait()
    finally:
        ends = [watch.stop() for watch in watches]
        ends += [mailbox.stop(NOTIFY_STOP_SECONDS) for mailbox in mailboxes]
        await asyncio.gather(*ends)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
