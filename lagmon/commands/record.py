"""``lagmon record --out FILE``: append one line for each snapshot, until a signal ends it.

It watches as `lagmon serve` does, so that the same questions are asked, but serves nothing and
tells nobody. Exit codes: 0 after SIGTERM or SIGINT; 1 when FILE cannot be written any more.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from lagmon import loop
from lagmon.board import Board
from lagmon.commands import wiring
from lagmon.configuration.sources import load
from lagmon.recording.tape import Recorded, Tape
from lagmon.supervise import Collector

if TYPE_CHECKING:
    import argparse

    from lagmon.configuration.settings import Settings

log = structlog.get_logger(__name__)


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command to *commands*."""
    parser = commands.add_parser("record", help="append one line of JSON for each snapshot")
    wiring.add_settings(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", required=True, help="append to FILE")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Record as *chosen*; SettingsError if that cannot be."""
    settings = load(chosen.config, bootstrap_servers=chosen.bootstrap_servers)
    wiring.speak(settings)
    try:
        with Tape(chosen.out) as tape:
            return asyncio.run(record(settings, tape))
    except OSError as error:
        log.error("recording_failed", file=str(chosen.out), why=str(error))
        return 1


async def record(settings: Settings, tape: Tape) -> int:
    """Watch every cluster of *settings* and keep on *tape* what comes; OSError if it cannot."""
    stop = wiring.signalled()
    board = Board(wiring.VERSION, (cluster.name for cluster in settings.clusters))
    log.info("recording_started", file=str(tape.path))
    await loop.run(
        [
            Recorded(Collector(settings.collector(cluster)), tape, stop)
            for cluster in settings.clusters
        ],
        wiring.policy(settings),
        board,
        [],
        clock=loop.SystemClock(),
        until=stop,
    )
    log.info("recording_stopped", file=str(tape.path), snapshots=tape.snapshots)
    if tape.failure is not None:
        raise tape.failure
    return 0
