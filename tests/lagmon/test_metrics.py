"""The register keeps to Prometheus's naming rules."""

from __future__ import annotations

import re

import pytest

from lagmon import upkeep
from lagmon.metrics import REGISTER, Kind, Metric

each_metric = pytest.mark.parametrize(
    "metric", [*REGISTER, *upkeep.REGISTER], ids=lambda metric: metric.name
)


def test_the_register_is_sorted_and_each_name_is_in_it_once() -> None:
    """A page in the order of the register is a page in the order of names."""
    names = [metric.name for metric in REGISTER]

    assert names == sorted(set(names))


@each_metric
def test_a_name_says_what_it_counts(metric: Metric) -> None:
    """Names start with the exporter's, and `_total` ends those of counters and no others."""
    assert re.fullmatch(r"lagmon_[a-z_]+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)


@each_metric
def test_help_is_one_sentence(metric: Metric) -> None:
    """Help is one line that ends with a full stop and needs no escaping."""
    assert re.fullmatch(r"[^\n\\]{10,100}\.", metric.help)


@each_metric
def test_labels_do_not_collide_with_those_of_a_target(metric: Metric) -> None:
    """`cluster`, `env`, `job` and the like belong to whoever scrapes."""
    forbidden = {"cluster", "env", "instance", "job", "region", "service", "type", "zone"}

    assert not forbidden & set(metric.labels)
    assert len(set(metric.labels)) == len(metric.labels)
