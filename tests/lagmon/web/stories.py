"""Boards with a story, and a server for them that runs beside the test: what browsers are shown.

The times lie around now, because a page words them by its own clock.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from lagmon.alerts.rules import SHIPPED
from lagmon.board import Board, Cycle
from lagmon.model import Age, ClusterLag, GroupLag, Incident, IncidentKey, Method, State, Why
from lagmon.readings import Member, Snapshot, StepDuration
from lagmon.report import Links, OldestRecord, Reach
from lagmon.web.app import create_app
from lagmon.web.events import Streams
from lagmon.web.server import WebServer
from tests.lagmon.builders import CLUSTER, NOON, TRACE, at, group, part
from tests.lagmon.web.serving import PATIENT, close

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lagmon.model import PartitionLag
    from lagmon.webconfig.live import LiveWebConfig

LINKS = Links(
    jaeger="http://jaeger.example:16686",
    runbook="https://runbooks.example/{rule}",
    reaches=(Reach(CLUSTER, "kafka-1:9092,kafka-2:9092"),),
)
HOSTILE = '<script>alert(1)</script>\u202egpj.exe\x00\x1b[31m"onmouseover="x'
POLL_SECONDS = 10.0
MINUTES = 70  # more than is kept


def blocked(lag: int, now: float) -> GroupLag:
    """Give a group of which one partition stands and the others move."""
    ages = (Age(610, Method.HISTORY, 5), Age(0.4, Method.HISTORY, 5))
    owners = [Member(f"game-{name}", f"game-{name}", f"/10.0.0.{name}") for name in (7, 8)]
    rows: list[PartitionLag] = [
        replace(
            part(3, lag - 9, committed=88_412, owner=owners[0], judged=State.BLOCKED),
            age=ages[0],
            since=now - 610,
        )
    ]
    rows += [
        replace(
            part(number, 3, committed=90_100 + number, owner=owners[number % 2], judged=State.OK),
            age=ages[1],
        )
        for number in range(3)
    ]
    reason = "plays[3] has not moved for 10m 10s while game-7 at 10.0.0.7 moves on with others"
    return replace(
        group(lag, "game-consumer", *rows),
        judged=State.BLOCKED,
        since=now - 610,
        reason=reason,
        age=ages[0],
        rate=12.3,
    )


def groups(now: float, step: int, *, hostile: bool) -> tuple[GroupLag, ...]:
    """Give the groups of the story at its minute *step*, one of them with a *hostile* name."""
    stands = max(0, step - MINUTES + 10)
    odd = HOSTILE if hostile else "bonus-payer"
    behind = replace(
        group(340 + 9 * step, "ledger-export", part(0, 340 + 9 * step, topic="game.ledger")),
        judged=State.FALLING_BEHIND,
        since=now - 900,
        reason="the lag grows over the whole window",
        age=Age(95, Method.TIMESTAMPS, None),
        rate=0.4,
    )
    wave = abs(step % 20 - 10) * 31
    return (
        blocked(40 + 310 * stands, now),
        behind,
        replace(group(wave, "mail-sender", part(0, wave, topic="mails")), judged=State.OK),
        group(0, "audit"),
        replace(
            group(7, odd, part(0, 7), members=0), judged=State.STOPPED,
            since=now - 200, reason="no members, and 7 messages wait"
        ),
        replace(group(None, "no-rights", why=Why.GROUP_UNREADABLE, members=None), state=None),
    )  # fmt: skip


def night(now: float = NOON, *, hostile: bool = True) -> Board:
    """Give a board after an hour in which one group got stuck, up to *now*."""
    board = Board("1.0", [CLUSTER])
    for step in range(MINUTES + 1):
        moment = now - 2 - (MINUTES - step) * 60
        lag = ClusterLag(moment, CLUSTER, groups(moment, step, hostile=hostile))
        incidents = []
        if step > MINUTES - 7:
            key = IncidentKey("KafkaConsumerLag", CLUSTER, "game-consumer")
            value = 40.0 + 310 * (step - MINUTES + 10)
            incidents.append(Incident(key, now - 400, now - 385, value, now))
        if MINUTES - 50 < step < MINUTES - 40:
            key = IncidentKey("KafkaConsumerStuck", CLUSTER, "game-consumer")
            began = now - 49 * 60
            incidents.append(Incident(key, began, began + 60, 1.0, began))
        record = OldestRecord(at(3), 88_412, moment - 610, "9f86d081884c7d65", TRACE, size=184)
        board.put(
            Cycle(
                Snapshot(moment, CLUSTER, durations=(StepDuration("ends", 0.04),)),
                lag,
                incidents=tuple(incidents),
                records=(("game-consumer", record),) if incidents else (),
            )
        )
    return board


class Shown:
    """A server with its *board*; *do* runs something where the server runs."""

    def __init__(self, url: str, loop: asyncio.AbstractEventLoop, board: Board) -> None:
        self.url, self.board = url, board
        self._loop = loop

    def do(self, act: Callable[[], None]) -> None:
        """Run *act* in the server's own thread, and wait for its end."""

        async def run() -> None:
            act()

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(30)


@contextmanager
def shown(
    board: Board,
    now: Callable[[], float] = lambda: NOON,
    *,
    streams: Streams | None = None,
    live: LiveWebConfig | None = None,
) -> Iterator[Shown]:
    """Serve *board* on any free port, in a thread with its own loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="pages")
    thread.start()
    streams = streams or Streams()
    app = create_app(board, SHIPPED, LINKS, now, streams=streams)
    server = WebServer(app, "127.0.0.1", 0, live=live, limits=PATIENT)

    async def stop() -> None:
        streams.close()
        await server.stop(5)

    try:
        yield Shown(asyncio.run_coroutine_threadsafe(server.start(), loop).result(30), loop, board)
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        close(loop)
