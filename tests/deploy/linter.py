"""The rules of Grafana's dashboard-linter, said again: each gives what is wrong with a dashboard.

The names are the linter's own. Its two rules that need a parser of a language are in parts left to
those who have one: promtool reads the expressions of `promql`, all at once.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tests.deploy.dashboards import panels, queries, variables
from tests.deploy.promql import metrics_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.deploy.dashboards import Query

    Dashboard = Mapping[str, Any]

SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\{([^}]*)\}(\[[^]]*\])?")
LABEL_VALUES = re.compile(r"label_values\((.+), \w+\)")
RANGE = re.compile(r"\[([^]]*)\]")
COUNTER = re.compile(r"\w+_(?:total|bucket|sum)")
LOKI_LABELS = {"service", "level", "environment"}
STREAMS = re.compile(r'\{(\w+=~?"[^"]*"(?:, )?)+\}( \|=? ?(\w+=)?`[^`]*`)*')
MEASURED = {"timeseries", "stat", "bargauge", "gauge", "state-timeline", "table"}
PROVISIONED = {"loki", "jaeger"}
NEEDS_NO_QUERY = {"text"}


def asked_of(dashboard: Dashboard, source: str) -> list[Query]:
    """Give the queries of *dashboard*'s panels that go to a *source* of that type."""
    titles = {panel["title"] for panel in panels(dashboard)}
    return [each for each in queries(dashboard) if each.source == source and each.panel in titles]


def promql(dashboard: Dashboard) -> list[str]:
    """Give every expression of PromQL in *dashboard*, variables still in it."""
    asked = [each.expression for each in queries(dashboard) if each.source == "prometheus"]
    chosen = [each for each in variables(dashboard).values() if each["type"] == "query"]
    found = [LABEL_VALUES.fullmatch(each["query"]["query"]) for each in chosen]
    return asked + [each[1] for each in found if each]


def template_datasource(dashboard: Dashboard) -> list[str]:
    """Wants a variable by which the source of all metrics is chosen."""
    found = variables(dashboard).get("datasource", {})
    right = {"type": "datasource", "query": "prometheus", "label": "Data source"}
    return [] if found.items() >= right.items() else ["datasource"]


def template_job(dashboard: Dashboard) -> list[str]:
    """Wants a variable of some or all jobs."""
    return _of_targets(dashboard, "job")


def template_instance(dashboard: Dashboard) -> list[str]:
    """Wants a variable of some or all instances."""
    return _of_targets(dashboard, "instance")


def _of_targets(dashboard: Dashboard, name: str) -> list[str]:
    found = variables(dashboard).get(name, {})
    right = {"type": "query", "multi": True, "allValue": ".+", "label": name.capitalize()}
    source = found.get("datasource", {}).get("uid")
    return [] if found.items() >= right.items() and source == "${datasource}" else [name]


def template_label_promql(dashboard: Dashboard) -> list[str]:
    """Wants each variable to ask for the values of a label of some series."""
    asked = [each for each in variables(dashboard).values() if each["type"] == "query"]
    return [each["name"] for each in asked if not LABEL_VALUES.fullmatch(each["query"]["query"])]


def template_on_time_change_reload(dashboard: Dashboard) -> list[str]:
    """Wants each variable to be asked for again when another time is shown."""
    asked = [each for each in variables(dashboard).values() if each["type"] == "query"]
    return [each["name"] for each in asked if each.get("refresh") != 2]


def panel_datasource(dashboard: Dashboard) -> list[str]:
    """Wants each panel and each query to ask the chosen source, or one that is provisioned."""
    allowed = {"${datasource}"} | PROVISIONED
    asking = [panel for panel in panels(dashboard) if panel.get("targets")]
    return [
        panel["title"]
        for panel in asking
        if {part["datasource"]["uid"] for part in (panel, *panel["targets"])} - allowed
    ]


def panel_title_description(dashboard: Dashboard) -> list[str]:
    """Wants each panel to say what it shows."""
    return [
        f"panel {panel['id']}"
        for panel in panels(dashboard)
        if not panel.get("title") or not panel.get("description")
    ]


def panel_units(dashboard: Dashboard) -> list[str]:
    """Wants a unit on each panel that shows numbers."""
    return [
        panel["title"]
        for panel in panels(dashboard)
        if panel["type"] in MEASURED and not panel["fieldConfig"]["defaults"].get("unit")
    ]


def panel_no_targets(dashboard: Dashboard) -> list[str]:
    """Wants each panel to ask for something."""
    silent = [panel for panel in panels(dashboard) if not panel.get("targets")]
    return [panel["title"] for panel in silent if panel["type"] not in NEEDS_NO_QUERY]


def target_logql(dashboard: Dashboard) -> list[str]:
    """Wants Loki to be asked for streams by their labels, and then for lines."""
    return [
        each.panel
        for each in asked_of(dashboard, "loki")
        if not STREAMS.fullmatch(each.expression)
        or set(re.findall(r"(\w+)=~?\"", each.expression)) - LOKI_LABELS
    ]


def target_rate_interval(dashboard: Dashboard) -> list[str]:
    """Wants every range to be the one that holds enough scrapes at any zoom."""
    return [
        each.panel
        for each in asked_of(dashboard, "prometheus")
        if set(RANGE.findall(each.expression)) - {"$__rate_interval"}
    ]


def target_counter_agg(dashboard: Dashboard) -> list[str]:
    """Wants a counter to be asked for as how fast it grows, never for its value."""
    return [
        each.panel
        for each in asked_of(dashboard, "prometheus")
        for name, _, over in SELECTOR.findall(each.expression)
        if COUNTER.fullmatch(name) and not over
    ]


def target_job(dashboard: Dashboard) -> list[str]:
    """Wants each series to be of the chosen jobs."""
    return _unchosen(dashboard, "job")


def target_instance(dashboard: Dashboard) -> list[str]:
    """Wants each series to be of the chosen instances."""
    return _unchosen(dashboard, "instance")


def _unchosen(dashboard: Dashboard, label: str) -> list[str]:
    chosen = f'{label}=~"${label}"'
    wrong = []
    for each in asked_of(dashboard, "prometheus"):
        selectors = [(name, within) for name, within, _ in SELECTOR.findall(each.expression)]
        bare = metrics_of(each.expression.replace("$", "")) - {name for name, _ in selectors}
        if bare or any(chosen not in within for _, within in selectors):
            wrong.append(each.panel)
    return wrong


def uneditable(dashboard: Dashboard) -> list[str]:
    """Wants a dashboard that cannot be changed where the change would be lost."""
    return [] if dashboard.get("editable") is False else ["editable"]


RULES: dict[str, Callable[[Dashboard], list[str]]] = {
    f"{each.__name__.replace('_', '-')}-rule": each
    for each in (
        template_datasource,
        template_job,
        template_instance,
        template_label_promql,
        template_on_time_change_reload,
        panel_datasource,
        panel_title_description,
        panel_units,
        panel_no_targets,
        target_logql,
        target_rate_interval,
        target_counter_agg,
        target_job,
        target_instance,
        uneditable,
    )
}
