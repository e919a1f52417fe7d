"""The command ``lagmon``: read settings, wire the parts together, own the signals.

Exit codes: 0 when it did what was asked, also after SIGTERM; 1 when it could not serve; 2 when the
command line or the settings are wrong, with every problem on standard error.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from lagmon import loop, notify
from lagmon.board import Board
from lagmon.errors import SettingsError
from lagmon.incidents import REMIND_SECONDS
from lagmon.report import Links
from lagmon.rules import Override, configured
from lagmon.sources import load
from lagmon.supervise import GRACE_SECONDS, Collector
from lagmon.web.app import create_app
from lagmon.web.server import WebServer
from propagation.integrations import logs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lagmon.rules import Rule
    from lagmon.settings import Settings

VERSION = version("lagmon")
WEB_STOP_SECONDS = 2.0

log = structlog.get_logger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with *arguments*, those of the process by default; give the exit code."""
    chosen = _parser().parse_args(arguments)
    try:
        settings = load(chosen.config, bootstrap_servers=chosen.bootstrap_servers)
    except SettingsError as error:
        for problem in error.problems:
            sys.stderr.write(f"lagmon: {problem}\n")
        return 2
    if chosen.command == "check-config":
        sys.stdout.write(f"{chosen.config}: good, {_what(settings)}\n")
        return 0
    return asyncio.run(serve(settings, _rules(settings)))


async def serve(settings: Settings, rules: tuple[Rule, ...]) -> int:
    """Watch and serve until SIGTERM or SIGINT; give the exit code."""
    logs.configure(
        "lagmon", version=VERSION, environment=settings.environment, level=settings.log_level
    )
    stop = _signalled()
    clock = loop.SystemClock()
    links = _links(settings)
    board = Board(VERSION, (cluster.name for cluster in settings.clusters))
    web = WebServer(
        create_app(board, rules, links, clock.now), settings.web.host, settings.web.port
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
            loop.Policy(rules, settings.poll_interval, settings.peeks_per_cycle),
            board,
            _mailboxes(settings, links),
            clock=clock,
            until=stop,
        )
    finally:
        await web.stop(WEB_STOP_SECONDS)
        log.info("service_stopped")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lagmon", description="Watch Kafka consumer lag.")
    parser.add_argument("--version", action="version", version=f"lagmon {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serving = commands.add_parser("serve", help="watch, judge, page; serve metrics and status")
    serving.add_argument("--config", type=Path, metavar="FILE", help="settings as YAML")
    serving.add_argument(
        "--bootstrap-servers",
        metavar="HOST:PORT[,…]",
        help="watch this one cluster; enough without any other setting",
    )
    checking = commands.add_parser("check-config", help="say what is wrong with a settings file")
    checking.add_argument("config", type=Path, metavar="FILE")
    checking.set_defaults(bootstrap_servers=None)
    return parser


def _rules(settings: Settings) -> tuple[Rule, ...]:
    overrides = {
        name: Override(override.threshold, override.for_seconds)
        for name, override in settings.rules.items()
    }
    return configured(overrides)


def _what(settings: Settings) -> str:
    names = ", ".join(cluster.name for cluster in settings.clusters)
    return f"clusters: {names}; Alertmanagers: {len(settings.alertmanagers)}"


def _links(settings: Settings) -> Links:
    return Links(
        jaeger=settings.links.jaeger or "",
        runbook=settings.links.runbook or "",
        lagmon=settings.web.external_url or "",
    )


def holds_seconds(settings: Settings) -> float:
    """Give for how long an open alert is declared to hold: past the next few sendings of it."""
    return notify.holding_seconds(
        REMIND_SECONDS, settings.poll_interval, settings.cycle_deadline + GRACE_SECONDS
    )


def _mailboxes(settings: Settings, links: Links) -> list[notify.Mailbox]:
    notifiers: list[notify.Notifier] = [notify.Log()]
    holds = holds_seconds(settings)
    notifiers += [
        notify.Alertmanager(each.url, links, holds_seconds=holds) for each in settings.alertmanagers
    ]
    return [notify.Mailbox(notifier) for notifier in notifiers]


def _signalled() -> asyncio.Event:
    """Give an event that the first signal to stop sets; the second one ends the process."""
    stop = asyncio.Event()
    running = asyncio.get_running_loop()

    def ask_to_stop(number: signal.Signals) -> None:
        running.remove_signal_handler(number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        running.add_signal_handler(number, ask_to_stop, number)
    return stop
