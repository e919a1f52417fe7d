"""The page says what the report says, in a form that Prometheus's own tools accept."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from lagmon import metrics
from lagmon.board import advance
from lagmon.exposition.page import Renderer, render
from lagmon.exposition.text import Form
from lagmon.labels import safe
from lagmon.model import Age, IncidentKey, Method, State, Why
from lagmon.readings import MissingRight, Resource, Share, StepDuration
from lagmon.report import ClusterReport, Report, Sent
from tests.infra.require import need
from tests.lagmon.builders import (
    CLUSTER,
    GROUP,
    NOON,
    TOPIC,
    cycle,
    group,
    incident,
    lags,
    offsets,
    part,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric as TheirMetric

    from lagmon.board import Cycle
    from lagmon.model import GroupLag
    from lagmon.readings import PartitionOffsets

Labels = frozenset[tuple[str, str]]

FULL = cycle(
    lags(
        group(1210, GROUP, part(0, 1203), part(1, 7, committed=3, lost=2), unknown=1),
        group(None, "quiet", why=Why.NEVER_COMMITTED, members=None, uncommitted=1),
    ),
    topics=(offsets(0, high=6203, stable=6200), offsets(1, start=5, high=10, stable=10)),
    durations=(StepDuration("groups", 0.25), StepDuration("ends", 0.5)),
    incidents=(incident(),),
    restarts=1,
)


def page(*cycles: Cycle, sent: tuple[Sent, ...] = ()) -> bytes:
    """Render one cluster after *cycles*."""
    report = ClusterReport(CLUSTER)
    for each in cycles:
        report = advance(report, each)
    return render(Report("1.2.3", (report,), sent))


def parsed(text: bytes) -> dict[str, dict[Labels, float]]:
    """Read a page as prometheus_client does; every series must be there once."""
    found: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            series = found.setdefault(sample.name, {})
            labels = frozenset(sample.labels.items())
            assert labels not in series, f"{sample.name}{sample.labels} stands there twice"
            series[labels] = sample.value
    return found


def labels(**pairs: str) -> Labels:
    """Build the labels of a series of the test's cluster."""
    return frozenset({"kafka_cluster": CLUSTER, **pairs}.items())


def partition(number: int) -> Labels:
    """Build the labels of a partition of the test's group."""
    return labels(group=GROUP, topic=TOPIC, partition=str(number))


def test_missing_rights_are_counted_by_kind_while_values_are_shown() -> None:
    """Without a picture of the cluster nobody knows what is missing."""
    missing = (MissingRight(Resource.TOPIC, "plays"), MissingRight(Resource.TOPIC, "fees"))
    seen = replace(FULL, snapshot=replace(FULL.snapshot, missing_rights=missing))
    silent = cycle(lags(error="no answer"))

    counts = parsed(page(seen))["lagmon_missing_rights"]
    gone = parsed(page(seen, *[silent] * 4))

    assert counts[labels(resource="topic")] == len(missing)
    assert counts[labels(resource="cluster")] == 0
    assert "lagmon_missing_rights" not in gone


def test_a_full_page_holds_every_value_of_the_report() -> None:
    """A page reads back, by a parser that is not ours, as exactly the values put in."""
    found = parsed(page(FULL, sent=(Sent("log", "sent", 3),)))

    end, settle, quiet = (
        labels(topic=TOPIC, partition="1"),
        labels(group=GROUP),
        labels(group="quiet"),
    )
    assert found == {
        "lagmon_build_info": {frozenset({("version", "1.2.3")}): 1},
        "lagmon_up": {labels(): 1},
        "lagmon_last_success_timestamp_seconds": {labels(): NOON},
        "lagmon_groups": {labels(): 2},
        "lagmon_missing_rights": {
            labels(resource="cluster"): 0, labels(resource="group"): 0, labels(resource="topic"): 0
        },
        "lagmon_cycles_total": {labels(outcome="ok"): 1},
        "lagmon_collector_restarts_total": {labels(): 1},
        "lagmon_lag_clamped_total": {labels(): 0},
        "lagmon_labels_sanitised_total": {labels(): 0},
        "lagmon_series_dropped": {labels(): 0},
        "lagmon_collect_duration_seconds": {labels(step="ends"): 0.5, labels(step="groups"): 0.25},
        "lagmon_notifications_total": {frozenset({("notifier", "log"), ("outcome", "sent")}): 3},
        "lagmon_incident_open": {
            labels(rule="KafkaConsumerLag", group=GROUP, topic="", partition=""): 1
        },
        "lagmon_topic_partition_start_offset": {labels(topic=TOPIC, partition="0"): 0, end: 5},
        "lagmon_topic_partition_end_offset": {labels(topic=TOPIC, partition="0"): 6203, end: 10},
        "lagmon_topic_partition_open_transaction_messages": {
            labels(topic=TOPIC, partition="0"): 3, end: 0
        },
        "lagmon_group_lag_messages": {settle: 1210},
        "lagmon_group_members": {settle: 2},
        "lagmon_group_unknown_partitions": {settle: 1, quiet: 0},
        "lagmon_group_uncommitted_partitions": {settle: 0, quiet: 1},
        "lagmon_partition_lag_messages": {partition(0): 1203, partition(1): 7},
        "lagmon_partition_committed_offset": {partition(0): 5000, partition(1): 3},
        "lagmon_partition_lost_messages": {partition(1): 2},
    }  # fmt: skip


def test_the_state_of_a_group_is_one_series() -> None:
    """The state that holds is 1, and none of the others is there: a sum over states stays 1."""
    stalled = replace(group(7), judged=State.STALLED)

    states = parsed(page(cycle(lags(stalled))))["lagmon_group_state"]

    assert states == {labels(group=GROUP, state="stalled"): 1}


@pytest.mark.parametrize(("rate", "shown"), [(12.34567, 12.346), (-3.0, -3.0), (0.0, 0.0)])
def test_a_rate_may_be_below_nothing(rate: float, shown: float) -> None:
    """A shrinking lag has a negative rate, told to the thousandth of a message."""
    found = parsed(page(cycle(lags(replace(group(7), rate=rate)))))

    assert found["lagmon_group_lag_rate_messages_per_second"] == {labels(group=GROUP): shown}


def test_every_series_has_the_labels_of_the_register() -> None:
    """Nothing is on a page that the register does not know, with other labels, or untyped."""
    registered = {metric.name: metric for metric in metrics.REGISTER}

    for family in text_string_to_metric_families(page(FULL).decode()):
        for sample in family.samples:
            metric = registered[sample.name]
            assert set(sample.labels) == set(metric.labels)
            assert (family.type, family.documentation) == (metric.kind.value, metric.help)


def test_promtool_has_nothing_to_say() -> None:
    """`promtool check metrics` accepts a full page without a remark."""
    need("promtool", "apt-get install prometheus")

    said = subprocess.run(
        ["promtool", "check", "metrics"],
        input=page(FULL, sent=(Sent("log", "sent", 3),)),
        capture_output=True,
        check=False,
    )

    assert (said.returncode, said.stdout, said.stderr) == (0, b"", b"")


def test_the_same_report_is_the_same_page() -> None:
    """Groups and partitions come in order, whatever order they were read in."""
    first, second = group(1, "a", part(0, 1), part(10, 0), part(9, 0)), group(2, "b")
    mixed = group(1, "a", part(10, 0), part(9, 0), part(0, 1))

    text = page(cycle(lags(second, mixed)))

    assert text == page(cycle(lags(first, second)))
    assert text.index(b'partition="9"') < text.index(b'partition="10"')


def test_before_the_first_cycle_nothing_is_claimed() -> None:
    """A cluster that nobody has asked yet is neither up nor down."""
    assert parsed(render(Report("1.2.3", (ClusterReport(CLUSTER),)))).keys() == {
        "lagmon_build_info"
    }


def test_a_blind_cycle_says_so_and_changes_no_value() -> None:
    """While the last values are kept, only `lagmon_up` and the outcome of cycles differ."""
    seeing, blind = parsed(page(FULL)), parsed(page(FULL, cycle(lags(error="gone"))))

    changed = {name for name in seeing | blind if seeing.get(name) != blind.get(name)}
    assert changed == {
        "lagmon_up", "lagmon_cycles_total", "lagmon_collector_restarts_total",
        "lagmon_incident_open",
    }  # fmt: skip
    assert blind["lagmon_up"] == {labels(): 0}


def test_in_the_end_a_blind_cluster_has_no_lag_series() -> None:
    """After the kept cycles the values are absent, while up, last success and counters stay."""
    found = parsed(page(FULL, *[cycle(lags(error="gone"))] * 4))

    assert not [name for name in found if "lag_messages" in name or "offset" in name]
    assert "lagmon_groups" not in found
    assert found["lagmon_last_success_timestamp_seconds"] == {labels(): NOON}


def series_of(sick: GroupLag) -> set[str]:
    """Name the group's families on the page."""
    return {name for name in parsed(page(cycle(lags(sick)))) if "_group_" in name}


def test_a_group_that_cannot_be_read_has_no_numbers() -> None:
    """Of an unreadable group nothing is known, also not that it has no unknown partitions."""
    assert series_of(group(None, why=Why.GROUP_UNREADABLE, members=None)) == {
        "lagmon_group_errors_total"
    }


def test_uncommitted_partitions_are_not_counted_while_some_cannot_be_asked() -> None:
    """A partition that was uncommitted and cannot be asked now must not turn the count to 0."""
    unasked = part(1, None, committed=None, why=Why.NO_COMMITTED_OFFSET)

    assert "lagmon_group_uncommitted_partitions" not in series_of(
        group(5, GROUP, part(0, 5), unasked, unknown=1)
    )


def test_an_incomplete_list_is_not_counted() -> None:
    """Of a list that lacks a broker's part nobody knows how many groups there are."""
    assert "lagmon_groups" not in parsed(page(cycle(lags(group(), complete=False))))


@pytest.mark.parametrize(
    ("silent", "named"),
    [
        (offsets(start=None, high=None, stable=None), set()),
        (offsets(high=None), {"start_offset"}),
        (offsets(stable=None), {"start_offset", "end_offset"}),
    ],
    ids=["nothing", "no end", "no stable offset"],
)
def test_unknown_offsets_are_absent(silent: PartitionOffsets, named: set[str]) -> None:
    """What a leader did not give has no series, and neither has what would need it."""
    found = parsed(page(cycle(lags(group()), topics=(silent,))))

    topics = "lagmon_topic_partition_"
    assert {name.removeprefix(topics) for name in found if name.startswith(topics)} == named


def test_a_stable_offset_that_is_younger_than_the_end_is_no_negative() -> None:
    """The two are asked one after the other; a gap below 0 is cut."""
    raced = cycle(lags(group()), topics=(offsets(high=10, stable=12),))

    (value,) = parsed(page(raced))["lagmon_topic_partition_open_transaction_messages"].values()
    assert value == 0


def test_maintenance_is_told_by_rule_and_group() -> None:
    """Of a cluster the group is empty, which to Prometheus is the same as none."""
    keys = (IncidentKey("KafkaConsumerLag", CLUSTER, GROUP), IncidentKey("Blind", CLUSTER))

    found = parsed(page(replace(cycle(lags(group(7))), maintenance=keys)))["lagmon_maintenance"]

    assert found == {
        labels(rule="KafkaConsumerLag", group=GROUP): 1,
        labels(rule="Blind", group=""): 1,
    }


def test_an_incident_of_a_partition_names_it() -> None:
    """Partition 0 is a partition, not the lack of one."""
    opened = incident()
    key = IncidentKey("KafkaConsumerLag", CLUSTER, GROUP, TOPIC, 0)
    of_partition = type(opened)(key, NOON, NOON, 1.0, NOON)

    found = parsed(page(cycle(incidents=(of_partition,))))["lagmon_incident_open"]

    assert set(found) == {labels(rule="KafkaConsumerLag", group=GROUP, topic=TOPIC, partition="0")}


HOSTILE = st.text(st.characters(codec=None), min_size=1, max_size=40)


@given(st.lists(HOSTILE, unique=True, max_size=8))
def test_hostile_names_cannot_break_the_page(names: list[str]) -> None:
    """Whatever groups call themselves, each is on the page once under its safe name."""
    found = parsed(page(cycle(lags(*[group(index, name) for index, name in enumerate(names)]))))

    assert found.get("lagmon_group_lag_messages", {}) == {
        labels(group=safe(name)): index for index, name in enumerate(names)
    }


NUMBERS = st.integers(0, 2**63 - 1) | st.sampled_from([0, 999_999, 1_000_000, 10**7, 2**53 + 1])


@given(
    name=HOSTILE,
    lag=NUMBERS,
    committed=NUMBERS,
    lost=st.integers(0, 10**8),
    waited=st.floats(0, 1e12) | st.sampled_from([7, 999_999.9999, 1e6]),
)
def test_the_page_is_what_prometheus_client_writes(
    name: str, lag: int, committed: int, lost: int, waited: float
) -> None:
    """Read by its parser and written by its own hand it is the same, byte for byte."""
    row = replace(
        part(0, lag, topic=name, committed=committed, lost=lost),
        age=Age(waited, Method.HISTORY),
    )

    text = page(cycle(lags(group(lag, name, row)), topics=(offsets(high=committed, stable=lost),)))

    class Read:
        """What the parser made of the page."""

        def collect(self) -> Iterator[TheirMetric]:
            """Give each family."""
            return iter(text_string_to_metric_families(text.decode()))

    assert generate_latest(Read()) == text


def test_seconds_stand_beside_the_lag_they_belong_to() -> None:
    """An age is given to the millisecond; 0 is a value, and one that is not known has no series."""
    behind = replace(part(0, 1203), age=Age(41.12345, Method.HISTORY, 2.5))
    done = replace(part(1, 0), age=Age(0.0, Method.CAUGHT_UP))
    members = replace(group(1210, GROUP, behind, done, part(2, 7)), age=behind.age)

    found = parsed(page(cycle(lags(members))))

    assert found["lagmon_partition_lag_seconds"] == {partition(0): 41.123, partition(1): 0.0}
    assert found["lagmon_group_lag_seconds"] == {labels(group=GROUP): 41.123}


def test_partitions_that_become_known_and_unknown_have_their_own_numbers() -> None:
    """Page after page by one renderer: no number stands beside another's name, and none stays."""
    renderer, found = Renderer(), []
    for lag in (5, None, 6):
        rows = (part(0, 1), part(1, lag, why=None if lag else Why.NO_END_OFFSET), part(2, 3))
        put = cycle(lags(group(9, "100%s", *rows), group(0, "z", part(0, 0))))
        report = Report("1.0", (advance(ClusterReport(CLUSTER), put),))
        text = renderer.render(report).make(Form()).decode()
        (family,) = (
            each
            for each in text_string_to_metric_families(text)
            if each.name == metrics.PARTITION_LAG.name
        )
        found.append(
            {
                (sample.labels["group"], sample.labels["partition"]): sample.value
                for sample in family.samples
            }
        )

    always = {("100%s", "0"): 1, ("100%s", "2"): 3, ("z", "0"): 0}
    assert found == [
        always | {("100%s", "1"): 5},
        always,
        always | {("100%s", "1"): 6},
    ]


def test_skipped_partitions_of_deleted_topics_are_counted() -> None:
    """Commits that are left of a deleted topic are no lag, and not passed over in silence."""
    left = [part(number, None, why=Why.TOPIC_DELETED) for number in range(2)]
    some = group(7, GROUP, part(2, 7), *left)

    found = parsed(page(cycle(lags(some, group(0, "whole")))))

    assert found["lagmon_group_deleted_topic_partitions"] == {labels(group=GROUP): 2}
    assert partition(0) not in found["lagmon_partition_lag_messages"]


@pytest.mark.parametrize(
    ("parts", "ratio"),
    [
        ([(60, 0), (10, 0)], 0.6),
        ([(0, None), (0, 100)], 0.0),
        ([(100, 0)], 1.0),
        ([(7, 100)], 7.0),
        ([(120, 20)], 1.5),
        ([(60, 0), (90, None)], 0.6),
        ([(60, None)], None),
        ([(1, 97)], 1 / 3),
    ],
    ids=[
        "the worst counts",
        "nothing unread",
        "the next to be deleted",
        "an empty log",
        "some deleted",
        "a lower bound",
        "the start is not known",
        "no digit is cut off",
    ],
)
def test_how_near_records_are_to_being_deleted(
    parts: list[tuple[int, int | None]], ratio: float | None
) -> None:
    """It is the unread part of what a log holds from *start* to 100, as rules compare it."""
    made = [
        replace(part(number, lag, committed=100 - lag), start=start)
        for number, (lag, start) in enumerate(parts)
    ]

    found = parsed(page(cycle(lags(group(7, GROUP, *made)))))

    expected = {} if ratio is None else {labels(group=GROUP): ratio}
    assert found.get("lagmon_group_retention_ratio", {}) == expected


def test_a_replica_says_what_it_has_and_whether_that_is_certain() -> None:
    """Of several replicas each shows its share; who has all of it says nothing of shares."""
    own, lost = Share((0, 3), 12, 9.0), Share((), 12, 9.0, "late")
    of_cluster = labels(kafka_cluster=CLUSTER)

    def told(share: Share | None) -> list[float | None]:
        shared = replace(FULL, snapshot=replace(FULL.snapshot, owned=share))
        series = parsed(page(shared))
        names = ("lagmon_owned_partitions", "lagmon_replica_confirmed")
        return [series.get(name, {}).get(of_cluster) for name in names]

    assert told(own) == [2, 1]
    assert told(lost) == [0, 0]
    assert told(None) == [None, None]
