"""``lagmon notify-test``: send one alert that says it is a test to everybody who would be told.

The alert is real: whoever it is routed to gets it. By default that is nobody who sleeps, since it
has priority P3; with ``--priority P1`` it takes the way of a page. It ends by itself.

Exit codes: 0 when every receiver took it; 1 when one did not, or when there is none.
"""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from lagmon.alerts.conditions import Condition, Measure
from lagmon.alerts.rules import Priority, Rule, Scope, Severity
from lagmon.commands import wiring
from lagmon.configuration.sources import load
from lagmon.model import Change, Incident, IncidentChange, IncidentKey
from lagmon.notify import Outcome
from lagmon.report import Notice
from propagation.integrations import logs

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from lagmon.configuration.settings import Settings
    from lagmon.notify import Notifier

NAME, CODE = "LagmonNotifyTest", "LAGMON_NOTIFY_TEST"
HOLDS_SECONDS = 60.0  # for which an Alertmanager keeps it
SEVERITY = {
    Priority.P1: Severity.CRITICAL,
    Priority.P2: Severity.WARNING,
    Priority.P3: Severity.INFO,
}


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command to *commands*."""
    parser = commands.add_parser("notify-test", help="send a test alert to every receiver")
    wiring.add_settings(parser)
    parser.add_argument(
        "--priority",
        choices=[each.value for each in Priority],
        default=Priority.P3.value,
        help="P1 wakes whoever is on call; P3 if none is given",
    )
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Send as *chosen*; SettingsError if that cannot be."""
    settings = load(chosen.config, bootstrap_servers=chosen.bootstrap_servers)
    logs.configure(
        "lagmon",
        version=wiring.VERSION,
        environment=settings.environment,
        level="WARNING",  # why a receiver did not take it
        stream=sys.stderr,
    )
    told = asyncio.run(send_to_all(settings, Priority(chosen.priority)))
    if not told:
        sys.stdout.write("nobody is told: no Alertmanager and no webhook is configured\n")
        return 1
    sys.stdout.write("".join(f"{name}: {outcome}\n" for name, outcome in told))
    return int(any(outcome is not Outcome.SENT for _, outcome in told))


async def send_to_all(settings: Settings, priority: Priority) -> list[tuple[str, Outcome]]:
    """Send to every receiver of *settings* at once; give what became of it, by their names."""
    links = replace(wiring.links(settings), runbook="")  # there is nothing to do
    receivers = wiring.receivers(settings, links, HOLDS_SECONDS)
    notices = [notice(settings.clusters[0].name, priority, time.time())]
    outcomes = await asyncio.gather(*(_send(each, notices) for each in receivers))
    return [(each.name, outcome) for each, outcome in zip(receivers, outcomes, strict=True)]


def notice(cluster: str, priority: Priority, now: float) -> Notice:
    """Build the notice of a test with *priority*: about *cluster*, but of no group."""
    rule = Rule(
        name=NAME,
        code=CODE,
        severity=SEVERITY[priority],
        priority=priority,
        scope=Scope.CLUSTER,
        condition=Condition(Measure.STATE),
        for_seconds=0.0,
        title="a test of notifications; there is nothing to do",
    )
    incident = Incident(IncidentKey(NAME, cluster), now, now, 0.0, now)
    return Notice(IncidentChange(Change.OPENED, incident), rule, now)


async def _send(receiver: Notifier, notices: Sequence[Notice]) -> Outcome:
    try:
        return await receiver.send(notices)
    finally:
        await receiver.close()
