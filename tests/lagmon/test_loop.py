"""The loop: what one snapshot causes, and that nothing ends it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from structlog.testing import capture_logs

from lagmon.alerts.incidents import State
from lagmon.alerts.maintenance import Once, Window
from lagmon.alerts.rules import SHIPPED
from lagmon.board import Board
from lagmon.exposition.text import Form, Page
from lagmon.judge.judging import Memory, Policy, judge
from lagmon.loop import Watch, run
from lagmon.model import Change, Incident, IncidentKey, Method
from lagmon.notify import Mailbox, Outcome
from lagmon.readings import (
    Committed,
    GroupReading,
    KnownGroup,
    PartitionOffsets,
    Peek,
    PeekRequest,
    Plan,
    Snapshot,
    TopicId,
)
from lagmon.state.keeper import Keeper, Saved, dumps
from tests.infra.wait import PATIENCE_SECONDS
from tests.lagmon.builders import CLUSTER, GROUP, NOON, TOPIC, TRACE, FakeClock, at, peek

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence
    from pathlib import Path

    from lagmon.report import Notice

POLICY = Policy(SHIPPED, poll_interval_seconds=5, peeks_per_cycle=20)


def snapshot(lag: int, *, when: float = NOON, peeks: tuple[Peek, ...] = ()) -> Snapshot:
    """Build a snapshot in which the test's group has *lag* on one partition."""
    return Snapshot(
        when,
        CLUSTER,
        topics=(PartitionOffsets(at(), 0, 5000 + lag, 5000 + lag),),
        groups=(GroupReading(GROUP, "stable", "classic", 1, (Committed(at(), 5000),)),),
        peeks=peeks,
    )


class FakeCollector:
    """A collector that answers with what *answer* makes of the plan and the time."""

    def __init__(
        self, answer: Callable[[Plan, float], Snapshot], cluster: str = CLUSTER, restarts: int = 0
    ) -> None:
        self.cluster = cluster
        self.restarts = restarts
        self.is_fresh = False
        self.answer = answer
        self.plans: list[Plan] = []
        self.times: list[float] = []
        self.running = False

    async def start(self) -> None:
        """Remember it."""
        self.running = True

    async def collect(self, plan: Plan, now: float) -> Snapshot:
        """Answer as told."""
        self.plans.append(plan)
        self.times.append(now)
        return self.answer(plan, now)

    async def stop(self) -> None:
        """Remember it."""
        self.running = False


class Inbox:
    """A notifier that keeps what it gets."""

    name = "inbox"

    def __init__(self) -> None:
        self.notices: list[Notice] = []

    async def send(self, notices: Sequence[Notice]) -> Outcome:
        """Take them."""
        self.notices += notices
        return Outcome.SENT

    async def close(self) -> None:
        """Nothing is held open."""


def lagging(plan: Plan, now: float) -> Snapshot:
    """Answer with a lag of 1001 and with every record that is asked for."""
    peeks = tuple(peek(ask.at.partition, ask.offset) for ask in plan.peeks)
    return snapshot(1001, when=now, peeks=peeks)


def blind(_: Plan, now: float) -> Snapshot:
    """Answer that no snapshot came."""
    return Snapshot(now, CLUSTER, error="no broker answers")


def listing(*errors: str) -> Callable[[Plan, float], Snapshot]:
    """Answer with a list of groups that came with *errors*."""
    return lambda _, now: replace(snapshot(7, when=now), list_errors=errors)


def left(*topics: str) -> Callable[[Plan, float], Snapshot]:
    """Answer with commits on two partitions of each of *topics*, of which there is nothing else."""
    commits = tuple(Committed(at(number, topic), 7) for topic in topics for number in (0, 1))
    return lambda _, now: Snapshot(now, CLUSTER, groups=(GroupReading(GROUP, committed=commits),))


def broken(_: Plan, now: float) -> Snapshot:
    """Answer with a snapshot that no stage can make sense of."""
    return Snapshot(now, CLUSTER, topics=(None,))  # type: ignore[arg-type]


def play(story: Coroutine[None, None, None]) -> None:
    """Run *story*."""
    asyncio.run(asyncio.wait_for(story, PATIENCE_SECONDS))


def watching(collector: FakeCollector, *mailboxes: Mailbox) -> tuple[Watch, Board, FakeClock]:
    """Give a watch on *collector* with a board and a clock of its own."""
    board, clock = Board("1.0", [CLUSTER]), FakeClock()
    return Watch(collector, POLICY, board, mailboxes, clock), board, clock


def shown(board: Board) -> str:
    """Give the page of *board* as Prometheus reads it."""
    return board.page.make(Form()).decode()


def test_a_snapshot_becomes_values_and_a_page() -> None:
    """After one cycle the board holds the lag, and the page says it."""

    async def story() -> None:
        watch, board, _ = watching(FakeCollector(lambda _, now: snapshot(7, when=now), restarts=3))

        await watch.cycle()

        (cluster,) = board.report.clusters
        assert cluster.lag is not None
        assert (cluster.lag.groups[0].lag, cluster.restarts) == (7, 3)
        assert 'lagmon_group_lag_messages{group="settle",kafka_cluster="local"} 7.0\n' in shown(
            board
        )

    play(story())


def test_a_lag_above_the_limit_pages_with_its_trace_after_its_time() -> None:
    """The record is asked for at the first reading above, so that the page has it at once."""

    async def story() -> None:
        inbox, collector = Inbox(), FakeCollector(lagging)
        mailbox = Mailbox(inbox)
        mailbox.start()
        watch, board, clock = watching(collector, mailbox)

        for _ in range(4):
            await watch.cycle()
            await clock.sleep(5)
        await mailbox.stop(PATIENCE_SECONDS)

        (opened,) = inbox.notices
        assert opened.change.change is Change.OPENED
        assert opened.at == NOON + 15
        assert opened.record is not None
        assert opened.record.trace_id == TRACE
        assert [len(plan.peeks) for plan in collector.plans] == [0, 1, 0, 0]
        assert board.report.clusters[0].incidents == (opened.change.incident,)

    play(story())


def test_while_a_cluster_is_blind_an_incident_is_sent_again_with_its_trace() -> None:
    """Neither the incident nor the trace id in its alert is lost to an outage."""
    memory = Memory()
    for second in (0, 5, 10, 15):
        memory = judge(memory, lagging(memory.plan, NOON + second), POLICY).memory

    judged = judge(memory, blind(Plan(), NOON + 75), POLICY)

    (again,) = judged.notices
    assert (again.change.change, again.group) == (Change.REMINDED, None)
    assert again.record is not None
    assert again.record.trace_id == TRACE
    assert judged.memory.records == memory.records


def test_a_resolve_is_told_with_the_trace_it_was_opened_with() -> None:
    """The log line of the end can be matched with that of the beginning."""
    memory = Memory()
    for second in (0, 5, 10, 15):
        memory = judge(memory, lagging(memory.plan, NOON + second), POLICY).memory

    judged = judge(memory, snapshot(0, when=NOON + 20), POLICY)

    (over,) = judged.notices
    assert over.change.change is Change.RESOLVED
    assert over.record is not None
    assert over.record.trace_id == TRACE
    assert judged.memory.records == {}


def test_what_was_found_of_records_and_who_is_not_to_be_woken_is_put_up() -> None:
    """The API has the record of each partition, and Prometheus reads of the maintenance."""

    async def story() -> None:
        board, clock = Board("1.0", [CLUSTER]), FakeClock()
        when = Once(datetime(2000, 1, 1), datetime(2100, 1, 1), ZoneInfo("UTC"))  # noqa: DTZ001 - on the wall
        policy = replace(POLICY, maintenance=(Window("always", when, rules="KafkaConsumerLag"),))
        watch = Watch(FakeCollector(lagging), policy, board, (), clock)

        await watch.cycle()
        await watch.cycle()

        (cluster,) = board.report.clusters
        assert [answer.peek.trace_id for answer in cluster.answers] == [TRACE]
        assert cluster.maintenance == (IncidentKey("KafkaConsumerLag", CLUSTER, GROUP),)
        assert 'lagmon_maintenance{group="settle",kafka_cluster="local",rule="KafkaC' in shown(
            board
        )

    play(story())


def test_the_bound_on_peeks_is_kept() -> None:
    """No plan asks for more records than the settings allow."""
    plan = judge(
        Memory(), snapshot(5000), Policy(SHIPPED, poll_interval_seconds=5, peeks_per_cycle=0)
    ).memory.plan

    assert plan == Plan()
    assert judge(Memory(), snapshot(5000), POLICY).memory.plan == Plan((PeekRequest(at(), 5000),))


def test_no_snapshot_is_a_cycle_like_any_other() -> None:
    """A cluster that does not answer is down on the page, counted, and asked again."""

    async def story() -> None:
        watch, board, _ = watching(FakeCollector(blind))

        await watch.cycle()

        assert 'lagmon_up{kafka_cluster="local"} 0.0\n' in shown(board)
        assert board.report.clusters[0].error == "no broker answers"

    play(story())


def test_a_stage_that_breaks_ends_neither_the_loop_nor_an_incident() -> None:
    """The cycle is counted as failed, the incident stays, and the next good snapshot is judged."""

    async def story() -> None:
        collector = FakeCollector(lagging)
        watch, board, clock = watching(collector)
        for _ in range(4):
            await watch.cycle()
            await clock.sleep(5)

        collector.answer = broken
        with capture_logs() as lines:
            await watch.cycle()
        (cluster,) = board.report.clusters
        assert cluster.error is not None
        assert cluster.error.startswith("lagmon failed: AttributeError")
        assert len(cluster.incidents) == 1
        assert "cycle_failed" in [line["event"] for line in lines]
        assert 'lagmon_cycles_total{kafka_cluster="local",outcome="failed"} 1.0\n' in shown(board)

        collector.answer = lagging
        await watch.cycle()
        assert board.report.clusters[0].error is None

    play(story())


def test_a_collector_that_breaks_is_a_failed_cycle() -> None:
    """Whatever the port raises, the loop goes on with what it knows."""

    def explode(_: Plan, __: float) -> Snapshot:
        raise RuntimeError("out of order")

    async def story() -> None:
        watch, board, _ = watching(FakeCollector(explode))

        with capture_logs():
            await watch.cycle()

        assert board.report.clusters[0].error == "lagmon failed: RuntimeError: out of order"

    play(story())


def test_what_breaks_twice_leaves_the_last_page_up() -> None:
    """Even where the failure itself cannot be published, the next cycle comes."""

    class Jammed(Mailbox):
        """Takes nothing."""

        def put(self, notices: Iterable[Notice]) -> None:
            """Break."""
            raise OSError(f"jammed by {notices}")

    async def story() -> None:
        watch, board, _ = watching(FakeCollector(lagging), Jammed(Inbox()))
        board.page = last = Page()

        with capture_logs() as lines:
            await watch.cycle()
            await watch.cycle()

        assert [line["event"] for line in lines] == ["cycle_failed", "cycle_failed_twice"] * 2
        assert board.page is last

    play(story())


def test_silence_is_logged_when_it_begins_and_when_it_ends() -> None:
    """An outage of an hour is two lines, not one a cycle."""

    async def story() -> None:
        collector = FakeCollector(blind)
        watch, _, _ = watching(collector)

        with capture_logs() as lines:
            for answer in (blind, blind, blind, lagging, lagging):
                collector.answer = answer
                await watch.cycle()

        assert [(line["event"], line.get("reason")) for line in lines] == [
            ("cluster_silent", "no broker answers"),
            ("cluster_answers", None),
        ]

    play(story())


def test_a_deleted_topic_is_logged_once() -> None:
    """Commits of a topic that is gone are skipped, counted and said once; not while blind."""

    async def story() -> None:
        collector = FakeCollector(lagging)
        watch, _, _ = watching(collector)

        with capture_logs() as lines:
            for topics in (("old",), ("old",), None, ("old", "older"), (), ("old",)):
                collector.answer = blind if topics is None else left(*topics)
                await watch.cycle()

        told = [line for line in lines if line["event"] == "deleted_topics_skipped"]
        assert [(one["topics"], one["partitions"]) for one in told] == [
            (["old"], 2),
            (["older"], 2),
            (["old"], 2),
        ]

    play(story())


def test_an_incomplete_list_is_logged_when_it_changes() -> None:
    """Why groups may be missing is said once, again when it is another reason, and when it ends."""

    async def story() -> None:
        collector = FakeCollector(lagging)
        watch, _, _ = watching(collector)

        with capture_logs() as lines:
            for errors in (("a", "b"), ("b", "a"), None, ("a",), (), ()):
                collector.answer = blind if errors is None else listing(*errors)
                await watch.cycle()

        told = [line for line in lines if line["event"].startswith("groups_list")]
        assert [(one["log_level"], one["event"], one.get("reason")) for one in told] == [
            ("warning", "groups_list_incomplete", "a; b"),
            ("warning", "groups_list_incomplete", "a"),
            ("info", "groups_list_complete", None),
        ]
        assert {one["kafka_cluster"] for one in told} == {CLUSTER}

    play(story())


def test_a_hidden_topic_is_logged_as_such() -> None:
    """It is no reason to doubt the list of groups."""
    said = "lagmon may not DESCRIBE topic plays: partitions may be hidden"

    async def story() -> None:
        collector = FakeCollector(listing(said))
        watch, _, _ = watching(collector)

        with capture_logs() as lines:
            await watch.cycle()

        events = [line["event"] for line in lines if line.get("reason") == said]
        assert events == ["topics_hidden"]

    play(story())


def cycles(count: int, collector: FakeCollector, *, slow_seconds: float = 0) -> list[float]:
    """Run the whole loop until *collector* was asked *count* times; give the times after noon."""

    async def story() -> list[float]:
        stop, clock = asyncio.Event(), FakeClock()
        answer = collector.answer

        def counted(plan: Plan, now: float) -> Snapshot:
            if len(collector.times) >= count:
                stop.set()
            clock.time += slow_seconds
            return answer(plan, now)

        collector.answer = counted
        await run([collector], POLICY, Board("1.0", [CLUSTER]), [], clock=clock, until=stop)
        return [when - NOON for when in collector.times[:count]]

    return asyncio.run(asyncio.wait_for(story(), PATIENCE_SECONDS))


def test_a_cycle_begins_an_interval_after_the_last_one_began() -> None:
    """The time that a cycle takes is not added to the interval."""
    assert cycles(4, FakeCollector(lagging)) == [0, 5, 10, 15]
    assert cycles(4, FakeCollector(lagging), slow_seconds=2) == [0, 5, 10, 15]


def test_a_cycle_that_takes_longer_than_the_interval_is_followed_at_once() -> None:
    """There is never more than one under way, and no backlog."""
    assert cycles(3, FakeCollector(lagging), slow_seconds=12) == [0, 12, 24]


def test_the_loop_starts_and_stops_its_collectors() -> None:
    """When the loop has ended no collector is left running."""
    collector = FakeCollector(lagging)

    cycles(2, collector)

    assert not collector.running


def test_one_cluster_that_hangs_does_not_hold_up_another() -> None:
    """Each cluster has a task of its own, and stopping does not wait for the one that hangs."""

    class Hanging(FakeCollector):
        """Answers when it is stopped."""

        def __init__(self) -> None:
            super().__init__(blind, "hanging")
            self.stopped = asyncio.Event()

        async def collect(self, plan: Plan, now: float) -> Snapshot:
            """Wait."""
            await self.stopped.wait()
            return self.answer(plan, now)

        async def stop(self) -> None:
            """Let go."""
            self.stopped.set()

    async def story() -> None:
        stop, clock, board = asyncio.Event(), FakeClock(), Board("1.0", ["hanging", CLUSTER])

        def answer(plan: Plan, now: float) -> Snapshot:
            if len(good.times) >= 5:
                stop.set()
            return lagging(plan, now)

        good = FakeCollector(answer)
        await run([Hanging(), good], POLICY, board, [], clock=clock, until=stop)

        hanging, local = board.report.clusters
        assert local.asked >= 4
        assert hanging.asked == 0

    play(story())


def test_the_page_is_there_before_the_first_answer() -> None:
    """A scrape in the first second gets a page with what is known: the version."""

    async def story() -> None:
        stop, board = asyncio.Event(), Board("1.0", [CLUSTER])
        stop.set()

        await run([], POLICY, board, [], clock=FakeClock(), until=stop)

        assert 'lagmon_build_info{version="1.0"} 1.0\n' in shown(board)

    play(story())


def restarted(path: Path, collector: FakeCollector, inbox: Inbox) -> tuple[Watch, Mailbox]:
    """Give a watch that keeps its memory at *path*, and the mailbox of *inbox*, started."""
    mailbox = Mailbox(inbox)
    mailbox.start()
    keeper, board = Keeper(path, (CLUSTER,)), Board("1.0", [CLUSTER])
    return Watch(collector, POLICY, board, [mailbox], FakeClock(), keeper=keeper), mailbox


def test_an_incident_survives_a_restart(tmp_path: Path) -> None:
    """What was open before is not opened again after it, but goes on, and is resolved."""

    async def story() -> None:
        inbox, path = Inbox(), tmp_path / "state.json"
        seconds = iter((0, 15, 300, 305))

        def answer(_: Plan, __: float) -> Snapshot:
            second = next(seconds)
            return snapshot(0 if second == 305 else 1001, when=NOON + second)

        for _ in range(2):
            watch, mailbox = restarted(path, FakeCollector(answer), inbox)
            await watch.cycle()
            await watch.cycle()
            await watch.stop()
            await mailbox.stop(PATIENCE_SECONDS)

        changes = [each.change.change for each in inbox.notices]
        assert changes[0] is Change.OPENED
        assert Change.OPENED not in changes[1:]
        assert changes[-1] is Change.RESOLVED

    play(story())


def test_whoever_collects_anew_is_told_whom_to_miss(tmp_path: Path) -> None:
    """A collector that knows nothing gets what is known, after a restart too; no other does."""

    async def story() -> None:
        inbox, path = Inbox(), tmp_path / "state.json"
        first, second = FakeCollector(lagging), FakeCollector(lagging)

        for collector in (first, second):
            watch, mailbox = restarted(path, collector, inbox)
            collector.is_fresh = True
            await watch.cycle()
            collector.is_fresh = False
            await watch.cycle()
            collector.is_fresh = True
            await watch.cycle()
            await watch.stop()
            await mailbox.stop(PATIENCE_SECONDS)

        told = [[plan.known for plan in each.plans] for each in (first, second)]
        known = (KnownGroup(GROUP, (at(),)),)
        assert told == [[(), (), known], [known, (), known]]

    play(story())


def test_an_age_is_there_in_the_first_cycle_after_a_restart(tmp_path: Path) -> None:
    """With its method and its bound: that the record came was seen before."""

    async def story() -> None:
        path, seconds = tmp_path / "state.json", iter((0, 5, 300))

        def answer(_: Plan, __: float) -> Snapshot:
            second = next(seconds)
            made = snapshot(0 if second == 0 else 7, when=NOON + second)
            return replace(made, topic_ids=(TopicId(TOPIC, "a"),))

        ages = []
        for cycles_before_the_end in (2, 1):
            keeper, board = Keeper(path, (CLUSTER,)), Board("1.0", [CLUSTER])
            watch = Watch(FakeCollector(answer), POLICY, board, [], FakeClock(), keeper=keeper)
            for _ in range(cycles_before_the_end):
                await watch.cycle()
            await watch.stop()
            (cluster,) = board.report.clusters
            assert cluster.lag is not None
            ages.append(cluster.lag.groups[0].partitions[0].age)

        before, after = ages
        assert before is not None
        assert before.method is Method.HISTORY
        assert after == replace(before, seconds=before.seconds + 295)

    play(story())


def test_arrivals_that_are_wrong_cost_the_arrivals_alone(tmp_path: Path) -> None:
    """Incidents and progress of the same file are taken over, and the log says what was wrong."""

    async def story() -> None:
        inbox, path = Inbox(), tmp_path / "state.json"
        opened = Incident(IncidentKey("KafkaConsumerLag", CLUSTER, GROUP), NOON, NOON, 5.0, NOON)
        saved = Saved(State(opened=(opened,)), {"groups": {GROUP: {}}}, {"groups": 7})
        path.write_text(dumps({CLUSTER: saved}))
        collector = FakeCollector(lambda *_: snapshot(0))
        collector.is_fresh = True

        with capture_logs() as lines:
            watch, mailbox = restarted(path, collector, inbox)
        await watch.cycle()
        await watch.stop()
        await mailbox.stop(PATIENCE_SECONDS)

        assert [line["event"] for line in lines] == ["state_restored", "arrivals_not_restored"]
        assert [each.change.change for each in inbox.notices] == [Change.RESOLVED]
        assert [plan.known for plan in collector.plans] == [(KnownGroup(GROUP),)]

    play(story())


def test_progress_that_is_wrong_costs_the_progress_alone(tmp_path: Path) -> None:
    """The incidents of the same file are taken over, and the log says what was wrong."""

    async def story() -> None:
        inbox, path = Inbox(), tmp_path / "state.json"
        opened = Incident(IncidentKey("KafkaConsumerLag", CLUSTER, GROUP), NOON, NOON, 5.0, NOON)
        path.write_text(dumps({CLUSTER: Saved(State(opened=(opened,)), {"groups": 7})}))

        with capture_logs() as lines:
            watch, mailbox = restarted(path, FakeCollector(lambda *_: snapshot(0)), inbox)
        await watch.cycle()
        await watch.stop()
        await mailbox.stop(PATIENCE_SECONDS)

        assert "progress_not_restored" in [line["event"] for line in lines]
        assert [each.change.change for each in inbox.notices] == [Change.RESOLVED]

    play(story())
