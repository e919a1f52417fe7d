"""``lagmon doctor``: look at all that lagmon would need, and say whether to go live.

Nothing is changed anywhere: no commit, no topic, no alert. Every target comes from the settings.
Clusters and receivers are asked at once, so that it takes as long as the slowest of them.

Exit codes: 0 go live; 1 do not, something has failed, or with ``--strict`` there is a warning.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING

from lagmon import notify
from lagmon.board import Cycle, advance
from lagmon.commands import check, wiring
from lagmon.configuration.sources import load
from lagmon.doctor import clusters, sheet, surroundings, trials
from lagmon.doctor.asking import examine
from lagmon.doctor.findings import cleaned, goes_live
from lagmon.exposition.page import Renderer
from lagmon.judge.lag import measure
from lagmon.notify import inquiry
from lagmon.readings import Plan
from lagmon.report import ClusterReport, Report
from lagmon.supervise import Collector

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from lagmon.configuration.settings import Cluster, Settings
    from lagmon.doctor.examination import Examination
    from lagmon.doctor.findings import Finding
    from lagmon.readings import Snapshot

CYCLES = 3  # what may be hidden is asked beside the rest, and may be told in the next one
PAUSE_SECONDS = 0.5


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command to *commands*."""
    parser = commands.add_parser("doctor", help="say whether to go live, and what is in the way")
    wiring.add_settings(parser)
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.add_argument("--strict", action="store_true", help="take warnings for failures")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Look as *chosen*; SettingsError if that cannot be."""
    settings = load(chosen.config, bootstrap_servers=chosen.bootstrap_servers)
    check.look_through(settings)
    wiring.log_aside(settings, "ERROR")  # what fails is a finding
    findings = cleaned(asyncio.run(look_at_all(settings)), trials.secrets(settings))
    write = sheet.as_json if chosen.json else sheet.table
    sys.stdout.write(write(findings, strict=chosen.strict))
    return int(not goes_live(findings, strict=chosen.strict))


async def look_at_all(settings: Settings) -> list[Finding]:
    """Look at everything that *settings* name; give the findings in their order."""
    found = [
        surroundings.of_settings(
            len(settings.clusters),
            len(wiring.rules(settings)),
            len(settings.maintenance),
            len(trials.files(settings)),
        )
    ]
    looks, receivers = await asyncio.gather(_of_clusters(settings), _of_receivers(settings))
    return [*found, *looks, *receivers, trials.of_state(settings.state.path)]


async def _of_clusters(settings: Settings) -> list[Finding]:
    looks = await asyncio.gather(*(_look_at(settings, one) for one in settings.clusters))
    found: list[Finding] = []
    for cluster, (snapshot, examined) in zip(settings.clusters, looks, strict=True):
        peeks = settings.peeks_per_cycle > 0
        found += clusters.of_cluster(cluster, snapshot, examined, peeks=peeks)
    if all(snapshot.error is None for snapshot, _ in looks):
        found.append(_of_page(settings, [snapshot for snapshot, _ in looks]))
    return found


def _of_page(settings: Settings, snapshots: Sequence[Snapshot]) -> Finding:
    reports = [advance(ClusterReport(one.cluster), Cycle(one, measure(one))) for one in snapshots]
    renderer = Renderer(settings.metrics.exported())
    page = renderer.render(Report(wiring.VERSION, tuple(reports)))
    return surroundings.of_page(page.series, renderer.dropped, settings.metrics.max_series)


async def _look_at(settings: Settings, cluster: Cluster) -> tuple[Snapshot, Examination]:
    theirs = settings.collector(cluster)
    # Of all groups, and no member of those who share them: that would be a change.
    collector = Collector(theirs, pass_on=_forget)
    examining = asyncio.create_task(examine(settings.collector(cluster, shared=True)))
    try:
        await collector.start()
        snapshot = await collector.collect(Plan(), time.time())
        for _ in range(CYCLES - 1):
            if snapshot.error is not None:
                break
            await asyncio.sleep(PAUSE_SECONDS)
            snapshot = await collector.collect(Plan(), time.time())
        return snapshot, await examining
    finally:
        examining.cancel()
        await collector.stop()


async def _of_receivers(settings: Settings) -> list[Finding]:
    managers = [inquiry.alertmanager(one.url, wiring.access(one)) for one in settings.alertmanagers]
    others = [
        inquiry.reached("webhook", one.url, wiring.access(one), one.secret_file)
        for one in settings.webhooks
    ]
    if (pager := settings.pagerduty) is not None:
        others.append(
            inquiry.reached("pagerduty", pager.url, notify.Access(), pager.routing_key_file)
        )
    if not managers and not others:
        return [surroundings.of_nobody()]
    holds = wiring.holds_seconds(settings)
    answered, reached = await asyncio.gather(asyncio.gather(*managers), asyncio.gather(*others))
    found = [each for one in answered for each in surroundings.of_alertmanager(one, holds)]
    return found + [each for one in reached for each in surroundings.of_other(one)]


def _forget(_: str) -> None:
    """Drop a log line of the collector: what it failed at is in its snapshot."""
