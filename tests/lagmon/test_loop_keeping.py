"""What the loop keeps while it runs, and what it makes of a memory that is wrong."""

from __future__ import annotations

import asyncio
import json
from itertools import chain, repeat
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from lagmon.alerts.incidents import State
from lagmon.board import Board
from lagmon.loop import Watch
from lagmon.model import Change, Incident, IncidentKey
from lagmon.notify import Mailbox
from lagmon.state.keeper import Keeper, Saved, dumps, loads
from tests.infra.wait import PATIENCE_SECONDS, until
from tests.lagmon.builders import CLUSTER, GROUP, NOON, FakeClock
from tests.lagmon.test_loop import POLICY, FakeCollector, Inbox, play, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lagmon.readings import Plan, Snapshot

KEY = IncidentKey("KafkaConsumerLag", CLUSTER, GROUP)
OPEN = State(opened=(Incident(KEY, NOON, NOON, 5.0, NOON),))
BEFORE_1970 = {"groups": {"settle": {"partitions": {"t": {"0": {"committed": 5, "moved_at": -1}}}}}}


def watching(path: Path, *seconds: int, inbox: Inbox | None = None) -> tuple[Watch, Mailbox]:
    """Give a watch that keeps its memory at *path*, with a lag above the limit at *seconds*.

    After the last of them time stands.
    """
    times = chain(seconds, repeat(seconds[-1]))

    def answer(_: Plan, __: float) -> Snapshot:
        return snapshot(1001, when=NOON + next(times))

    mailbox = Mailbox(inbox or Inbox())
    keeper, board = Keeper(path, (CLUSTER,)), Board("1.0", [CLUSTER])
    watch = Watch(FakeCollector(answer), POLICY, board, [mailbox], FakeClock(), keeper=keeper)
    return watch, mailbox


async def cycles(watch: Watch, check: Callable[[], bool], what: str) -> None:
    """Go through cycles until *check* holds: what comes during a writing waits for the next one."""
    loop = asyncio.get_running_loop()

    def holds() -> bool:
        asyncio.run_coroutine_threadsafe(watch.cycle(), loop).result(PATIENCE_SECONDS)
        return check()

    await asyncio.to_thread(until, holds, what=what)


def test_what_is_pending_or_open_is_written_while_lagmon_runs(tmp_path: Path) -> None:
    """Whoever is killed does not come to its last writing: each change is on the disk soon."""
    path = tmp_path / "state.json"

    def kept() -> list[int]:
        state = loads(path.read_bytes()).clusters[CLUSTER].incidents if path.exists() else State()
        return [len(state.pending), len(state.opened)]

    async def story() -> None:
        watch, _ = watching(path, 0, 15)

        await watch.cycle()
        await asyncio.to_thread(until, lambda: kept() == [1, 0], what="the pending one in the file")
        await cycles(watch, lambda: kept() == [0, 1], what="the open one in the file")

    play(story())

    assert kept() == [0, 1]


def test_whoever_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    """An incident that was open then is not opened again: nobody is woken twice."""
    path = tmp_path / "state.json"

    async def story() -> None:
        killed, _ = watching(path, 0, 15)
        await killed.cycle()
        await asyncio.to_thread(until, path.exists, what="the first writing")
        await cycles(killed, lambda: b"sent_at" in path.read_bytes(), what="the second")

        inbox = Inbox()
        watch, mailbox = watching(path, 300, inbox=inbox)
        mailbox.start()
        await watch.cycle()
        await mailbox.stop(PATIENCE_SECONDS)

        assert [each.change.change for each in inbox.notices] == [Change.REMINDED]

    play(story())


@pytest.mark.parametrize(
    ("saved", "event", "why"),
    [
        (
            Saved(OPEN, BEFORE_1970, None),
            "progress_not_restored",
            "groups.settle.partitions.t.0.moved_at: wants a number from 0 to 253402300799, got -1",
        ),
        (
            Saved(OPEN, {}, {"at": 1e300}),
            "arrivals_not_restored",
            "at: wants a number from 0 to 253402300799, got 1e+300",
        ),
    ],
)
def test_a_memory_that_makes_no_sense_is_set_aside_and_costs_nothing_else(
    tmp_path: Path, saved: Saved, event: str, why: str
) -> None:
    """The log says which value it was and where the file is; the incidents are taken over."""
    path, aside = tmp_path / "state.json", tmp_path / "state.json.unreadable"
    content = dumps({CLUSTER: saved})
    path.write_text(content)

    async def story() -> None:
        with capture_logs() as lines:
            watch, _ = watching(path, 300)
        await watch.cycle()
        await watch.stop()

        assert [line["event"] for line in lines] == ["state_restored", event]
        assert (lines[1]["why"], lines[1]["copied_to"]) == (why, str(aside))

    play(story())
    (incident,) = loads(path.read_bytes()).clusters[CLUSTER].incidents.opened
    assert (incident.key, incident.opened_at) == (KEY, NOON)
    assert json.loads(aside.read_text()) == json.loads(content)
