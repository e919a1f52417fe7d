"""``lagmon notify-test``: send one alert that says it is a test to everybody who would be told.

The alert is real: whoever it is routed to gets it. By default that is nobody who sleeps, since it
has priority P3; with ``--priority P1`` it takes the way of a page. It ends by itself.

PagerDuty, which stands by for Alertmanagers, is told only with ``--pagerduty``: it wakes people
whatever the priority, and there it ends by the hand of whoever was woken.

Exit codes: 0 when every receiver took it; 1 when one did not, or when nobody was told.
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
from lagmon.notify.fallback import About, Action, Event
from lagmon.report import Notice
from lagmon.wording import duration

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from lagmon import notify
    from lagmon.configuration.receivers import PagerDuty
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
    parser.add_argument(
        "--pagerduty",
        action="store_true",
        help="tell PagerDuty too, as if no Alertmanager took anything: it wakes whoever is on call",
    )
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Send as *chosen*; SettingsError if that cannot be."""
    settings = load(chosen.config, bootstrap_servers=chosen.bootstrap_servers)
    wiring.log_aside(settings, "WARNING")  # why a receiver did not take it
    told = asyncio.run(
        send_to_all(settings, Priority(chosen.priority), with_pagerduty=chosen.pagerduty)
    )
    lines = [f"{name}: {outcome}\n" for name, outcome in told]
    if settings.pagerduty is not None and not chosen.pagerduty:
        lines.append(_standing_by(settings, settings.pagerduty, told))
    elif not told:
        lines.append("nobody is told: no Alertmanager and no webhook is configured\n")
    sys.stdout.write("".join(lines))
    return int(not told or any(outcome is not Outcome.SENT for _, outcome in told))


async def send_to_all(
    settings: Settings, priority: Priority, *, with_pagerduty: bool = False
) -> list[tuple[str, Outcome]]:
    """Send to every receiver of *settings* at once; give what became of it, by their names.

    PagerDuty comes last, and only *with_pagerduty*.
    """
    links = replace(wiring.links(settings), runbook="")  # there is nothing to do
    receivers = wiring.receivers(settings, links, HOLDS_SECONDS)
    test = notice(settings.clusters[0].name, priority, time.time())
    sendings = [(each.name, _send(each, [test])) for each in receivers]
    pagerduty = wiring.pagerduty(settings, links)
    if pagerduty is not None and with_pagerduty:
        sendings.append((pagerduty.name, _trigger(pagerduty, test)))
    outcomes = await asyncio.gather(*(sending for _, sending in sendings))
    return [(name, outcome) for (name, _), outcome in zip(sendings, outcomes, strict=True)]


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


def _standing_by(
    settings: Settings, pagerduty: PagerDuty, told: Sequence[tuple[str, Outcome]]
) -> str:
    """Say whether PagerDuty would be told now, and how to try it."""
    alertmanagers = [outcome for _, outcome in told[: len(settings.alertmanagers)]]
    if not alertmanagers:
        when = "would be told at once, as there is no Alertmanager"
    elif Outcome.SENT in alertmanagers:
        when = "would not be told now, as an Alertmanager takes alerts"
    else:
        after = duration(pagerduty.fallback_after)
        when = f"would be told once no Alertmanager has taken anything for {after}"
    return f"pagerduty: {when}; not tried, --pagerduty does\n"


async def _trigger(pagerduty: notify.PagerDuty, test: Notice) -> Outcome:
    key = test.change.incident.key
    try:
        return await pagerduty.send(Event(Action.TRIGGER, About(key.cluster, NAME), (test,)))
    finally:
        await pagerduty.close()


async def _send(receiver: Notifier, notices: Sequence[Notice]) -> Outcome:
    try:
        return await receiver.send(notices)
    finally:
        await receiver.close()
