"""Prometheus: its configuration and rules by promtool, and what promtool cannot compare."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lagmon import cli
from lagmon.alerts.rules import KAFKA_CONSUMER_LAG, SHIPPED
from lagmon.metrics import GROUP_LAG, MAINTENANCE
from tests.deploy.exported import TARGET, exported, recorded, unknown
from tests.deploy.files import (
    DEPLOY,
    RULE_TESTS,
    RULES,
    alerting_rules,
    every_rule,
    listening,
    ours,
    read,
    services,
)
from tests.deploy.promql import metrics_of
from tests.deploy.unittested import tried_by_file
from tests.infra.require import need

if TYPE_CHECKING:
    from lagmon.alerts.rules import Rule

CONFIG = DEPLOY / "prometheus/prometheus.yml"
LAGMON_CONFIG = DEPLOY / "lagmon/lagmon.yml"
INSTALL = "apt-get install prometheus"
RECORDED = {"ErrorBudget"}  # cases of what is recorded, beside those of the alerts
SERIES = re.compile(r"^([\w:]+)(.*)$")
LABEL = re.compile(r'(\w+)="')
each_cases = pytest.mark.parametrize(
    "path", sorted(RULE_TESTS.glob("*.yml")), ids=lambda path: str(path.stem)
)
each_rule = pytest.mark.parametrize("rule", alerting_rules(), ids=lambda rule: str(rule["alert"]))


def promtool(*arguments: str | Path) -> str:
    """Run promtool; give what it wrote, or fail with it."""
    program = need("promtool", INSTALL)
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_configuration_is_one_that_prometheus_takes() -> None:
    """Promtool accepts the configuration from the tree, and finds each of the rule files."""
    said = promtool("check", "config", CONFIG)

    assert f"{len(list(RULES.glob('*.yml')))} rule files found" in said


@pytest.fixture(scope="module")
def checked() -> dict[str, str]:
    """Give what promtool says about each file of rules, by its name."""
    said = promtool("check", "rules", *sorted(RULES.glob("*.yml")))
    parts = re.split(r"^Checking (\S+)$", said, flags=re.MULTILINE)
    return {Path(path).stem: text for path, text in zip(parts[1::2], parts[2::2], strict=True)}


@pytest.fixture(scope="module")
def tried() -> dict[str, str]:
    """Give what promtool says about each file of cases, by its name. It tries them all at once."""
    return tried_by_file(sorted(RULE_TESTS.glob("*.yml")))


@pytest.mark.parametrize("path", sorted(RULES.glob("*.yml")), ids=lambda path: str(path.stem))
def test_promtool_has_nothing_to_say_about_the_rules(path: Path, checked: dict[str, str]) -> None:
    """Promtool finds each rule file right, and no rule twice."""
    rules = [rule for group in read(path)["groups"] for rule in group["rules"]]

    assert f"SUCCESS: {len(rules)} rules found" in checked[path.stem]
    assert "duplicate" not in checked[path.stem]


@each_cases
def test_the_cases_are_true(path: Path, tried: dict[str, str]) -> None:
    """Promtool finds every case of each file to be as it says."""
    assert tried[path.stem].strip() == "SUCCESS"


@each_rule
def test_each_rule_has_cases_that_fire_and_cases_that_do_not(rule: dict[str, Any]) -> None:
    """Each alert has cases under its name: it fires, it ends, and it stays silent throughout."""
    cases = [
        [each["exp_alerts"] for each in case.get("alert_rule_test", [])]
        for case in read(RULE_TESTS / f"{rule['alert']}.yml")["tests"]
    ]

    assert any(case and not case[0] and any(case) for case in cases), "one that begins to fire"
    assert any(case and not any(case) for case in cases), "one that never fires"
    assert any(case and any(case) and not case[-1] for case in cases), "one that ends"


@each_cases
def test_the_cases_are_about_their_alert(path: Path) -> None:
    """A file of cases asks for the alert that it is named after, and for no other."""
    asked = {
        each["alertname"]
        for case in read(path)["tests"]
        for each in case.get("alert_rule_test", [])
    }

    assert asked == {path.stem} - RECORDED


@each_cases
def test_a_case_is_made_of_what_is_exported(path: Path) -> None:
    """Each series of a case has a name and labels that somebody exports, or a rule records."""
    for case in read(path)["tests"]:
        for given in case["input_series"]:
            (name, braces), labels = SERIES.findall(given["series"])[0], LABEL.findall
            known = exported().get(name, {"slo"} if name in recorded() else None)
            assert known is not None, name
            assert set(labels(braces)) <= known | TARGET, given["series"]


def test_each_file_of_cases_is_that_of_an_alert() -> None:
    """No file of cases is left over from an alert that is no more."""
    alerts = {rule["alert"] for rule in alerting_rules()}

    assert {path.stem for path in RULE_TESTS.glob("*.yml")} == alerts | RECORDED


@pytest.mark.parametrize("rule", every_rule(), ids=lambda rule: str(next(iter(rule.values()))))
def test_a_rule_asks_for_metrics_that_exist(rule: dict[str, Any]) -> None:
    """Every metric in a rule is exported by a service or by an exporter, or recorded by a rule."""
    assert metrics_of(rule["expr"]) or rule["expr"].startswith("vector(")
    assert unknown(rule["expr"]) == set()


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
    """Each service that keeps running and has our image is scraped at its port."""
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

    assert running <= found


def test_a_job_in_a_rule_is_one_that_is_scraped() -> None:
    """Each job that a rule names stands in the configuration: nobody else's series would fit."""
    jobs = {job["job_name"] for job in read(CONFIG)["scrape_configs"]}

    named = {job for rule in every_rule() for job in re.findall(r'job="([^"]+)"', rule["expr"])}

    assert {"game-api", "game-consumer", "kafka", "lagmon", "postgres"} <= named
    assert named <= jobs


def test_prometheus_remembers_for_as_long_as_a_rule_looks_back() -> None:
    """The stack keeps samples for longer than the longest window of a rule."""
    (kept,) = re.findall(r"retention\.time=(\d+)d", " ".join(services()["prometheus"]["command"]))

    windows = {
        int(days) for rule in every_rule() for days in re.findall(r"\[(\d+)d\]", rule["expr"])
    }

    assert max(windows) == 30
    assert int(kept) > max(windows)
