"""The dashboards keep to the rules of Grafana's dashboard-linter, said again in `linter`.

Where one is not kept to, the table of exclusions says why.
"""

from __future__ import annotations

import copy
import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.deploy.dashboards import chosen, dashboards, panels, substituted
from tests.deploy.linter import RULES, promql
from tests.infra.require import need

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Rule, dashboard and what is left out, by how it begins: why.
OF_LAGMON = (
    "lagmon's series are chosen by cluster and group; which lagmon read them does not matter"
)
OF_WORKERS = "the services that need it are others than the jobs that are chosen"
OF_MACHINES = "a machine or a page is of no job that is chosen here"
OF_ALL = "an objective is of the whole system: its recorded series have no job and no instance"
OF_THE_API = "the worker's job is chosen here, and requests of players are the API's"
CHOICE = ("target-job", "target-instance")
EXCLUDED = {
    ("template-job", "lagmon-slo", "job"): OF_ALL,
    ("template-instance", "lagmon-slo", "instance"): OF_ALL,
    **{(rule, "lagmon-slo", "slo:"): OF_ALL for rule in CHOICE},
    **{(rule, "lagmon-consumers", "lagmon_"): OF_LAGMON for rule in CHOICE},
    **{(rule, "lagmon-api", "http_client_"): OF_WORKERS for rule in CHOICE},
    **{(rule, "lagmon-api", "consumers_breaker_state"): OF_WORKERS for rule in CHOICE},
    **{(rule, "lagmon-postgres", "consumers_pool_"): OF_WORKERS for rule in CHOICE},
    **{(rule, "lagmon-api", "probe_ssl_"): OF_MACHINES for rule in CHOICE},
    **{(rule, "lagmon-kafka", "node_"): OF_MACHINES for rule in CHOICE},
    **{(rule, "lagmon-trace", "consumers_http_request_"): OF_THE_API for rule in CHOICE},
}


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
    "template-datasource": variable(0, name="source"),
    "template-job": variable(1, multi=False),
    "template-instance": variable(2, allValue=""),
    "template-label-promql": variable(1, query={"query": "up"}),
    "template-on-time-change-reload": variable(1, refresh=1),
    "panel-datasource": lambda board: panels(board)[0].update(datasource={"uid": "mine"}),
    "panel-title-description": lambda board: panels(board)[0].update(description=""),
    "panel-units": lambda board: panels(board)[0]["fieldConfig"]["defaults"].pop("unit"),
    "panel-no-targets": lambda board: panels(board)[0].update(targets=[]),
    "target-logql": of_logs,
    "target-rate-interval": asking("rate(consumers_records_total[5m])"),
    "target-counter-agg": asking('consumers_records_total{job=~"$job"}'),
    "target-job": asking('consumers_in_flight_records{instance=~"$instance"}'),
    "target-instance": asking('consumers_in_flight_records{job=~"$job"}'),
    "uneditable": lambda board: board.update(editable=True),
}


@pytest.mark.parametrize("rule", RULES)
def test_the_dashboards_keep_to_the_rule(rule: str) -> None:
    """No dashboard breaks the rule but where the table says so, and the table says no more."""
    found = {(rule, uid, what) for uid, each in dashboards().items() for what in RULES[rule](each)}
    allowed = {key for key in EXCLUDED if key[0] == rule}

    def covered(key: tuple[str, str, str], by: tuple[str, str, str]) -> bool:
        return key[:2] == by[:2] and key[2].startswith(by[2])

    assert not {each for each in found if not any(covered(each, key) for key in allowed)}
    assert all(any(covered(each, key) for each in found) for key in allowed)


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
