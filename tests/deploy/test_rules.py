"""The rules of Prometheus as a whole: what must be there, and what an alert must carry."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import pytest

from consumers.errors import ConsumersError, Unavailable
from consumers.game.answers import settlement_id
from consumers.metrics import register
from tests.deploy.exported import TARGET, exported, recorded
from tests.deploy.files import DEPLOY, RULES, RUNBOOKS, alerting_rules, every_rule
from tests.deploy.promql import metrics_of

HOME = "https://lagmon.example/runbooks"
DASHBOARDS = DEPLOY / "grafana/dashboards"
SEVERITY = {"P0": "critical", "P1": "critical", "P2": "warning", "P3": "info"}
LABELS = {"code", "severity", "priority", "copy_of"}
GROUPED = re.compile(r"\b(?:by|on)\s*\(([^)]*)\)")
MATCHED = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"")
each_rule = pytest.mark.parametrize("rule", alerting_rules(), ids=lambda rule: str(rule["alert"]))


class Mandatory(NamedTuple):
    """An alert that must be there: its number, its code, its priority, and its limit in PromQL."""

    number: int
    code: str
    priority: str
    limit: str


# What every installation must be told of, in the words of the requirement: "P0: API_ERROR_RATE >
# 5% (5xx errors over 5m)" and so on. A changed row needs its reason in the commit.
MANDATORY = [
    Mandatory(1, "API_ERROR_RATE", "P0", r"5m.*> 0\.05$"),
    Mandatory(2, "API_LATENCY_P99", "P1", r"quantile\(0\.99.*> 2$"),
    Mandatory(3, "KAFKA_CONSUMER_LAG", "P1", r"lag_messages\) > 1000 unless"),
    Mandatory(4, "FINTECH_API_ERROR_RATE", "P2", r"> 0\.10$"),
    Mandatory(5, "CERT_EXPIRY", "P3", r"- time\(\) < 30 \* 86400$"),
    Mandatory(6, "K8S_NODE_CPU_HIGH", "P3", r"> 0\.9$"),
]


def by_code(code: str) -> dict[str, Any]:
    """Give the alert with the label *code*."""
    (rule,) = [each for each in alerting_rules() if each["labels"]["code"] == code]
    return rule


def templates(rule: dict[str, Any]) -> str:
    """Give what *rule* says, in one text."""
    return " ".join([*rule["labels"].values(), *rule["annotations"].values()])


@pytest.mark.parametrize("wanted", MANDATORY, ids=lambda row: f"{row.number}-{row.code}")
def test_what_is_mandatory_is_there(wanted: Mandatory) -> None:
    """Each of the six has its code, its priority and its limit."""
    rule = by_code(wanted.code)

    assert rule["labels"]["priority"] == wanted.priority
    assert re.search(wanted.limit, rule["expr"].strip())


def test_there_are_enough_of_them_and_none_twice() -> None:
    """More than twenty alerts, each with a name and a code of its own."""
    names = [rule["alert"] for rule in alerting_rules()]
    codes = [rule["labels"]["code"] for rule in alerting_rules()]

    assert len(names) > 20
    assert len(set(names)) == len(names)
    assert len(set(codes)) == len(codes)


@each_rule
def test_an_alert_says_how_bad_it_is(rule: dict[str, Any]) -> None:
    """It has a code in capitals, and the severity that goes with its priority."""
    labels = rule["labels"]

    assert {"code", "severity", "priority"} <= labels.keys() <= LABELS
    assert re.fullmatch(r"[A-Z0-9]+(_[A-Z0-9]+)*", labels["code"])
    assert re.fullmatch(r"([A-Z][a-z0-9]*)+", rule["alert"])
    assert labels["severity"] == SEVERITY[labels["priority"]]


@each_rule
def test_an_alert_says_what_to_do(rule: dict[str, Any]) -> None:
    """It has a summary, a description, a runbook with a page, and a dashboard that is shipped."""
    said = rule["annotations"]

    assert said["summary"]
    assert said["description"].endswith(".")
    assert said["runbook_url"] == f"{HOME}/{rule['alert']}"
    assert (RUNBOOKS / f"{rule['alert']}.md").exists()
    assert (DASHBOARDS / f"{said['dashboard']}.json").exists()


@each_rule
def test_no_label_holds_a_value(rule: dict[str, Any]) -> None:
    """Labels are what an alert is known by: with a number in one it would be another each time."""
    assert not any("{{" in value for value in rule["labels"].values())


@each_rule
def test_an_alert_speaks_only_of_labels_that_it_has(rule: dict[str, Any]) -> None:
    """What a text takes from `$labels` is left over by the expression: else it would be empty."""
    spoken = set(re.findall(r"\$labels\.(\w+)", templates(rule)))
    grouped = [set(re.findall(r"\w+", found)) for found in GROUPED.findall(rule["expr"])]
    if grouped:
        left = set.union(*grouped)
    else:
        left = set.union(*(labels_of(name) for name in metrics_of(rule["expr"])))

    assert spoken <= left


@pytest.mark.parametrize("rule", every_rule(), ids=lambda rule: str(next(iter(rule.values()))))
def test_a_rule_asks_for_labels_that_exist(rule: dict[str, Any]) -> None:
    """What a rule selects or groups by is a label of what it asks for: another selects nothing."""
    known = set.union(set(TARGET), *(labels_of(name) for name in metrics_of(rule["expr"])))
    grouped = {name for found in GROUPED.findall(rule["expr"]) for name in found.split(", ")}

    assert set(MATCHED.findall(rule["expr"])) <= known
    assert grouped - {""} <= known


def labels_of(name: str) -> set[str]:
    """Give the labels that series called *name* may have."""
    if name in recorded():
        return {"slo"} if name.startswith("slo:") else {"kafka_cluster", "group"}
    return set(exported()[name] | TARGET)


def waits(status: int) -> bool:
    """Say whether the worker keeps a play because the partner answered *status*."""
    try:
        settlement_id(status, b'{"settlement_id": "s-1"}')
    except Unavailable:
        return True
    except ConsumersError:
        return False
    return False


def test_a_partner_fails_where_plays_wait_for_it() -> None:
    """The alert counts the statuses for which the worker waits, and what got no answer at all."""
    rule = by_code("FINTECH_API_ERROR_RATE")
    (failed,) = re.findall(r'status=~"([^"]+)"', rule["expr"])

    counted = {status for status in range(100, 600) if re.fullmatch(failed, str(status))}

    assert counted == {status for status in range(100, 600) if waits(status)}
    assert all(re.fullmatch(failed, ended) for ended in ("timeout", "error"))


def test_what_is_counted_up_to_is_a_bound_of_a_bucket() -> None:
    """Every `le` in a rule is a bound of the histogram that it asks for: another is never there."""
    buckets = {each.name: each.buckets for each in register.REGISTER}
    asked = re.findall(
        r'(\w+)_bucket\{[^}]*\ble="([^"]+)"', " ".join(rule["expr"] for rule in every_rule())
    )

    assert asked
    # Prometheus and its clients write a whole number as 3.0 there.
    assert all(bound == str(float(bound)) for _, bound in asked)
    assert all(float(bound) in buckets[name] for name, bound in asked)


def test_the_limit_of_a_quantile_is_a_bound_of_a_bucket() -> None:
    """At the limit nothing is interpolated: exactly 99 of 100 within 2 s are 2 s."""
    rule = by_code("API_LATENCY_P99")

    (limit,) = re.findall(r"> ([\d.]+)$", rule["expr"].strip())

    assert float(limit) in register.HTTP_SECONDS.buckets


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(RULES.glob("*.yml")) if path.stem != "lag"],  # which is written
    ids=lambda path: str(path.stem),
)
def test_every_waiting_has_its_reason(path: Any) -> None:
    """Each `for` of a file that people write comes after a comment, each alert without has one."""
    for alert in path.read_text().split("- alert: ")[1:]:
        lines = [line.strip() for line in alert.splitlines()]
        waits = [number for number, line in enumerate(lines) if line.startswith("for: ")]

        assert all(lines[number - 1].startswith("#") for number in waits), lines[0]
        assert waits or lines[1].startswith("#"), lines[0]


def test_the_objectives_and_their_windows_are_recorded() -> None:
    """Three objectives; a ratio for each window of the burn rates; and the budget that is left."""
    objectives = {
        rule["labels"]["slo"]: float(rule["expr"].removeprefix("vector(").removesuffix(")"))
        for rule in every_rule()
        if rule.get("record") == "slo:objective"
    }

    assert objectives == {"api-availability": 0.999, "api-latency": 0.99, "end-to-end": 0.99}
    windows = {f"slo:error_ratio:rate{window}" for window in ("5m", "30m", "1h", "6h", "3d")}
    assert windows | {"slo:error_budget_remaining:ratio"} <= recorded()
