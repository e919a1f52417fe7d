"""One lagmon from its start to its end: pages that stay up, and under them one watch at a time.

A `Watching` holds what one configuration makes. SIGHUP, or ``POST /-/reload`` where it is allowed,
has the configuration read anew: if it is good, the next watch begins with what a restart would
know, while the pages go on showing what was known last. If it is not, everything stays as it is.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TYPE_CHECKING

import structlog

from lagmon import loop, upkeep
from lagmon.board import Board
from lagmon.clocks import SystemClock
from lagmon.commands import wiring
from lagmon.commands.check import look_through
from lagmon.commands.reloading import Reloads
from lagmon.commands.replicas import Replicas
from lagmon.errors import SettingsError
from lagmon.report import Own
from lagmon.state.handover import Handover
from lagmon.supervise import Collector
from lagmon.web.app import create_app
from lagmon.web.events import Streams
from lagmon.web.lifecycle import Lifecycle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp

    from lagmon.commands.reloading import Turn
    from lagmon.configuration.settings import Settings
    from lagmon.judge.judging import Policy
    from lagmon.notify import Box
    from lagmon.report import Links
    from lagmon.web.server import WebServer

# Read once, at the start: what is bound, and where the memory is, is not changed under a watch.
AT_START = ("web.host", "web.port", "web.config_file", "web.max_connections", "state.path")

SPOKEN = ("environment", "log_level")
TELL_SECONDS = 1.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Watching:
    """What one configuration makes, ready to begin."""

    settings: Settings
    links: Links
    policy: Policy
    collectors: list[Collector]
    mailboxes: list[Box]
    replicas: Replicas

    @classmethod
    def of(cls, settings: Settings, keeper: Handover) -> Watching:
        """Make it of *settings*, with what *keeper* remembers; nothing is started."""
        links = wiring.links(settings)
        replicas = Replicas.of(settings, SystemClock.elapsed)
        return cls(
            settings,
            links,
            wiring.policy(settings),
            [Collector(settings.collector(cluster, shared=True)) for cluster in settings.clusters],
            wiring.mailboxes(settings, links, keeper, replicas.covers),
            replicas,
        )


class Service:
    """Watches by *settings*, and by what *read*, which may block, gives when it is reloaded."""

    def __init__(self, settings: Settings, read: Callable[[], Settings]) -> None:
        self._read = read
        self._clock = SystemClock()
        self._next: tuple[Watching, Turn] | None = None
        self._ended = asyncio.Event()
        # As they are shown: the reading at the start was a good one.
        self._reloaded, self._reloaded_at = True, self._clock.now()
        self._keeper = Handover(settings.state.path, _names(settings))
        self._watching = Watching.of(settings, self._keeper)
        self._board = Board(wiring.VERSION, _names(settings))
        self.streams = Streams()
        self.reloads = Reloads()

    def app(self) -> ASGIApp:
        """Give the pages of what is watched now."""
        now = self._watching
        pages = create_app(
            self._board, now.policy.rules, now.links, self._clock.now, streams=self.streams
        )
        return Lifecycle(pages, self.reloads.ask if now.settings.web.lifecycle else None)

    async def run(self, web: WebServer, stop: asyncio.Event) -> None:
        """Watch, by one configuration after the other, until *stop*; *web* shows the pages."""
        steps = (self._reload(), self._pass_on(stop), self._tell_of_itself(web))
        beside = [asyncio.create_task(step) for step in steps]
        try:
            await self._watch()
            while self._next is not None and not stop.is_set():
                turn = self._take_over(*self._next)
                web.show(self.app())
                turn.answer(good=True)
                await self._watch()
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    async def _watch(self) -> None:
        now = self._watching
        await loop.run(
            now.collectors,
            now.policy,
            self._board,
            now.mailboxes,
            clock=self._clock,
            until=self._ended,
            exported=now.settings.metrics.exported(),
            keeper=self._keeper,
            tenancies=now.replicas.tenancies,
        )

    def _take_over(self, watching: Watching, turn: Turn) -> Turn:
        if attrgetter(*SPOKEN)(watching.settings) != attrgetter(*SPOKEN)(self._watching.settings):
            wiring.speak(watching.settings)
        self._watching, self._next, self._ended = watching, None, asyncio.Event()
        self._board = _continued(self._board, _names(watching.settings))
        log.info("config_reloaded", clusters=list(_names(watching.settings)))
        return turn

    async def _tell_of_itself(self, web: WebServer) -> None:
        while True:
            self._board.report = replace(self._board.report, own=tuple(self._own(web)))
            await self._clock.sleep(TELL_SECONDS)

    def _own(self, web: WebServer) -> Iterator[Own]:
        yield Own(upkeep.CONFIG_RELOADED, int(self._reloaded))
        yield Own(upkeep.CONFIG_RELOADED_AT, self._reloaded_at)
        yield Own(upkeep.WEB_CONFIG_RELOADED, int(web.live.problem is None))
        yield Own(upkeep.WEB_CONNECTIONS, web.connections)
        for why, count in sorted(web.turned_away.items()):
            yield Own(upkeep.WEB_TURNED_AWAY, count, (why,))

    async def _pass_on(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._ended.set()

    async def _reload(self) -> None:
        while True:
            turn = await self.reloads.turn()
            watching = await self._read_anew()
            self._reloaded = watching is not None
            if watching is None:
                turn.answer(good=False)
            else:
                self._reloaded_at = self._clock.now()
                self._next = watching, turn
                self._ended.set()
            await turn.over.wait()

    def _read_good(self) -> Settings:
        settings = self._read()
        look_through(settings)
        return settings

    async def _read_anew(self) -> Watching | None:
        try:
            settings = await asyncio.to_thread(self._read_good)
            watching = Watching.of(settings, self._keeper)
        except SettingsError as error:
            log.error("config_not_reloaded", why=list(error.problems), kept="the last one")
            return None
        except Exception:
            # Whatever it is, it must cost neither the watch that goes on nor the next try.
            log.exception("config_not_reloaded", kept="the last one")
            return None
        if fixed := _only_at_start(self._watching.settings, settings):
            log.warning("config_needs_restart", keys=fixed)
        return watching


def _names(settings: Settings) -> tuple[str, ...]:
    return tuple(cluster.name for cluster in settings.clusters)


def _only_at_start(last: Settings, new: Settings) -> list[str]:
    """Name what differs between *last* and *new* and is not taken over."""
    return [key for key in AT_START if attrgetter(key)(last) != attrgetter(key)(new)]


def _continued(last: Board, names: tuple[str, ...]) -> Board:
    """Give a board for the clusters *names* that shows what *last* showed of them."""
    board = Board(wiring.VERSION, names)
    known = {each.cluster: each for each in last.report.clusters}
    kept = tuple(known.get(each.cluster, each) for each in board.report.clusters)
    board.report, board.page = replace(last.report, clusters=kept), last.page
    board.past |= {name: past for name, past in last.past.items() if name in board.past}
    return board
