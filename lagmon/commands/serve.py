"""``lagmon serve``: watch, judge, page; serve metrics and status until a signal ends it.

Exit codes: 0 after SIGTERM or SIGINT; 1 when the address could not be served.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import structlog

from lagmon import garbage, loop
from lagmon.board import Board
from lagmon.commands import wiring
from lagmon.configuration.sources import load
from lagmon.publish import SWITCH_SECONDS
from lagmon.supervise import Collector
from lagmon.web.app import create_app
from lagmon.web.connections import Limits
from lagmon.web.events import Streams
from lagmon.web.server import WebServer
from lagmon.webconfig.live import LiveWebConfig
from propagation.integrations import logs

if TYPE_CHECKING:
    import argparse

    from lagmon.configuration.settings import Settings

WEB_STOP_SECONDS = 2.0

log = structlog.get_logger(__name__)


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command to *commands*."""
    parser = commands.add_parser("serve", help="watch, judge, page; serve metrics and status")
    wiring.add_settings(parser)
    parser.add_argument(
        "--web.config.file",
        dest="web_config_file",
        metavar="FILE",
        help="TLS, client certificates, passwords: the web configuration file of Prometheus",
    )
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Serve as *chosen*; SettingsError if that cannot be."""
    garbage.look_seldom()
    sys.setswitchinterval(SWITCH_SECONDS)
    settings = load(
        chosen.config,
        bootstrap_servers=chosen.bootstrap_servers,
        web_config_file=chosen.web_config_file,
    )
    return asyncio.run(serve(settings))


async def serve(settings: Settings) -> int:
    """Watch and serve until SIGTERM or SIGINT; give the exit code."""
    logs.configure(
        "lagmon", version=wiring.VERSION, environment=settings.environment, level=settings.log_level
    )
    stop = wiring.signalled()
    clock = loop.SystemClock()
    links, policy, keeper = wiring.links(settings), wiring.policy(settings), wiring.keeper(settings)
    board = Board(wiring.VERSION, (cluster.name for cluster in settings.clusters))
    streams = Streams()
    web = WebServer(
        create_app(board, policy.rules, links, clock.now, streams=streams),
        settings.web.host,
        settings.web.port,
        live=LiveWebConfig(settings.web.config_file),
        limits=Limits(connections=settings.web.max_connections),
    )
    try:
        address = await web.start()
    except OSError as error:
        log.error(
            "service_failed", address=f"{settings.web.host}:{settings.web.port}", why=str(error)
        )
        return 1
    log.info("service_started", address=address)
    try:
        await loop.run(
            [Collector(settings.collector(cluster)) for cluster in settings.clusters],
            policy,
            board,
            wiring.mailboxes(settings, links, keeper),
            clock=clock,
            until=stop,
            exported=settings.metrics.exported(),
            keeper=keeper,
        )
    finally:
        streams.close()
        await web.stop(WEB_STOP_SECONDS)
        log.info("service_stopped")
    return 0
