"""The dashboards as they are provisioned: files, grid, what they ask, where they lead."""

from __future__ import annotations

import re
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest

from deploy.grafana.source.__main__ import files
from lagmon.configuration.settings import Settings
from tests.deploy.dashboards import (
    FOLDER,
    PAGE,
    chosen,
    dashboards,
    every_query,
    panels,
    substituted,
)
from tests.deploy.exported import TARGET, exported, unknown
from tests.deploy.files import DEPLOY, RUNBOOKS, alerting_rules, read
from tests.deploy.linter import SELECTOR, promql
from tests.deploy.promql import metrics_of

if TYPE_CHECKING:
    from collections.abc import Mapping

UIDS = {
    "lagmon-api",
    "lagmon-consumers",
    "lagmon-kafka",
    "lagmon-postgres",
    "lagmon-trace",
    "lagmon-slo",
}
COLUMNS = 24
RUNBOOK = "https://lagmon.example/runbooks/"
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])")
ALERTS = {rule["alert"]: rule for rule in alerting_rules()}
PART = re.compile(r"_(?:bucket|count|sum)$")  # of a histogram
# What is drawn beside what these alerts look at.
BESIDE = {
    "KafkaClusterBlind": "the brokers that answer Prometheus: is it they, or lagmon's way to them?",
    "KafkaConsumerFallingBehind": "how fast the lag grows, which made the state",
    "LagmonAbsent": "what lagmon last said of its clusters",
    "WorkerAbsent": "what workers had in work",
}
each_dashboard = pytest.mark.parametrize("uid", dashboards())


def runbooks_of(panel: Mapping[str, Any]) -> list[str]:
    """Give the alerts whose runbooks *panel* leads to."""
    return [each["url"].removeprefix(RUNBOOK) for each in panel.get("links", [])]


def test_the_files_are_what_the_source_writes() -> None:
    """The committed files are, to the letter, what `python -m deploy.grafana.source` writes."""
    committed = {path: path.read_text() for path in FOLDER.glob("*.json")}

    assert committed == files()


def test_each_dashboard_keeps_its_address() -> None:
    """The six dashboards have the uids by which alerts and pages name them, one each."""
    assert dashboards().keys() == UIDS
    assert {name for name, each in dashboards().items() if each["uid"] == name} == UIDS
    named = {rule["annotations"]["dashboard"] for rule in ALERTS.values()}
    assert named <= UIDS


@each_dashboard
def test_a_dashboard_can_be_provisioned(uid: str) -> None:
    """A file has no id, no inputs to ask for, a version, and one number for each panel."""
    dashboard = dashboards()[uid]
    ids = [panel["id"] for panel in dashboard["panels"]]

    assert dashboard["id"] is None
    assert dashboard["version"] == 1
    assert not {"__inputs", "__requires", "gnetId"} & dashboard.keys()
    assert len(set(ids)) == len(ids)
    assert len({panel["title"] for panel in panels(dashboard)}) == len(panels(dashboard))


def overlap(one: Mapping[str, int], other: Mapping[str, int]) -> bool:
    """Tell whether two places of the grid have a cell in common."""
    across = one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"]
    return across and one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"]


@each_dashboard
def test_no_panel_lies_upon_another(uid: str) -> None:
    """Every panel lies within the 24 columns of the grid, and on none of the others."""
    places = [panel["gridPos"] for panel in dashboards()[uid]["panels"]]

    assert all(place["x"] >= 0 and place["x"] + place["w"] <= COLUMNS for place in places)
    assert not [pair for pair in combinations(places, 2) if overlap(*pair)]


@each_dashboard
def test_what_a_dashboard_asks_for_is_exported(uid: str) -> None:
    """Every metric is in the register of a service, in the table of an exporter, or recorded."""
    dashboard = dashboards()[uid]
    asked = [substituted(each, chosen(dashboard)) for each in promql(dashboard)]

    assert not {name for each in asked for name in unknown(each)}


def test_a_metric_is_asked_for_by_its_own_labels() -> None:
    """A selector names no label that its metric does not have."""
    wrong = []
    for query in every_query():
        expression = substituted(query.expression, chosen(dashboards()[query.dashboard]))
        for metric, selector, _ in SELECTOR.findall(expression):
            named = set(re.findall(r"(\w+)(?:=~|!~|!=|=)", selector))
            if metric in exported() and (more := named - exported()[metric] - TARGET):
                wrong.append((query.panel, metric, more))

    assert not wrong


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_is_found_on_its_dashboard(name: str) -> None:
    """The dashboard that an alert names marks when it fires; a panel there leads to its runbook."""
    dashboard = dashboards()[ALERTS[name]["annotations"]["dashboard"]]
    (firing,) = [each for each in dashboard["annotations"]["list"] if "target" in each]
    marked = re.search(r'alertname=~"([^"]+)"', firing["target"]["expr"])

    assert marked
    assert name in marked[1].split("|")
    assert any(name in runbooks_of(panel) for panel in panels(dashboard))


@pytest.mark.parametrize("name", sorted(ALERTS.keys() - BESIDE.keys()))
def test_what_an_alert_counts_is_drawn_where_it_leads(name: str) -> None:
    """On the dashboard that an alert names, the panel with its runbook draws what it looks at."""
    asked = metrics_of(ALERTS[name]["expr"])
    dashboard = dashboards()[ALERTS[name]["annotations"]["dashboard"]]
    drawn = {
        metric
        for panel in panels(dashboard)
        if name in runbooks_of(panel)
        for target in panel["targets"]
        for metric in metrics_of(substituted(target["expr"], chosen(dashboard)))
    }

    assert {PART.sub("", each) for each in asked} & {PART.sub("", each) for each in drawn}


@each_dashboard
def test_every_link_to_a_runbook_leads_to_one(uid: str) -> None:
    """What a panel or an annotation names is an alert that exists, with its page."""
    dashboard = dashboards()[uid]
    (firing,) = [each for each in dashboard["annotations"]["list"] if "target" in each]
    marked = set(re.search(r'alertname=~"([^"]+)"', firing["target"]["expr"])[1].split("|"))  # type: ignore[index]
    linked = {name for panel in panels(dashboard) for name in runbooks_of(panel)}

    assert linked | marked <= ALERTS.keys()
    assert all((RUNBOOKS / f"{name}.md").exists() for name in linked)


@each_dashboard
def test_a_limit_is_where_the_alert_is(uid: str) -> None:
    """One of the limits of a panel is a number in the expression of an alert that it leads to.

    Where the alert is on anything above 0, the panel may say how much is much.
    """
    wrong = {}
    for panel in panels(dashboards()[uid]):
        field = panel.get("fieldConfig", {}).get("defaults", {})
        _, *steps = field.get("thresholds", {}).get("steps", [None])
        expressions = " ".join(ALERTS[name]["expr"] for name in runbooks_of(panel))
        numbers = {float(each) for each in NUMBER.findall(expressions)}
        limits = {step["value"] for step in steps}
        if limits and numbers and 0 not in numbers and not limits & numbers:
            wrong[panel["title"]] = limits

    assert not wrong


@each_dashboard
def test_a_panel_with_a_limit_counts_as_its_alert_does(uid: str) -> None:
    """What an alert takes the highest of is not summed up where its limit is drawn.

    Where the alert is on anything above 0 a sum is above 0 as well.
    """
    wrong = []
    for panel in panels(dashboards()[uid]):
        field = panel.get("fieldConfig", {}).get("defaults", {})
        _, *steps = field.get("thresholds", {}).get("steps", [None])
        drawn = " ".join(target.get("expr", "") for target in panel.get("targets", []))
        for expression in [ALERTS[name]["expr"] for name in runbooks_of(panel) if steps]:
            if "0" not in NUMBER.findall(expression):
                highest = "|".join(re.findall(r"max by \([^)]*\) \((\w+)\)", expression)) or "-"
                summed = re.findall(rf"sum ?\((?:max by \([^)]*\) \()?(?:{highest})\b", drawn)
                wrong += [(panel["title"], each) for each in summed]

    assert not wrong


@each_dashboard
def test_a_dashboard_leads_on(uid: str) -> None:
    """Each dashboard leads to the others, to lagmon's page as it is published, and to runbooks."""
    links = {each["title"]: each for each in dashboards()[uid]["links"]}
    shipped = Settings.model_validate(read(DEPLOY / "lagmon/lagmon.yml"))

    assert links["Dashboards of lagmon"]["tags"] == dashboards()[uid]["tags"]
    assert links["lagmon"]["url"] == str(shipped.web.external_url).rstrip("/")
    assert RUNBOOK.startswith(links["Runbooks"]["url"])


def test_a_slow_bucket_shows_its_traces() -> None:
    """What is drawn of the histogram from request to committed write has exemplars."""
    drawn = [
        target["exemplar"]
        for dashboard in dashboards().values()
        for panel in panels(dashboard)
        for target in panel.get("targets", [])
        if "consumers_end_to_end_seconds_bucket" in target.get("expr", "")
    ]

    assert drawn
    assert all(drawn)


@each_dashboard
def test_the_page_lists_every_panel(uid: str) -> None:
    """The page on dashboards has each panel with what it shows, in the words of the panel."""
    _, _, rest = PAGE.read_text().partition(f"`{uid}`")
    section, _, _ = rest.partition("\n## ")
    _, *rows = re.findall(r"^\| (.+?) \| (.+?) \|$", section, re.MULTILINE)

    assert rows == [(each["title"], each["description"]) for each in panels(dashboards()[uid])]
    assert dashboards()[uid]["description"] in section
