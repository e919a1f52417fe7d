"""kafka_exporter's names have kafka_exporter's labels and lagmon's values."""

from __future__ import annotations

import re

import pytest

from lagmon.board import advance
from lagmon.exposition.bounds import Exported, Granularity
from lagmon.exposition.compatibility import REGISTER
from lagmon.exposition.page import Renderer
from lagmon.exposition.text import Form
from lagmon.model import Why
from lagmon.report import ClusterReport, Report
from tests.infra.reading import values
from tests.lagmon.builders import CLUSTER, GROUP, TOPIC, cycle, group, lags, offsets, part

PARTS = (
    part(0, 7, committed=100),
    part(1, 3, committed=50),
    part(2, None, committed=None, why=Why.NEVER_COMMITTED),
)
SEEN = cycle(
    lags(group(10, GROUP, *PARTS)),
    topics=(offsets(0, start=5, high=107), offsets(1, high=53), offsets(2, high=None, start=None)),
)
REPORT = Report("1", (advance(ClusterReport(CLUSTER), SEEN),))


def page(granularity: Granularity = Granularity.PARTITION) -> str:
    """Write a page with kafka_exporter's names."""
    return Renderer(Exported(granularity, kafka_exporter=True)).render(REPORT).make(Form()).decode()


def families(text: str) -> set[str]:
    """Name kafka_exporter's families on the page *text*."""
    return set(re.findall(r"^(kafka_\w+)\{", text, flags=re.MULTILINE))


def test_without_being_asked_for_none_is_there() -> None:
    """The names of others are not lagmon's by itself."""
    assert not families(Renderer().render(REPORT).make(Form()).decode())


def test_values_stand_under_both_names() -> None:
    """The same numbers, once under each name."""
    text = page()

    first = {"topic": TOPIC, "partition": "0", "kafka_cluster": CLUSTER}
    mine = first | {"consumergroup": GROUP}
    assert values(text, "kafka_consumergroup_lag", mine) == [7]
    assert values(text, "lagmon_partition_lag_messages", first | {"group": GROUP}) == [7]
    assert values(text, "kafka_consumergroup_current_offset", mine) == [100]
    assert values(text, "kafka_topic_partition_current_offset", first) == [107]
    assert values(text, "kafka_topic_partition_oldest_offset", first) == [5]
    assert values(text, "kafka_consumergroup_members", {"consumergroup": GROUP}) == [2]
    assert values(text, "kafka_topic_partitions", {"topic": TOPIC}) == [3]


def test_sums_are_of_what_is_known() -> None:
    """A partition without a commit is no -1 in them, and has no series of its own."""
    text = page()

    mine = {"consumergroup": GROUP, "topic": TOPIC}
    assert values(text, "kafka_consumergroup_lag_sum", mine) == [10]
    assert values(text, "kafka_consumergroup_current_offset_sum", mine) == [150]
    assert not values(text, "kafka_consumergroup_lag", mine | {"partition": "2"})


def test_each_has_the_labels_of_its_register() -> None:
    """In the order of their names, as everything on the page; all of the register is there."""
    text = page()

    for metric in REGISTER:
        found = re.findall(rf"^{metric.name}\{{(.*)\}} ", text, flags=re.MULTILINE)
        assert found
        for labels in found:
            assert re.findall(r'(\w+)="', labels) == sorted(metric.labels)


@pytest.mark.parametrize(
    ("granularity", "gone"),
    [
        (Granularity.TOPIC, {each for each in REGISTER if "partition" in each.labels}),
        (Granularity.GROUP, {each for each in REGISTER if "topic" in each.labels}),
    ],
)
def test_granularity_holds_for_them_too(granularity: Granularity, gone: set[object]) -> None:
    """No series is finer than what was asked for."""
    left = {metric.name for metric in REGISTER if metric not in gone}

    assert families(page(granularity)) == left - {"kafka_topic_partitions"}
