"""The parts of a dashboard as Grafana's classic JSON model has them. Pure: values in, values out.

A query of Prometheus goes to the data source that the reader has chosen, ``${datasource}``; logs
and traces go to those that are provisioned. Units are Grafana's own names for them.
"""

from __future__ import annotations

from typing import Any, Final

PROMETHEUS: Final = {"type": "prometheus", "uid": "${datasource}"}
LOKI: Final = {"type": "loki", "uid": "loki"}
JAEGER: Final = {"type": "jaeger", "uid": "jaeger"}
RUNBOOKS: Final = "https://lagmon.example/runbooks"
GREEN, YELLOW, RED = "green", "yellow", "red"

Part = dict[str, Any]


def query(expression: str, legend: str = "", *, now: bool = False, exemplars: bool = False) -> Part:
    """Ask Prometheus for *expression* over the time that is shown, or for its value *now*."""
    return {
        "datasource": PROMETHEUS,
        "editorMode": "code",
        "exemplar": exemplars,
        "expr": expression,
        "format": "table" if now else "time_series",
        "instant": now,
        "legendFormat": legend or "__auto",
        "range": not now,
    }


def steps(*limits: float, below: bool = False) -> Part:
    """Give the colours of a value: green, then yellow and red, or red alone, from *limits* on.

    With *below* a value is bad below the only limit.
    """
    if below:
        colours = [(RED, None), (GREEN, limits[0])]
    else:
        worse = [YELLOW, RED][-len(limits) :] if limits else []
        colours = [(GREEN, None), *zip(worse, limits, strict=True)]
    return {
        "mode": "absolute",
        "steps": [{"color": colour, "value": value} for colour, value in colours],
    }


def graph(
    title: str,
    description: str,
    unit: str,
    *queries: Part,
    limits: tuple[float, ...] = (),
    stacked: bool = False,
    width: int = 8,
    alerts: tuple[str, ...] = (),
    leads: tuple[Part, ...] = (),
) -> Part:
    """Draw lines over time; the last of *limits* is drawn as well. *alerts* name their runbooks.

    Each line *leads* to pages about what it stands for.
    """
    custom = {
        "drawStyle": "line",
        "fillOpacity": 30 if stacked else 10,
        "lineWidth": 1,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"group": "A", "mode": "normal" if stacked else "none"},
        "thresholdsStyle": {"mode": "dashed" if limits else "off"},
    }
    options = {
        "legend": {
            "calcs": ["lastNotNull", "max"],
            "displayMode": "table",
            "placement": "bottom",
            "showLegend": True,
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    field = {"color": {"mode": "palette-classic"}, "custom": custom, "unit": unit}
    field |= {"links": list(leads), "thresholds": steps(*limits)}
    return _panel(
        "timeseries",
        title,
        description,
        queries,
        size=(width, 8),
        field=field,
        options=options,
        alerts=alerts,
    )


def number(
    title: str,
    description: str,
    unit: str,
    *queries: Part,
    limits: tuple[float, ...] = (),
    below: bool = False,
    width: int = 4,
    alerts: tuple[str, ...] = (),
) -> Part:
    """Show the last value, coloured by *limits*; with *below* it is bad below them."""
    options = {
        "colorMode": "value",
        "graphMode": "area",
        "justifyMode": "auto",
        "orientation": "auto",
        "percentChangeColorMode": "standard",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "showPercentChange": False,
        "textMode": "auto",
        "wideLayout": True,
    }
    field = {
        "color": {"mode": "thresholds"},
        "thresholds": steps(*limits, below=below),
        "unit": unit,
    }
    return _panel(
        "stat",
        title,
        description,
        queries,
        size=(width, 4),
        field=field,
        options=options,
        alerts=alerts,
    )


def bars(
    title: str,
    description: str,
    unit: str,
    *queries: Part,
    limits: tuple[float, ...] = (),
    below: bool = False,
    width: int = 8,
) -> Part:
    """Show one bar for each series, as long as its last value."""
    options = {
        "displayMode": "basic",
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": False},
        "maxVizHeight": 300,
        "minVizHeight": 16,
        "minVizWidth": 8,
        "namePlacement": "auto",
        "orientation": "horizontal",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "showUnfilled": True,
        "sizing": "auto",
        "valueMode": "color",
    }
    field = {
        "color": {"mode": "thresholds"},
        "min": 0,
        "thresholds": steps(*limits, below=below),
        "unit": unit,
    }
    return _panel(
        "bargauge", title, description, queries, size=(width, 8), field=field, options=options
    )


def states(
    title: str, description: str, *queries: Part, width: int = 12, alerts: tuple[str, ...] = ()
) -> Part:
    """Draw one row for each series, coloured while it is 1."""
    shown = {"0": {"color": "transparent", "index": 0, "text": " "}, "1": {"index": 1, "text": " "}}
    options = {
        "alignValue": "left",
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": False},
        "mergeValues": True,
        "rowHeight": 0.9,
        "showValue": "never",
        "tooltip": {"mode": "single", "sort": "none"},
    }
    field = {
        "color": {"mode": "palette-classic"},
        "custom": {"fillOpacity": 70, "lineWidth": 0},
        "mappings": [{"options": shown, "type": "value"}],
        "unit": "none",
    }
    return _panel(
        "state-timeline",
        title,
        description,
        queries,
        size=(width, 8),
        field=field,
        options=options,
        alerts=alerts,
    )


def listing(title: str, description: str, *queries: Part, hide: tuple[str, ...] = ()) -> Part:
    """Show a table with one line for each series, without the columns *hide*."""
    field = {"custom": {"align": "auto", "inspect": False}, "unit": "none"}
    panel = _panel(
        "table",
        title,
        description,
        queries,
        size=(12, 8),
        field=field,
        options={"showHeader": True},
    )
    panel["options"] |= {"cellHeight": "sm", "frameIndex": 0}
    hidden = dict.fromkeys(("Time", "Value", "__name__", "instance", "job", *hide), True)
    organised = {"excludeByName": hidden, "indexByName": {}, "renameByName": {}}
    return panel | {"transformations": [{"id": "organize", "options": organised}]}


def logs(title: str, description: str, expression: str, *, width: int = 24) -> Part:
    """Show the lines of the logs that Loki finds by *expression*."""
    asked = {"datasource": LOKI, "editorMode": "code", "expr": expression, "queryType": "range"}
    options = {
        "dedupStrategy": "none",
        "enableLogDetails": True,
        "prettifyLogMessage": False,
        "showCommonLabels": False,
        "showLabels": False,
        "showLogContextToggle": True,
        "showTime": True,
        "sortOrder": "Ascending",
        "wrapLogMessage": True,
    }
    panel = _panel(
        "logs", title, description, (asked,), size=(width, 10), field={}, options=options
    )
    return panel | {"datasource": LOKI}


def trace(title: str, description: str, trace_id: str) -> Part:
    """Show the spans of *trace_id* as Jaeger has them."""
    asked = {"datasource": JAEGER, "query": trace_id}
    panel = _panel("traces", title, description, (asked,), size=(24, 14), field={}, options={})
    return panel | {"datasource": JAEGER}


def text(title: str, description: str, markdown: str, *, width: int = 8, height: int = 8) -> Part:
    """Show *markdown*, in which variables are filled in."""
    panel = _panel("text", title, description, (), size=(width, height), field={}, options={})
    del panel["datasource"], panel["fieldConfig"], panel["targets"]
    return panel | {"options": {"content": markdown, "mode": "markdown"}}


def _panel(
    kind: str,
    title: str,
    description: str,
    queries: tuple[Part, ...],
    *,
    size: tuple[int, int],
    field: Part,
    options: Part,
    alerts: tuple[str, ...] = (),
) -> Part:
    links = [
        {
            "asDropdown": False,
            "icon": "doc",
            "includeVars": False,
            "keepTime": False,
            "tags": [],
            "targetBlank": True,
            "title": f"Runbook: {alert}",
            "tooltip": "",
            "type": "link",
            "url": f"{RUNBOOKS}/{alert}",
        }
        for alert in alerts
    ]
    return {
        "datasource": PROMETHEUS,
        "description": description,
        "fieldConfig": {"defaults": field, "overrides": []},
        "gridPos": {"h": size[1], "w": size[0]},
        "links": links,
        "options": options,
        "targets": [{**each, "refId": chr(65 + n)} for n, each in enumerate(queries)],
        "title": title,
        "type": kind,
    }
