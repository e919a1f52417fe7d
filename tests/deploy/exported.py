"""Knows which metrics Prometheus can ask for, and from whom. Pure but for reading the table.

Our services' are those of their registers. Other exporters' stand in `exporters.yml`, each with its
labels: whoever asks for one more adds a row. A name is given as it is asked for: a histogram by its
``_bucket``, ``_sum`` and ``_count``. The labels of a target, `TARGET`, come to all of them.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import Histogram

from consumers.metrics import REGISTER as CONSUMERS
from lagmon.metrics import REGISTER as LAGMON
from lagmon.upkeep import REGISTER as UPKEEP
from tests.deploy.files import every_rule, read
from tests.deploy.promql import metrics_of

if TYPE_CHECKING:
    from collections.abc import Mapping

TABLE = Path(__file__).parent / "exporters.yml"
TARGET = frozenset({"job", "instance"})


@cache
def exporters() -> Mapping[str, Mapping[str, frozenset[str]]]:
    """Give what the exporters that are not ours export: exporter, metric, labels."""
    return {
        exporter: {name: frozenset(labels) for name, labels in metrics.items()}
        for exporter, metrics in read(TABLE).items()
    }


@cache
def ours() -> Mapping[str, frozenset[str]]:
    """Give the metrics of our own services with their labels, by the names that are asked for."""
    found = {metric.name: frozenset(metric.labels) for metric in (*LAGMON, *UPKEEP)}
    for each in CONSUMERS:
        labels = frozenset(each.labels)
        if each.kind is Histogram:
            found |= {f"{each.name}_{part}": labels for part in ("sum", "count")}
            found[f"{each.name}_bucket"] = labels | {"le"}
        else:
            found[each.name] = labels
    return found


@cache
def exported() -> Mapping[str, frozenset[str]]:
    """Give every metric that somebody exports, with its labels."""
    found = dict(ours())
    for metrics in exporters().values():
        found |= metrics
    return found


@cache
def recorded() -> frozenset[str]:
    """Give the names that our rules record."""
    return frozenset(rule["record"] for rule in every_rule() if "record" in rule)


def unknown(expression: str) -> set[str]:
    """Give the names in *expression* that nobody exports and no rule records."""
    return metrics_of(expression) - exported().keys() - recorded()
