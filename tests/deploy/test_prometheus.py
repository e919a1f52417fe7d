"""Prometheus: its configuration and rules by promtool, and what promtool cannot compare."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from consumers.metrics import REGISTER as CONSUMERS
from lagmon.alerts.rules import KAFKA_CONSUMER_LAG
from lagmon.metrics import GROUP_LAG
from lagmon.metrics import REGISTER as LAGMON
from tests.deploy.files import (
    DEPLOY,
    RULE_TESTS,
    RULES,
    RUNBOOKS,
    alerting_rules,
    listening,
    ours,
    read,
)
from tests.deploy.promql import metrics_of
from tests.infra.require import need

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = DEPLOY / "prometheus/prometheus.yml"
FROM_PROMETHEUS = {"up"}
each_rule = pytest.mark.parametrize("rule", alerting_rules(), ids=lambda rule: str(rule["alert"]))


def promtool(*arguments: str | Path) -> str:
    """Run promtool; give what it wrote, or fail with it."""
    program = need("promtool", "apt-get install prometheus")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_configuration_is_one_that_prometheus_takes() -> None:
    """Promtool accepts the configuration from the tree, and finds each of the rule files."""
    said = promtool("check", "config", CONFIG)

    assert f"{len(list(RULES.glob('*.yml')))} rule files found" in said


@pytest.mark.parametrize("path", sorted(RULES.glob("*.yml")), ids=lambda path: str(path.stem))
def test_each_rule_does_what_its_cases_say(path: Path) -> None:
    """Each rule file has cases of the same name, and promtool finds them all true."""
    cases = RULE_TESTS / path.name
    alerts = {rule["alert"] for group in read(path)["groups"] for rule in group["rules"]}

    promtool("test", "rules", cases)

    tried = [each for case in read(cases)["tests"] for each in case["alert_rule_test"]]
    assert alerts == {each["alertname"] for each in tried if each["exp_alerts"]}, "one that fires"
    assert alerts == {each["alertname"] for each in tried if not each["exp_alerts"]}, "one silent"


@each_rule
def test_a_rule_asks_for_metrics_that_exist(rule: dict[str, Any]) -> None:
    """Every metric in a rule stands in the register of one of our services."""
    exported = {metric.name for metric in LAGMON} | {each.name for each in CONSUMERS}

    asked = metrics_of(rule["expr"])

    assert asked
    assert asked <= exported | FROM_PROMETHEUS


@each_rule
def test_a_rule_says_how_bad_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    """An alert has a code, a severity and a priority, a summary, and a runbook in the docs."""
    runbook = rule["annotations"]["runbook_url"].rsplit("/", 1)[-1]

    assert {"code", "severity", "priority"} <= rule["labels"].keys()
    assert {"summary", "description"} <= rule["annotations"].keys()
    assert runbook == rule["alert"]
    assert (RUNBOOKS / f"{runbook}.md").exists()


def test_the_copy_is_a_copy() -> None:
    """Prometheus's rule has the limit, the time and the labels of the one that lagmon ships."""
    (copy,) = [rule for rule in alerting_rules() if rule["alert"] == KAFKA_CONSUMER_LAG.name]
    ours = KAFKA_CONSUMER_LAG

    by = ", ".join(GROUP_LAG.labels)
    assert copy["expr"] == f"max by ({by}) ({GROUP_LAG.name}) > {ours.condition.threshold}"
    assert copy["for"] == f"{ours.for_seconds:.0f}s"
    assert copy["labels"] == {
        "code": ours.code,
        "severity": ours.severity.value,
        "priority": ours.priority.value,
    }


def test_every_service_of_ours_is_scraped() -> None:
    """Each service that keeps running and is built here is scraped at its port."""
    found = {
        f"{name}:{by_name['port']}"
        for job in read(CONFIG)["scrape_configs"]
        for by_name in job.get("dns_sd_configs", [])
        for name in by_name["names"]
    } | {
        target
        for job in read(CONFIG)["scrape_configs"]
        for fixed in job.get("static_configs", [])
        for target in fixed["targets"]
    }

    running = {f"{name}:{port}" for name, each in ours().items() for port in listening(each)}

    assert found == running | {"localhost:9090"}
