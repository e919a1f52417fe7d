"""The dashboards keep to the rules of Grafana's dashboard-linter, said again in `linter`.

Where one is not kept to, the linter's own file of exclusions says why.
"""

from __future__ import annotations

import copy
import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.deploy.dashboards import FOLDER, chosen, dashboards, panels, substituted
from tests.deploy.files import read
from tests.deploy.linter import RULES, promql
from tests.infra.require import need

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EXCLUSIONS = FOLDER / ".lint"  # where the linter looks for what it is to leave out


def broken(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Give a dashboard with one *change*."""
    dashboard = copy.deepcopy(dashboards()["lagmon-api"])
    change(dashboard)
    return dashboard


def of_logs(dashboard: dict[str, Any]) -> None:
    """Have the first panel ask Loki by a label that it has not."""
    asked = {"datasource": {"type": "loki", "uid": "loki"}, "expr": '{trace_id="a"}'}
    panels(dashboard)[0]["targets"] = [asked]


def asking(expression: str) -> Callable[[dict[str, Any]], object]:
    """Have the first panel ask for *expression*."""
    return lambda board: panels(board)[0]["targets"][0].update(expr=expression)


def variable(number: int, **changed: object) -> Callable[[dict[str, Any]], object]:
    """Have the variable of that *number* *changed*."""
    return lambda board: board["templating"]["list"][number].update(changed)


WRONG: dict[str, Callable[[dict[str, Any]], object]] = {
    "template-datasource-rule": variable(0, name="source"),
    "template-job-rule": variable(1, multi=False),
    "template-instance-rule": variable(2, allValue=""),
    "template-label-promql-rule": variable(1, query={"query": "up"}),
    "template-on-time-change-reload-rule": variable(1, refresh=1),
    "panel-datasource-rule": lambda board: panels(board)[0].update(datasource={"uid": "mine"}),
    "panel-title-description-rule": lambda board: panels(board)[0].update(description=""),
    "panel-units-rule": lambda board: panels(board)[0]["fieldConfig"]["defaults"].pop("unit"),
    "panel-no-targets-rule": lambda board: panels(board)[0].update(targets=[]),
    "target-logql-rule": of_logs,
    "target-rate-interval-rule": asking("rate(consumers_records_total[5m])"),
    "target-counter-agg-rule": asking('consumers_records_total{job=~"$job"}'),
    "target-job-rule": asking('consumers_in_flight_records{instance=~"$instance"}'),
    "target-instance-rule": asking('consumers_in_flight_records{job=~"$job"}'),
    "uneditable-rule": lambda board: board.update(editable=True),
}


def excluded(rule: str) -> list[dict[str, str]]:
    """Give what is left out of *rule*: a dashboard by its title or one panel of it, and why."""
    entries: list[dict[str, str]]
    entries = read(EXCLUSIONS)["exclusions"].get(rule, {}).get("entries", [])
    return entries


@pytest.mark.parametrize("rule", RULES)
def test_the_dashboards_keep_to_the_rule(rule: str) -> None:
    """No dashboard breaks the rule but where an exclusion says why; none is for nothing."""
    found = {(each["title"], what) for each in dashboards().values() for what in RULES[rule](each)}
    entries = excluded(rule)

    def covers(entry: dict[str, str], title: str, what: str) -> bool:
        return entry["dashboard"] == title and entry.get("panel", what) == what

    assert not {each for each in found if not any(covers(entry, *each) for entry in entries)}
    assert all(any(covers(entry, *each) for each in found) for entry in entries)
    assert all(entry["reason"] for entry in entries)


def test_only_rules_that_there_are_are_excluded() -> None:
    """The exclusions are of rules of the linter, by its names for them."""
    assert read(EXCLUSIONS)["exclusions"].keys() <= RULES.keys()


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_finds_what_is_wrong(rule: str) -> None:
    """Each rule has nothing against a dashboard that keeps to it, and something after a change."""
    before = RULES[rule](dashboards()["lagmon-api"])

    assert RULES[rule](broken(WRONG[rule])) != before


def test_promtool_can_read_every_expression(tmp_path: Path) -> None:
    """Every expression of every dashboard, its variables filled in, is PromQL."""
    expressions = sorted(
        {
            substituted(each, chosen(dashboard))
            for dashboard in dashboards().values()
            for each in promql(dashboard)
        }
    )
    rules = [{"record": f"a:{n}", "expr": each} for n, each in enumerate(expressions)]
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "all", "rules": rules}]}))

    promtool = need("promtool", "apt-get install prometheus")
    done = subprocess.run(
        [promtool, "check", "rules", path], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules)} rules found" in done.stdout
