"""``lagmon serve``: watch, judge, page; serve metrics and status until a signal ends it.

Exit codes: 0 after SIGTERM or SIGINT; 1 when the address could not be served.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING

import structlog

from lagmon import garbage
from lagmon.commands import wiring
from lagmon.commands.service import Service
from lagmon.configuration.sources import load
from lagmon.exposition.publish import SWITCH_SECONDS
from lagmon.web.connections import Limits
from lagmon.web.server import WebServer
from lagmon.webconfig.live import LiveWebConfig

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

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
    garbage.give_back()
    sys.setswitchinterval(SWITCH_SECONDS)
    read = partial(
        load,
        chosen.config,
        bootstrap_servers=chosen.bootstrap_servers,
        web_config_file=chosen.web_config_file,
    )
    return asyncio.run(serve(read(), read))


async def serve(settings: Settings, read: Callable[[], Settings]) -> int:
    """Watch and serve until SIGTERM or SIGINT; give the exit code. SIGHUP has *read* called."""
    wiring.speak(settings)
    service, stop = Service(settings, read), wiring.signalled()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, service.reloads.ask)
    web = WebServer(
        service.app(),
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
        await service.run(web, stop)
    finally:
        service.streams.close()
        await web.stop(WEB_STOP_SECONDS)
        log.info("service_stopped")
    return 0
