"""Prometheus: its configuration and rules by promtool, and what promtool cannot compare."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from consumers.metrics import REGISTER as CONSUMERS
from lagmon import cli
from lagmon.alerts.rules import KAFKA_CONSUMER_LAG, SHIPPED
from lagmon.metrics import GROUP_LAG, MAINTENANCE
from lagmon.metrics import REGISTER as LAGMON
from tests.deploy.files import (
    DEPLOY,
    RULE_TESTS,
    RULES,
    RUNBOOKS,
    alerting_rules,
    every_rule,
    listening,
    ours,
    read,
)
from tests.deploy.promql import metrics_of
from tests.infra.require import need

if TYPE_CHECKING:
    from pathlib import Path

    from lagmon.alerts.rules import Rule

CONFIG = DEPLOY / "prometheus/prometheus.yml"
LAGMON_CONFIG = DEPLOY / "lagmon/lagmon.yml"
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
def test_promtool_has_nothing_to_say_about_the_rules(path: Path) -> None:
    """Promtool finds each rule file right, and no rule twice."""
    rules = [rule for group in read(path)["groups"] for rule in group["rules"]]

    said = promtool("check", "rules", path)

    assert f"SUCCESS: {len(rules)} rules found" in said
    assert "duplicate" not in said


@each_rule
def test_each_rule_does_what_its_cases_say(rule: dict[str, Any]) -> None:
    """Each alert has cases under its name, some that fire, and promtool finds them true."""
    cases = RULE_TESTS / f"{rule['alert']}.yml"

    promtool("test", "rules", cases)

    tried = [each for case in read(cases)["tests"] for each in case["alert_rule_test"]]
    assert {each["alertname"] for each in tried} == {rule["alert"]}
    assert any(each["exp_alerts"] for each in tried), "one that fires"
    assert not all(each["exp_alerts"] for each in tried), "one that is silent"


def test_each_file_of_cases_is_that_of_an_alert() -> None:
    """No file of cases is left over from an alert that is no more."""
    alerts = {rule["alert"] for rule in alerting_rules()}

    assert {path.stem for path in RULE_TESTS.glob("*.yml")} == alerts


@pytest.mark.parametrize("rule", every_rule(), ids=lambda rule: str(next(iter(rule.values()))))
def test_a_rule_asks_for_metrics_that_exist(rule: dict[str, Any]) -> None:
    """Every metric in a rule is in the register of one of our services, or recorded by a rule."""
    exported = {metric.name for metric in LAGMON} | {each.name for each in CONSUMERS}
    recorded = {each["record"] for each in every_rule() if "record" in each}

    asked = metrics_of(rule["expr"])

    assert asked
    assert asked <= exported | recorded | FROM_PROMETHEUS


@each_rule
def test_a_rule_says_how_bad_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    """An alert has a code, a severity and a priority, a summary, and a runbook in the docs."""
    runbook = rule["annotations"]["runbook_url"].rsplit("/", 1)[-1]

    assert {"code", "severity", "priority"} <= rule["labels"].keys()
    assert {"summary", "description"} <= rule["annotations"].keys()
    assert runbook == rule["alert"]
    assert (RUNBOOKS / f"{runbook}.md").exists()


def test_the_rules_are_those_that_lagmon_writes(capsys: pytest.CaptureFixture[str]) -> None:
    """The file is, to the letter, what `lagmon rules` makes of lagmon's own configuration."""
    assert cli.main(["rules", "--config", str(LAGMON_CONFIG)]) == 0

    assert (RULES / "lag.yml").read_text() == capsys.readouterr().out


def test_the_limit_of_the_copy_is_that_of_the_page() -> None:
    """Prometheus's rule on the lag compares the group's lag with the limit that lagmon ships.

    It leaves out those that maintenance is for.
    """
    (copy,) = [rule for rule in alerting_rules() if rule["alert"] == KAFKA_CONSUMER_LAG.name]

    by = ", ".join(GROUP_LAG.labels)
    limit = KAFKA_CONSUMER_LAG.condition.threshold
    compared = f"max by ({by}) ({GROUP_LAG.name}) > {limit}"
    quiet = f'{MAINTENANCE.name}{{rule="{KAFKA_CONSUMER_LAG.name}"}}'
    assert copy["expr"] == f"{compared} unless on ({by}) {quiet}"


@pytest.mark.parametrize("ours", SHIPPED, ids=lambda ours: str(ours.name))
def test_the_copy_is_a_copy(ours: Rule) -> None:
    """Prometheus's rule has the time and the labels of the one that lagmon ships, and says so."""
    (copy,) = [rule for rule in alerting_rules() if rule["alert"] == ours.name]

    assert copy["for"] == f"{ours.for_seconds:.0f}s"
    assert copy["labels"] == {
        "code": ours.code,
        "severity": ours.severity.value,
        "priority": ours.priority.value,
        "copy_of": "lagmon",
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
