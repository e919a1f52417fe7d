"""Make the parts out of the settings: what more than one subcommand needs.

Comes in: `Settings`, or where to find them. Goes out: rules, policy, links, notifiers, and the
event that a signal sets. Starts nothing.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from lagmon import notify
from lagmon.alerts.incidents import REMIND_SECONDS
from lagmon.configuration.rule_settings import rules_of
from lagmon.judge.judging import Policy
from lagmon.report import Links, Reach
from lagmon.supervise import GRACE_SECONDS
from propagation.integrations import logs

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable

    from lagmon.alerts.rules import Rule
    from lagmon.configuration.receivers import Receiver
    from lagmon.configuration.settings import Cluster, Settings
    from lagmon.model import IncidentKey
    from lagmon.state.keeper import Keeper

    Covers = Callable[[IncidentKey], bool]

VERSION = version("lagmon")


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Let *parser* take where the settings come from."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings as YAML")
    parser.add_argument(
        "--bootstrap-servers",
        metavar="HOST:PORT[,…]",
        help="watch this one cluster; enough without any other setting",
    )


def rules(settings: Settings) -> tuple[Rule, ...]:
    """Give the rules that hold: the shipped ones as *settings* change them, and one's own."""
    return rules_of(settings.rules)


def policy(settings: Settings) -> Policy:
    """Give what judging is set to do: the same for serving, replaying and looking once."""
    return Policy(
        rules(settings),
        settings.poll_interval,
        settings.peeks_per_cycle,
        settings.judging,
        probe_calls=settings.probes_per_cycle,
        maintenance=tuple(each.window() for each in settings.maintenance),
        named={each.name: frozenset(each.groups.static) for each in settings.clusters},
    )


def with_runbooks(rules: Iterable[Rule], links: Links) -> tuple[Rule, ...]:
    """Give *rules* each with the address of what to do, for where no *links* are known."""
    return tuple(replace(rule, runbook=links.runbook_of(rule)) for rule in rules)


def links(settings: Settings) -> Links:
    """Give where alerts and pages point to."""
    return Links(
        jaeger=settings.links.jaeger or "",
        runbook=settings.links.runbook or "",
        lagmon=settings.web.external_url or "",
        reaches=tuple(map(_reach, settings.clusters)),
    )


def _reach(cluster: Cluster) -> Reach:
    """Say how people reach *cluster*: not whether lagmon's own properties would do for them."""
    secured = any(name.startswith(("security.", "sasl.", "ssl.")) for name in cluster.client)
    return Reach(cluster.name, cluster.bootstrap_servers, secured)


def holds_seconds(settings: Settings) -> float:
    """Give for how long an open alert is declared to hold: past the next few sendings of it."""
    return notify.holding_seconds(
        REMIND_SECONDS, settings.poll_interval, settings.cycle_deadline + GRACE_SECONDS
    )


def access(receiver: Receiver) -> notify.Access:
    """Give what *receiver* wants to see of us."""
    return notify.Access(
        username=receiver.username,
        password_file=receiver.password_file,
        bearer_token_file=receiver.bearer_token_file,
        ca_file=receiver.tls.ca_file,
        cert_file=receiver.tls.cert_file,
        key_file=receiver.tls.key_file,
    )


def receivers(settings: Settings, links: Links, holds_seconds: float) -> list[notify.Notifier]:
    """Give everybody who is told over the network; an alert holds there for *holds_seconds*."""
    alertmanagers = [
        notify.Alertmanager(each.url, links, holds_seconds=holds_seconds, access=access(each))
        for each in settings.alertmanagers
    ]
    webhooks = [
        notify.Webhook(
            each.url,
            links,
            secret_file=each.secret_file,
            holds_seconds=holds_seconds,
            access=access(each),
        )
        for each in settings.webhooks
    ]
    return [*alertmanagers, *webhooks]


def pagerduty(settings: Settings, links: Links) -> notify.PagerDuty | None:
    """Give the PagerDuty of *settings*, if there is one."""
    if (chosen := settings.pagerduty) is None:
        return None
    return notify.PagerDuty(links, routing_key_file=chosen.routing_key_file, url=chosen.url)


def mailboxes(
    settings: Settings, links: Links, keeper: Keeper | None = None, covers: Covers | None = None
) -> list[notify.Box]:
    """Give one box for the log and one for each receiver: nobody waits for another.

    What was paged while no Alertmanager took anything is kept by *keeper*. *covers* tells what is
    no other replica's to tell.
    """
    holds = holds_seconds(settings)
    told = receivers(settings, links, holds)
    names = frozenset(each.name for each in told if isinstance(each, notify.Alertmanager))
    standby = _standby(settings, links, names, keeper, covers)
    heard = standby.heard if standby else None
    mailboxes = [notify.Mailbox(each, heard=heard, covers=covers) for each in told]
    log = notify.Mailbox(notify.Log(), everything=True, covers=covers)
    return [log, *mailboxes, *([standby] if standby else [])]


def _standby(
    settings: Settings,
    links: Links,
    alertmanagers: frozenset[str],
    keeper: Keeper | None,
    covers: Covers | None,
) -> notify.Standby | None:
    receiver, chosen = pagerduty(settings, links), settings.pagerduty
    if receiver is None or chosen is None:
        return None
    policy = notify.Policy(
        alertmanagers,
        after_seconds=chosen.fallback_after,
        holds_seconds=holds_seconds(settings),
        priorities=frozenset(chosen.priorities),
    )
    return notify.Standby(receiver, notify.Fallback(policy), keeper, covers=covers)


def log_aside(settings: Settings, level: str) -> None:
    """Have log lines from *level* on written to stderr: stdout is for the command's own answer."""
    logs.configure(
        "lagmon", version=VERSION, environment=settings.environment, level=level, stream=sys.stderr
    )


def speak(settings: Settings) -> None:
    """Have log lines written to stdout, as *settings* want them."""
    logs.configure(
        "lagmon", version=VERSION, environment=settings.environment, level=settings.log_level
    )


def signalled() -> asyncio.Event:
    """Give an event that the first signal to stop sets; the second one ends the process."""
    stop = asyncio.Event()
    running = asyncio.get_running_loop()

    def ask_to_stop(number: signal.Signals) -> None:
        running.remove_signal_handler(number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        running.add_signal_handler(number, ask_to_stop, number)
    return stop
