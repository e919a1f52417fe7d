"""Labels are made once, right for every name, and forgotten when nobody uses them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from lagmon.exposition.names import GroupNames, Names
from lagmon.labels import LONGEST, safe
from tests.lagmon.builders import at

HOSTILE = st.text(st.characters(codec=None), max_size=300) | st.text(
    '\\\n"{},= \ud800\x00', max_size=9
)


def read(labels: str) -> dict[str, str]:
    """Read *labels* as prometheus_client does."""
    (family,) = text_string_to_metric_families(f"x{labels} 1.0\n")
    (sample,) = family.samples
    return dict(sample.labels)


@given(HOSTILE, HOSTILE, HOSTILE, st.integers(0, 2**31 - 1))
def test_labels_read_back_as_the_safe_names(
    cluster: str, group: str, topic: str, partition: int
) -> None:
    """Whatever strangers call their groups and topics."""
    names = GroupNames(cluster, group)

    whole = {"kafka_cluster": safe(cluster), "group": safe(group)}
    place = {"topic": safe(topic), "partition": str(partition)}
    assert read(names.labels) == whole
    assert read(names.state("ok")) == whole | {"state": "ok"}
    assert read(names.topic(topic)) == whole | {"topic": safe(topic)}
    assert read(names.partition(at(partition, topic))) == whole | place
    assert read(Names(cluster).topic(topic)) == {
        "kafka_cluster": safe(cluster), "topic": safe(topic)
    }  # fmt: skip


@pytest.mark.parametrize(
    "name",
    ['a"b', "a\\", '\\"', "a\nb", "\x1b[31m", "\ud800", "x" * 65_536, '"' * 65_536],
    ids=["quote", "backslash", "both", "line break", "control", "surrogate", "64 kB", "quotes"],
)
def test_a_hostile_name_is_one_bounded_label(name: str) -> None:
    """It stays within its quotes, on its line, and within its length."""
    labels = GroupNames("local", name).labels

    assert read(labels) == {"group": safe(name), "kafka_cluster": "local"}
    assert "\n" not in labels
    assert len(labels) < 2 * LONGEST + 100


def test_labels_that_are_used_are_made_once() -> None:
    """From page to page it is the same string, and no new one."""
    names = Names("local")
    first = names.group("g", 1).partition(at())
    place = names.partition(at())
    names.forget_unused()

    assert names.group("g", 1).partition(at()) is first
    assert names.partition(at()) is place


def test_labels_that_nobody_used_are_forgotten() -> None:
    """Of groups that come and go no more is kept than there are on a page."""
    names = Names("local")
    gone, place = names.group("gone", 1), names.partition(at(7))
    names.forget_unused()
    names.group("other", 1)
    names.forget_unused()

    assert names.group("gone", 1) is not gone
    assert names.partition(at(7)) is not place


def test_partitions_that_are_gone_are_forgotten() -> None:
    """Topics that a group has left do not heap up."""
    names = Names("local")
    group = names.group("g", 2)
    for number in range(3):
        group.partition(at(number))
    names.forget_unused()

    assert names.group("g", 2).size == 0


def test_a_form_is_made_once_for_the_same_labels() -> None:
    """From page to page it is the same string; a partition more makes it a new one."""
    names = Names("local")
    first = names.form("lag", 0, names.group("g", 2).rows([at(0)]))
    names.forget_unused()

    again = names.form("lag", 0, names.group("g", 2).rows([at(0)]))
    more = names.form("lag", 0, names.group("g", 2).rows([at(0), at(1)]))

    assert again is first
    assert more % ("1.0", "2.0") != first % "1.0"
    assert more.count("\n") == 2


def test_forms_that_nobody_used_are_forgotten() -> None:
    """Of groups that come and go no more is kept than there are on a page."""
    names = Names("local")
    labels = names.group("g", 1).rows([at(0)])
    gone = names.form("lag", 7, labels)
    names.forget_unused()
    names.forget_unused()

    assert names.form("lag", 7, labels) is not gone
