"""A page has no more series than it may, and what is left out matters least."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lagmon.board import advance
from lagmon.exposition import bounds
from lagmon.exposition.bounds import Exported, Granularity
from lagmon.exposition.page import Renderer
from lagmon.exposition.text import Form
from lagmon.model import Age, GroupLag, Method, State, Why
from lagmon.report import ClusterReport, Report
from tests.infra.reading import values
from tests.lagmon.builders import CLUSTER, cycle, group, lags, offsets, part

TOPICS = ("fees", "plays")


def report(*groups: GroupLag, topics: int = 0) -> Report:
    """Give a report of *groups*, and of so many partitions of *topics*."""
    told = tuple(offsets(number) for number in range(topics))
    return Report("1", (advance(ClusterReport(CLUSTER), cycle(lags(*groups), topics=told)),))


def of(name: str, lag: int, state: State = State.OK, parts: int = 2) -> GroupLag:
    """Give a group with some partitions, each with a lag, an age and a commit."""
    age = Age(float(lag), Method.HISTORY)
    rows = [replace(part(number, lag), age=age) for number in range(parts)]
    return replace(group(lag * parts, name, *rows), judged=state)


def page(of_what: Report, exported: Exported) -> tuple[str, int]:
    """Write a page; give it with how many series it has."""
    made = Renderer(exported).render(of_what)
    return made.make(Form()).decode(), made.series


def with_partitions(text: str) -> list[str]:
    """Name the groups that have their partitions on the page *text*, in order."""
    rows = [line for line in text.splitlines() if line.startswith("lagmon_partition_lag_messages")]
    return sorted({line.partition('group="')[2].partition('"')[0] for line in rows})


def test_where_there_is_room_nothing_is_left_out() -> None:
    """And the page says so: 0 is a value."""
    text, _ = page(report(of("a", 1), of("b", 2)), Exported())

    assert with_partitions(text) == ["a", "b"]
    assert values(text, "lagmon_series_dropped") == [0]


@pytest.mark.parametrize(
    ("missing", "kept", "dropped"),
    [
        (0, ["calm", "late", "lost", "stuck"], 0),
        (1, ["late", "lost", "stuck"], 6),
        (6, ["late", "lost", "stuck"], 6),
        (7, ["lost", "stuck"], 12),
        (13, ["lost"], 18),
        (24, [], 24),
    ],
)
def test_the_least_bad_groups_lose_their_partitions_first(
    missing: int, kept: list[str], dropped: int
) -> None:
    """By state, then by how much lag there is; their own rows stay, and what is cut is counted."""
    told = report(
        of("calm", 0), of("late", 5000), of("lost", 1, State.LOST), of("stuck", 9, State.STALLED)
    )
    _, whole = page(told, Exported())

    text, series = page(told, Exported(max_series=whole - missing))

    assert with_partitions(text) == kept
    assert values(text, "lagmon_series_dropped") == [dropped]
    assert series == whole - dropped
    assert len(values(text, "lagmon_group_lag_messages")) == 4
    assert len(values(text, "lagmon_group_state")) == 4


def test_a_group_that_is_too_large_leaves_the_room_to_others() -> None:
    """All of its partitions or none: part of them would be half a sum."""
    told = report(of("huge", 9, State.LOST, parts=50), of("small", 0))
    _, whole = page(told, Exported())

    text, _ = page(told, Exported(max_series=whole - 10))

    assert with_partitions(text) == ["small"]
    assert values(text, "lagmon_series_dropped") == [150]


def test_groups_of_much_the_same_lag_do_not_take_turns() -> None:
    """A lag that moves a little does not make other series come and go each cycle."""
    room = Exported(max_series=page(report(of("a", 700), of("b", 800)), Exported())[1] - 1)

    kept = [
        with_partitions(page(report(of("a", first), of("b", second)), room)[0])
        for first, second in ((700, 800), (800, 700), (750, 751))
    ]

    assert kept == [["a"]] * 3


def test_offsets_of_topics_go_when_they_alone_are_too_many() -> None:
    """Then the partitions of the groups have the room."""
    told = report(of("a", 1), topics=100)

    text, _ = page(told, Exported(max_series=100))

    assert with_partitions(text) == ["a"]
    assert not values(text, "lagmon_topic_partition_end_offset")
    assert values(text, "lagmon_series_dropped") == [300]


PARTS = st.builds(
    lambda number, topic, lag, age, committed, lost: replace(
        part(number, lag, topic=topic, committed=committed, lost=lost, why=None),
        age=None if age is None else Age(age, Method.HISTORY),
    ),
    st.integers(0, 50),
    st.sampled_from(TOPICS),
    st.none() | st.integers(0, 10**6),
    st.none() | st.floats(0, 1e6),
    st.none() | st.integers(0, 10**9),
    st.integers(0, 3),
)
GROUPS = st.lists(
    st.builds(
        lambda name, parts, state: replace(
            group(sum(row.lag or 0 for row in parts), name, *parts), judged=state
        ),
        st.sampled_from("abcdefgh"),
        st.lists(PARTS, unique_by=lambda row: row.at, min_size=1, max_size=6),
        st.none() | st.sampled_from(State),
    ),
    unique_by=lambda one: one.group,
    max_size=6,
)


@given(
    groups=GROUPS,
    topics=st.integers(0, 20),
    granularity=st.sampled_from(Granularity),
    compatible=st.booleans(),
    room=st.integers(0, 120),
)
def test_what_is_counted_is_what_is_left_out(
    groups: list[GroupLag], topics: int, granularity: Granularity, *, compatible: bool, room: int
) -> None:
    """The page has the series of the whole one less those counted, and no more than it may."""
    told = report(*groups, topics=topics)
    names = Exported(granularity, kafka_exporter=compatible)
    _, whole = page(told, names)
    _, stays = page(told, replace(names, max_series=0))

    text, series = page(told, replace(names, max_series=room))

    (dropped,) = values(text, "lagmon_series_dropped")
    assert series == whole - dropped
    assert series <= max(room, stays)


@pytest.mark.parametrize(
    ("granularity", "finest"),
    [
        (Granularity.GROUP, {"lagmon_group_lag_messages"}),
        (Granularity.TOPIC, {"lagmon_group_lag_messages", "lagmon_group_topic_lag_messages"}),
        (Granularity.PARTITION, {"lagmon_group_lag_messages", "lagmon_partition_lag_messages"}),
    ],
)
def test_granularity_is_how_fine_the_series_are(granularity: Granularity, finest: set[str]) -> None:
    """Groups always; topics or partitions if they are asked for; not both."""
    text, _ = page(report(of("a", 7), topics=3), Exported(granularity))

    lag = {line.partition("{")[0] for line in text.splitlines() if "_lag_messages{" in line}
    assert lag == finest
    assert ("lagmon_topic_partition_end_offset" in text) == (granularity is Granularity.PARTITION)


def test_a_topic_has_the_sum_of_what_is_known_and_the_age_of_the_oldest() -> None:
    """What is unknown of it is no 0, as for a group."""
    rows = (
        replace(part(0, 5, topic="plays"), age=Age(3.0, Method.HISTORY)),
        replace(part(1, 2, topic="plays"), age=Age(7.1234, Method.HISTORY)),
        part(0, None, topic="fees", committed=None, why=Why.NO_END_OFFSET),
    )

    text, _ = page(report(group(7, "a", *rows)), Exported(Granularity.TOPIC))

    plays, fees = {"topic": "plays", "group": "a"}, {"topic": "fees"}
    assert values(text, "lagmon_group_topic_lag_messages", plays) == [7]
    assert values(text, "lagmon_group_topic_lag_seconds", plays) == [7.123]
    assert not values(text, "lagmon_group_topic_lag_messages", fees)
    assert not values(text, "lagmon_group_topic_lag_seconds", fees)


def test_a_cluster_that_nobody_asked_has_nothing_to_cut() -> None:
    """Neither is it counted."""
    assert bounds.cuts(Report("1", (ClusterReport(CLUSTER),)), Exported(), 0) == {}
