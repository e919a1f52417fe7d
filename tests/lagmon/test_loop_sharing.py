"""The loop of one replica among others: what it publishes and sends is its own at that moment."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from lagmon.board import Board
from lagmon.loop import Watch
from lagmon.model import Change
from lagmon.notify import Mailbox
from lagmon.notify.open_alerts import OpenAlert
from lagmon.readings import Share, Snapshot
from lagmon.sharding.lease import Lease
from lagmon.sharding.ownership import home
from lagmon.sharding.takeover import Takeover
from lagmon.sharding.tenancy import Tenancy
from tests.infra.wait import PATIENCE_SECONDS
from tests.lagmon.builders import CLUSTER, GROUP, NOON, FakeClock
from tests.lagmon.test_loop import POLICY, FakeCollector, Inbox, play, shown, snapshot

if TYPE_CHECKING:
    from lagmon.readings import Plan

HOME = home(GROUP, 50)
SERIES = 'lagmon_group_lag_messages{group="settle",kafka_cluster="local"}'
OPEN = OpenAlert("KafkaConsumerLag", GROUP, None, None, NOON - 60, NOON - 30, 1200.0)


class Replica:
    """One replica whose share, of the test's group, holds for *seconds* from each snapshot on."""

    def __init__(self, *alerts: OpenAlert, lag: int = 7, seconds: float = 9.0) -> None:
        self.clock, self.board, self.inbox = FakeClock(), Board("1", [CLUSTER]), Inbox()
        self.lag, self.seconds, self.silent = lag, seconds, False
        self.owned: tuple[int, ...] = (HOME,)
        self.mailbox = Mailbox(self.inbox)
        self._alerts = alerts
        tenancy = Tenancy(Lease(self.clock.elapsed), Takeover(CLUSTER, self._told, 240.0))
        boxes = [self.mailbox]
        collector = FakeCollector(self.answer)
        self.watch = Watch(collector, POLICY, self.board, boxes, self.clock, tenancy=tenancy)

    async def cycles(self, count: int) -> None:
        """Go through so many cycles, a second each, and send what they give."""
        for _ in range(count):
            await self.watch.cycle()
            await self.clock.sleep(1)

    async def end(self) -> list[Change]:
        """Stop; give the changes that were sent."""
        self.mailbox.start()
        await self.mailbox.stop(PATIENCE_SECONDS)
        await self.watch.stop()
        return [notice.change.change for notice in self.inbox.notices]

    def stand_still(self) -> None:
        """Let the share run out in the middle of whatever."""
        self.clock.time += self.seconds

    def answer(self, _: Plan, now: float) -> Snapshot:
        """Answer as a collector that was confirmed just now."""
        share = Share(self.owned, 50, self.clock.elapsed() + self.seconds)
        if self.silent:
            return Snapshot(now, CLUSTER, error="away")
        if not self.owned:
            return Snapshot(now, CLUSTER, owned=replace(share, why="late"))
        return replace(snapshot(self.lag, when=now), owned=share)

    async def _told(self, _: str) -> tuple[OpenAlert, ...]:
        return self._alerts


def test_what_is_its_own_is_published() -> None:
    """A replica with a share does for it what one lagmon does for all."""

    async def story() -> None:
        replica = Replica()

        await replica.cycles(1)

        assert f"{SERIES} 7.0\n" in shown(replica.board)
        assert 'lagmon_replica_confirmed{kafka_cluster="local"} 1.0\n' in shown(replica.board)
        await replica.end()

    play(story())


def test_a_share_that_ran_out_on_the_way_is_not_published() -> None:
    """The snapshot lay in the pipe of a process that stood still: its groups are others' by now."""

    async def story() -> None:
        replica = Replica(OPEN, lag=2000, seconds=-1.0)

        await replica.cycles(20)

        assert SERIES not in shown(replica.board)
        assert 'lagmon_replica_confirmed{kafka_cluster="local"} 0.0\n' in shown(replica.board)
        assert replica.board.ready
        assert await replica.end() == []

    play(story())


def test_incidents_come_with_the_groups() -> None:
    """Sent again at once by the new owner, and not opened once more after the rule's time."""

    async def story() -> None:
        replica = Replica(OPEN, lag=2000)

        await replica.cycles(20)

        (incident,) = replica.board.report.clusters[0].incidents
        assert (incident.since, incident.opened_at) == (NOON - 60, NOON - 30)
        assert await replica.end() == [Change.REMINDED]

    play(story())


def test_incidents_go_with_the_groups() -> None:
    """Nothing is resolved, nothing is said to be over: another replica has it."""

    async def story() -> None:
        replica = Replica(OPEN, lag=2000)
        await replica.cycles(3)
        replica.owned = ()

        await replica.cycles(3)

        assert replica.board.report.clusters[0].incidents == ()
        assert replica.board.past[CLUSTER].ended(GROUP) == ()
        assert await replica.end() == [Change.REMINDED]

    play(story())


def test_what_runs_out_between_two_cycles_is_taken_down() -> None:
    """The next cycle may be long in coming; the page does not wait for it."""

    async def story() -> None:
        replica = Replica(seconds=0.2)

        await replica.cycles(1)  # the clock of the loop passes, and that of the test does not wait
        await taken_down(replica)

        assert SERIES not in shown(replica.board)
        assert 'lagmon_owned_partitions{kafka_cluster="local"} 0.0\n' in shown(replica.board)
        assert 'lagmon_cycles_total{kafka_cluster="local",outcome="ok"} 1.0\n' in shown(
            replica.board
        )
        await replica.end()

    play(story())


def test_what_runs_out_while_it_is_put_up_is_taken_down() -> None:
    """A process may stand still between the last look at its share and the page."""

    async def story() -> None:
        replica = Replica(seconds=9.0)
        replica.board.listen(replica.stand_still)

        await replica.cycles(1)
        await taken_down(replica)

        assert SERIES not in shown(replica.board)
        assert 'lagmon_owned_partitions{kafka_cluster="local"} 0.0\n' in shown(replica.board)
        await replica.end()

    play(story())


def test_what_runs_out_while_the_cluster_is_silent_is_taken_down() -> None:
    """The last values are kept for some cycles without an answer, but no longer than the share."""

    async def story() -> None:
        replica = Replica(seconds=0.2)
        await replica.cycles(1)
        replica.silent = True

        await replica.cycles(1)  # it has run out, and who is to be told was not called yet
        await taken_down(replica)

        assert SERIES not in shown(replica.board)
        await replica.end()

    play(story())


async def taken_down(replica: Replica) -> None:
    """Wait until *replica* does not show the group any more; whoever called it looks."""
    for _ in range(300):
        if SERIES not in shown(replica.board):
            return
        await asyncio.sleep(0.1)
