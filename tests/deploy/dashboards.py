"""Reads the shipped dashboards, and asks their queries as Grafana would. Knows no metric."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.deploy.files import DEPLOY, ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

GRAFANA = DEPLOY / "grafana"
FOLDER = GRAFANA / "dashboards"
PAGE = ROOT / "docs/reference/dashboards.md"

# Grafana's own variables. The rate interval is four scrapes, and a step at least.
BUILT_IN = {
    "__rate_interval": "1m",
    "__interval": "15s",
    "__range": "1h",
    "__range_s": "3600",
}
VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)(?::\w+)?\}")


class Query(NamedTuple):
    """One query of a panel: the dashboard's uid, the panel's title, what is asked of whom."""

    dashboard: str
    panel: str
    expression: str
    source: str
    at_once: bool = False


@cache
def dashboards() -> Mapping[str, dict[str, Any]]:
    """Give every dashboard by the name of its file."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def panels(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the panels of *dashboard*, without its rows."""
    return [each for each in dashboard["panels"] if each["type"] != "row"]


def variables(dashboard: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Give the variables of *dashboard* by name."""
    return {each["name"]: each for each in dashboard["templating"]["list"]}


def queries(dashboard: Mapping[str, Any]) -> list[Query]:
    """Give every query of *dashboard*, its panels' and the one of its annotations."""
    asked = [
        Query(
            dashboard["uid"],
            panel["title"],
            target.get("expr", target.get("query")),
            target["datasource"]["type"],
            target.get("instant", False),
        )
        for panel in panels(dashboard)
        for target in panel.get("targets", [])
    ]
    return asked + [
        Query(dashboard["uid"], each["name"], each["target"]["expr"], each["datasource"]["type"])
        for each in dashboard["annotations"]["list"]
        if "target" in each
    ]


def every_query() -> list[Query]:
    """Give every query of every dashboard that goes to Prometheus."""
    return [
        query
        for each in dashboards().values()
        for query in queries(each)
        if query.source == "prometheus"
    ]


def chosen(dashboard: Mapping[str, Any]) -> dict[str, str]:
    """Give what each variable of *dashboard* is replaced by when everything is chosen."""
    return {name: each.get("allValue", "") for name, each in variables(dashboard).items()}


def substituted(expression: str, values: Mapping[str, str]) -> str:
    """Give *expression* with *values* and Grafana's own in the place of variables.

    Raises KeyError for a variable that neither has.
    """
    known = {**BUILT_IN, **values}
    return VARIABLE.sub(lambda found: known[found[1] or found[2]], expression)


def written(path: Path) -> str:
    """Give the text of *path*."""
    return path.read_text()
