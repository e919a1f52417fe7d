"""The pages about alerts and objectives say what the rules say."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.deploy.files import ROOT, RULES, alerting_rules, every_rule, read

ALERTS = (ROOT / "docs/reference/alerts.md").read_text()
OBJECTIVES = (ROOT / "docs/explanation/objectives.md").read_text()
ROW = re.compile(r"^\| (?=\S)(.*) \|$", re.MULTILINE)
HOURS = {"m": 1 / 60, "h": 1, "d": 24}
MONTH_HOURS = 30 * 24
each_rule = pytest.mark.parametrize("rule", alerting_rules(), ids=lambda rule: str(rule["alert"]))


def rows(page: str) -> list[list[str]]:
    """Give the cells of every row of every table of *page*."""
    return [[cell.strip() for cell in row.split("|")] for row in ROW.findall(page)]


def hours(length: str) -> float:
    """Give the hours of a length of time as PromQL writes it."""
    return float(length[:-1]) * HOURS[length[-1]]


@each_rule
def test_the_page_has_each_alert(rule: dict[str, Any]) -> None:
    """Its row has code, priority, waiting, what it is told on for, dashboard and runbook."""
    name = rule["alert"]
    (row,) = [each for each in rows(ALERTS) if each[0].startswith(f"[`{name}`]")]

    link, code, priority, words, waits, keeps, dashboard = row

    assert link == f"[`{name}`](../runbooks/{name}.md)"
    assert (code, priority) == (f"`{rule['labels']['code']}`", rule["labels"]["priority"])
    assert words
    assert (waits, keeps) == (rule.get("for", ""), rule.get("keep_firing_for", ""))
    assert dashboard == f"`{rule['annotations']['dashboard']}`"


@each_rule
def test_the_page_has_what_each_alert_asks(rule: dict[str, Any]) -> None:
    """Below its name stands the expression, to the letter."""
    block = f"### {rule['alert']}\n\n```promql\n{rule['expr'].strip()}\n```\n"

    assert block in ALERTS


def test_the_page_has_no_other() -> None:
    """Nothing is told of an alert that is no more, in the table or below it, in one order."""
    names = [rule["alert"] for path in in_order() for rule in rules_of(path)]

    assert re.findall(r"^\| \[`(\w+)`\]", ALERTS, re.MULTILINE) == names
    assert re.findall(r"^### (\w+)$", ALERTS, re.MULTILINE) == names


def in_order() -> list[str]:
    """Give the files of rules as the page goes through them."""
    order = ["lag", "lagmon", "api", "consumers", "postgres", "kafka", "host", "certificates"]
    assert {*order, "slo"} == {path.stem for path in RULES.glob("*.yml")}
    return [*order, "slo"]


def rules_of(stem: str) -> list[dict[str, Any]]:
    """Give the alerts of one file."""
    groups = read(RULES / f"{stem}.yml")["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def test_the_objectives_are_those_that_are_recorded() -> None:
    """The table promises what `slo:objective` says."""
    recorded = {
        rule["labels"]["slo"]: rule["expr"]
        for rule in every_rule()
        if rule.get("record") == "slo:objective"
    }

    promised = {
        name.strip("`"): f"vector({float(part.removesuffix(' %')) / 100:.4g})"
        for name, part, *_ in rows(OBJECTIVES)
        if part.endswith("%") and name.strip("`") in recorded
    }

    assert promised == recorded


def test_the_arithmetic_of_burn_rates_is_right() -> None:
    """Each row: what is gone by the end of the long window, when all is, and the short window."""
    steps = [row for row in rows(OBJECTIVES) if re.fullmatch(r"[\d.]+", row[0])]

    for rate, long, short, spent, gone, _ in steps:
        assert float(rate) * hours(long) / MONTH_HOURS == pytest.approx(float(spent[:-2]) / 100)
        assert MONTH_HOURS / float(rate) == pytest.approx(float(gone[:-2]))
        assert hours(short) * 12 == pytest.approx(hours(long))

    assert len(steps) == 3


def test_the_burn_rates_are_those_of_the_rules() -> None:
    """Each row is in the expression of its alert: the factor, with both of its windows."""
    steps = [row for row in rows(OBJECTIVES) if re.fullmatch(r"[\d.]+", row[0])]
    asked = {rule["alert"]: rule["expr"] for rule in alerting_rules()}

    for rate, long, short, _, _, alert in steps:
        factor = "1 - slo:objective" if rate == "1" else f"{rate} * (1 - slo:objective)"
        pair = f"rate{long} > {factor} and slo:error_ratio:rate{short} > {factor}"
        assert f"slo:error_ratio:{pair}" in asked[alert.strip("`")]
