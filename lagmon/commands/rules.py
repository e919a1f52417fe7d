"""``lagmon rules``: write the rules for Prometheus with their tests, and what inhibits what.

Without ``--out`` the rule file goes to standard output. With it there are three files in that
folder: ``lagmon.yml``, ``lagmon-test.yml`` for ``promtool test rules``, and
``alertmanager-inhibit.yml``. Without ``--config`` the shipped rules hold, whatever the environment.

Exit codes: 0 when all was written; 1 when a file could not be. A rule that Prometheus cannot be
given, or that finds no series where ``metrics.granularity`` is coarse, is named on standard error.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lagmon.alerts.rulefile import inhibit_rules, rule_file, text, unfed, unwritten
from lagmon.alerts.ruletests import rule_tests
from lagmon.commands import wiring
from lagmon.configuration.settings import Cluster, Settings
from lagmon.configuration.sources import load
from lagmon.exposition.bounds import Granularity

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from lagmon.alerts.rules import Rule

NOBODY = Cluster(name="unnamed", bootstrap_servers="localhost:9092")  # is never asked
RULES, TESTS, INHIBIT = "lagmon.yml", "lagmon-test.yml", "alertmanager-inhibit.yml"


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command to *commands*."""
    parser = commands.add_parser("rules", help="write the rules for Prometheus, with their tests")
    parser.add_argument("--config", type=Path, metavar="FILE", help="rules and settings as YAML")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write three files there")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Write as *chosen*; SettingsError if the configuration is wrong."""
    settings = (
        load(chosen.config, unnamed=NOBODY) if chosen.config else Settings(clusters=(NOBODY,))
    )
    rules = wiring.with_runbooks(wiring.rules(settings), wiring.links(settings))
    for said in _said(rules, settings.metrics.granularity):
        sys.stderr.write(f"lagmon: {said}\n")
    named = {each.name: tuple(each.groups.static) for each in settings.clusters}
    written = {
        RULES: text(rule_file(rules, named)),
        TESTS: text(rule_tests(rules, RULES)),
        INHIBIT: text({"inhibit_rules": inhibit_rules()}),
    }
    if chosen.out is None:
        sys.stdout.write(written[RULES])
        return 0
    return _write(chosen.out, written)


def _said(rules: Sequence[Rule], granularity: Granularity) -> Iterator[str]:
    """Say of which *rules* Prometheus will know nothing, or not all."""
    for name in unwritten(rules):
        yield f"{name}: not written: states of partitions are no metrics"
    if granularity is Granularity.PARTITION:
        return
    why = f"metrics.granularity is {granularity}; series of partitions need partition"
    for name in unfed(rules):
        yield f"{name}: never fires in Prometheus: {why}"
    for rule in rules:
        if rule.alive_only:
            yield f"{rule.name}: misses groups that commit without members in Prometheus: {why}"


def _write(folder: Path, files: dict[str, str]) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_text(content, encoding="utf-8")
    except OSError as error:
        sys.stderr.write(f"lagmon: {error.filename}: cannot be written: {error.strerror}\n")
        return 1
    return 0
