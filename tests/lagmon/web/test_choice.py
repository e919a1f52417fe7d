"""What a reader may ask to see, and in which order."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lagmon.alerts.rules import SHIPPED
from lagmon.board import advance
from lagmon.labels import safe
from lagmon.model import Age, Method, State, Why
from lagmon.report import ClusterReport, Links, Report
from lagmon.web.choice import LONGEST, Choice
from lagmon.web.status import GROUPS_SHOWN, ClusterView, status
from tests.lagmon.builders import CLUSTER, NOON, cycle, group, incident, lags, part

FIRING = group(1203, "firing")
STOPPED = replace(group(50, "stopped", part(0, 50, topic="mails")), judged=State.STOPPED)
SLOW = group(9, "slow", replace(part(0, 9), age=Age(900, Method.HISTORY, 0)))
FINE = group(40, "Fine", replace(part(0, 40), age=Age(2, Method.HISTORY, 0)))
BLIND = group(None, "blind", why=Why.GROUP_UNREADABLE)
EMPTY = group(None, "empty", part(0, None, why=Why.NEVER_COMMITTED), why=Why.NEVER_COMMITTED)


def chosen(**query: str) -> ClusterView:
    """Give the cluster as *query* narrows and sorts it."""
    brought = cycle(
        lags(SLOW, FIRING, FINE, STOPPED, BLIND, EMPTY), incidents=(incident("firing"),)
    )
    report = Report("1.0", (advance(ClusterReport(CLUSTER), brought),))
    (cluster,) = status(report, SHIPPED, Links(), NOON, choice=Choice.of(query)).clusters
    return cluster


def names(**query: str) -> list[str]:
    """Give the names of the groups that *query* shows, in order."""
    return [each.name for each in chosen(**query).groups]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({}, ["firing", "blind", "stopped", "empty", "Fine", "slow"]),
        ({"sort": "lag"}, ["firing", "stopped", "Fine", "slow", "blind", "empty"]),
        ({"sort": "waits"}, ["slow", "Fine", "firing", "blind", "stopped", "empty"]),
        ({"sort": "name"}, ["Fine", "blind", "empty", "firing", "slow", "stopped"]),
        ({"q": "fi"}, ["firing", "Fine"]),
        ({"q": " FI "}, ["firing", "Fine"]),
        ({"q": "mails"}, ["stopped"]),
        ({"show": "incidents"}, ["firing"]),
        ({"show": "attention"}, ["firing", "blind", "stopped"]),
        ({"show": "attention", "q": "o", "sort": "name"}, ["stopped"]),
        ({"show": "x", "sort": ""}, ["firing", "blind", "stopped", "empty", "Fine", "slow"]),
    ],
    ids=str,
)  # fmt: skip
def test_groups_are_narrowed_and_sorted(query: dict[str, str], shown: list[str]) -> None:
    """By part of a name or topic, by what is wrong, by lag, age and name; nonsense is ignored."""
    assert names(**query) == shown


def test_groups_are_sorted_by_the_waiting_that_is_shown() -> None:
    """Where another partition's is not known, it is the least that it can be."""
    wide = replace(part(0, 5), age=Age(100, Method.TIMESTAMPS, 90))
    vague = replace(group(10, "vague", wide, part(1, 5)), age=wide.age)
    exact = replace(part(0, 5), age=Age(50, Method.HISTORY, 0))
    sure = replace(group(5, "sure", exact), age=exact.age)
    report = Report("1.0", (advance(ClusterReport(CLUSTER), cycle(lags(vague, sure))),))

    (cluster,) = status(report, SHIPPED, Links(), NOON, choice=Choice(sort="waits")).clusters

    assert [each.waited for each in cluster.groups] == [
        "50s, by history", "at least 10s, by timestamps",
    ]  # fmt: skip


def test_what_is_left_out_is_counted_and_its_incidents_stay() -> None:
    """A filter that somebody forgot does not hide that something is wrong."""
    view = chosen(q="slow")

    assert view.groups_left_out == 5
    assert [each.where for each in view.incidents] == ["firing"]


def test_where_nothing_fits_it_is_said() -> None:
    """An empty page would look like a broken one."""
    view = chosen(q="nobody is called so")

    assert (view.groups, view.empty, view.groups_left_out) == ((), "No group is so.", 6)


def test_one_cluster_can_be_chosen_by_its_published_name() -> None:
    """The headline is that of all."""
    odd = "b\n"
    clusters = tuple(advance(ClusterReport(name), cycle(lags(error="gone"))) for name in ("a", odd))

    page = status(
        Report("1.0", clusters), SHIPPED, Links(), NOON, choice=Choice.of({"cluster": safe(odd)})
    )

    assert [each.name for each in page.clusters] == [safe(odd)]
    assert page.names == ("a", safe(odd))
    assert page.headline == "2 clusters not answering"


def test_the_bound_counts_what_was_chosen() -> None:
    """Of many groups those that were asked for are shown first."""
    many = [group(n, f"g{n}") for n in range(GROUPS_SHOWN + 50)]
    report = Report("1.0", (advance(ClusterReport(CLUSTER), cycle(lags(*many, FINE))),))

    (view,) = status(report, SHIPPED, Links(), NOON, choice=Choice(text="g")).clusters

    assert (len(view.groups), view.groups_hidden, view.groups_left_out) == (GROUPS_SHOWN, 50, 1)


def test_a_published_name_is_found_as_well() -> None:
    """Whoever pastes a name from an alert finds its group."""
    odd = group(3, "a\u202eb")

    assert Choice(text=safe("a\u202eb")).names(odd)
    assert Choice(text="a\u202eb").names(odd)
    assert not Choice(text="nobody").names(odd)


@given(st.dictionaries(st.sampled_from(["q", "show", "cluster", "sort", "x"]), st.text()))
def test_whatever_is_asked_can_be_asked_again(query: dict[str, str]) -> None:
    """The link to a choice leads to the same choice, and is bounded."""
    choice = Choice.of(query)

    assert Choice.of(dict(parse_qsl(choice.query, keep_blank_values=True))) == choice
    assert len(choice.text) <= LONGEST
