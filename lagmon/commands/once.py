"""``lagmon once``: look at every cluster, print one report, and say by the exit code what it means.

A look takes a few cycles in a row: the first finds the groups, the next answer what that one left
to ask, such as the record that a group stands at. Nobody is told but the terminal.

Exit codes: 0 when nothing pages; 1 when something does, as `lagmon.once` defines it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from lagmon.commands import wiring
from lagmon.configuration.sources import load
from lagmon.judge.judging import Memory, judge
from lagmon.once import Look, at_once, report, still_open, table
from lagmon.readings import Plan
from lagmon.supervise import Collector as Child

if TYPE_CHECKING:
    import argparse

    from lagmon.configuration.settings import Settings
    from lagmon.judge.judging import Policy
    from lagmon.loop import Collector
    from lagmon.model import IncidentKey
    from lagmon.report import Notice

MOST_CYCLES = 20  # an age is narrowed down to a second by then


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command to *commands*."""
    parser = commands.add_parser("once", help="print one report; exit 1 if something pages")
    wiring.add_settings(parser)
    parser.add_argument(
        "--json", action="store_true", help="print a line of JSON a cluster, as replay does"
    )
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Look once as *chosen*; SettingsError if that cannot be."""
    settings = load(chosen.config, bootstrap_servers=chosen.bootstrap_servers)
    wiring.log_aside(settings, "ERROR")  # what fails is in the report; the rest is for who serves
    looks = asyncio.run(look_at_all(settings))
    sys.stdout.write("".join(map(line, looks)) if chosen.json else table(looks))
    return int(any(look.pages for look in looks))


async def look_at_all(settings: Settings) -> list[Look]:
    """Look at every cluster of *settings* at once; give their looks in its order."""
    policy = wiring.policy(settings)
    policy = replace(policy, rules=at_once(policy.rules))
    collectors = [
        Child(settings.collector(cluster), pass_on=_forget) for cluster in settings.clusters
    ]
    try:
        await asyncio.gather(*(collector.start() for collector in collectors))
        return await asyncio.gather(
            *(look_at(one, policy, settings.cycle_deadline) for one in collectors)
        )
    finally:
        await asyncio.gather(*(collector.stop() for collector in collectors))


async def look_at(collector: Collector, policy: Policy, seconds: float) -> Look:
    """Ask *collector* until nothing is left to ask, or for *seconds*, and for one cycle at least.

    A cycle that fails after one that did not ends the look with what is known.
    """
    end = time.monotonic() + seconds
    memory = Memory.of(policy)
    told: dict[IncidentKey, Notice] = {}
    look: Look | None = None
    for _ in range(MOST_CYCLES):
        snapshot = await collector.collect(memory.plan, time.time())
        if look is not None and snapshot.error is not None:
            break
        judged = judge(memory, snapshot, policy)
        memory = judged.memory
        told = still_open(told, judged)
        look = Look(snapshot, judged, tuple(told.values()))
        if memory.plan == Plan() or snapshot.error is not None or time.monotonic() > end:
            break
    assert look is not None
    return look


def line(look: Look) -> str:
    """Write *look* as replay writes a line, and how sure each age is."""
    return json.dumps(report(look), separators=(",", ":"), allow_nan=False) + "\n"


def _forget(_: str) -> None:
    """Drop a log line of the collector: what it failed at is in its snapshot."""
