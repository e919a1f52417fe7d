"""What stands around the panels: variables, rows, links, the alerts as annotations. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from deploy.grafana.source.parts import PROMETHEUS, RUNBOOKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deploy.grafana.source.parts import Part

COLUMNS: Final = 24
SCHEMA: Final = 42  # of the classic model, since Grafana 12
TAG: Final = "lagmon"
LAGMON: Final = "http://localhost:10308"
EVERY_LABEL: Final = "{{alertname}} {{priority}}"

Row = tuple[str, "Sequence[Part]"]


def chosen(name: str, label: str, asked: str, *, first: str = "") -> Part:
    """Make the variable *name*: some or all of what *asked* gives; *first* is chosen at first."""
    values = [first] if first else ["$__all"]
    return {
        "allValue": ".+",
        "current": {"text": [first] if first else ["All"], "value": values},
        "datasource": PROMETHEUS,
        "includeAll": True,
        "label": label,
        "multi": True,
        "name": name,
        "query": {"query": asked, "refId": name},
        "refresh": 2,  # when the time that is shown changes: what is gone is no choice
        "sort": 1,
        "type": "query",
    }


def job_and_instance(metric: str, job: str) -> list[Part]:
    """Make the variables of those targets that export *metric*; of *job* at first."""
    return [
        chosen("job", "Job", f"label_values({metric}, job)", first=job),
        chosen("instance", "Instance", f'label_values({metric}{{job=~"$job"}}, instance)'),
    ]


def typed(name: str, label: str) -> Part:
    """Make a variable that the reader types."""
    empty = {"text": "", "value": ""}
    return {"current": empty, "label": label, "name": name, "query": "", "type": "textbox"}


def dashboard(
    uid: str,
    title: str,
    description: str,
    *,
    variables: Sequence[Part],
    alerts: Sequence[str],
    rows: Sequence[Row],
) -> dict[str, Any]:
    """Put a dashboard together. While one of *alerts* fires, that is drawn in every graph."""
    source = {
        "current": {"text": "Prometheus", "value": "prometheus"},
        "label": "Data source",
        "name": "datasource",
        "query": "prometheus",
        "type": "datasource",
    }
    return {
        "annotations": {"list": [_by_hand(), _firing(alerts)]},
        "description": description,
        "editable": False,
        "graphTooltip": 1,
        "id": None,
        "links": _links(),
        "panels": _laid_out(rows),
        "refresh": "30s",
        "schemaVersion": SCHEMA,
        "tags": [TAG],
        "templating": {"list": [source, *variables]},
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "title": title,
        "uid": uid,
        "version": 1,
    }


def _by_hand() -> Part:
    return {
        "builtIn": 1,
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "enable": True,
        "hide": True,
        "iconColor": "blue",
        "name": "Annotations & Alerts",
        "type": "dashboard",
    }


def _firing(alerts: Sequence[str]) -> Part:
    names = "|".join(alerts)
    return {
        "datasource": PROMETHEUS,
        "enable": True,
        "iconColor": "red",
        "name": "Firing alerts",
        "tagKeys": "severity,code",
        "target": {
            "expr": f'ALERTS{{alertstate="firing", alertname=~"{names}"}}',
            "interval": "15s",
            "refId": "Anno",
        },
        "textFormat": "{{code}}",
        "titleFormat": EVERY_LABEL,
    }


def _links() -> list[Part]:
    plain = {"asDropdown": False, "includeVars": False, "keepTime": False, "tags": []}
    others = plain | {
        "icon": "external link",
        "keepTime": True,
        "tags": [TAG],
        "targetBlank": False,
        "title": "Dashboards of lagmon",
        "tooltip": "",
        "type": "dashboards",
        "url": "",
    }
    pages = [
        plain
        | {
            "icon": icon,
            "targetBlank": True,
            "title": title,
            "tooltip": tooltip,
            "type": "link",
            "url": url,
        }
        for icon, title, tooltip, url in (
            ("dashboard", "lagmon", "Every group, and each open incident", LAGMON),
            ("doc", "Runbooks", "What to do when an alert fires", RUNBOOKS),
        )
    ]
    return [others, *pages]


def _laid_out(rows: Sequence[Row]) -> list[Part]:
    """Number the panels, and place them from the left in lines that all fit the grid."""
    placed: list[Part] = []
    y = 0
    for title, panels in rows:
        place = {"h": 1, "w": COLUMNS, "x": 0, "y": y}
        placed.append(
            {"collapsed": False, "gridPos": place, "panels": [], "title": title, "type": "row"}
        )
        x, y, tallest = 0, y + 1, 0
        for panel in panels:
            size = panel["gridPos"]
            if x + size["w"] > COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            placed.append(panel | {"gridPos": {**size, "x": x, "y": y}})
            x, tallest = x + size["w"], max(tallest, size["h"])
        y += tallest
    return [{"id": number, **panel} for number, panel in enumerate(placed, 1)]
