"""Which names to ask about, and how to say what is missing."""

from __future__ import annotations

import re
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lagmon.collector.grants import STRANGER, UNTOLD, beginning, samples, words
from lagmon.configuration.settings import Cluster, Selection
from lagmon.readings import MissingRight, Resource

CLUSTER = Cluster(
    name="test",
    bootstrap_servers="kafka-1:9092,kafka-2:9092",
    client={"sasl.username": "the monitor"},
)


def wanted(*include: str, exclude: tuple[str, ...] = ()) -> Selection:
    """Build a selection of patterns."""
    return Selection(
        include=tuple(map(re.compile, include)), exclude=tuple(map(re.compile, exclude))
    )


@pytest.mark.parametrize(
    ("pattern", "text", "whole"),
    [
        ("orders", "orders", True),
        (r"team\.a\.orders", "team.a.orders", True),
        ("team-a-.*", "team-a-", False),
        (r"team\.a\..*", "team.a.", False),
        ("ab*", "a", False),
        ("ab?c", "a", False),
        ("ab{2}", "a", False),
        ("ab+", "ab", False),
        ("x[0-9]", "x", False),
        (r"a\d", "a", False),
        ("a|b", "", False),
        ("(orders)", "", False),
        (".*", "", False),
        ("", "", False),
    ],
)
def test_the_beginning_of_a_pattern_is_what_all_its_names_begin_with(
    pattern: str, text: str, *, whole: bool
) -> None:
    """Less is safe: more would stand for names that the pattern does not take."""
    assert beginning(pattern) == (text, whole)


@given(st.from_regex(r"[ab.\\*+?|(){}0-9]{1,6}", fullmatch=True), st.data())
def test_no_name_that_a_pattern_takes_begins_otherwise(pattern: str, data: st.DataObject) -> None:
    """Whatever the pattern is made of."""
    try:
        taken = re.compile(pattern)
    except (re.error, OverflowError):
        return
    name = data.draw(st.from_regex(taken, fullmatch=True))

    text, whole = beginning(pattern)

    assert name == text if whole else name.startswith(text)


def test_a_name_that_nothing_bears_stands_for_what_a_pattern_takes() -> None:
    """One name for everything, one for each beginning; a pattern that is a name is asked itself."""
    everything = samples(Resource.TOPIC, wanted())
    some = samples(Resource.TOPIC, wanted("team-a-.*", "orders"))

    assert everything == ((STRANGER, MissingRight(Resource.TOPIC, "*")),)
    assert some == (
        (f"team-a-{STRANGER}", MissingRight(Resource.TOPIC, "team-a-", prefixed=True)),
        ("orders", MissingRight(Resource.TOPIC, "orders")),
    )


def test_what_is_excluded_is_not_asked_about() -> None:
    """Nobody has to be allowed to see what is not watched."""
    assert samples(Resource.GROUP, wanted("orders", "fees", exclude=("fees",))) == (
        ("orders", MissingRight(Resource.GROUP, "orders")),
    )


@pytest.mark.parametrize(
    ("right", "told", "command"),
    [
        (
            MissingRight(Resource.CLUSTER),
            "lagmon may not DESCRIBE the cluster: groups may be hidden",
            ["--cluster"],
        ),
        (
            MissingRight(Resource.TOPIC, "*"),
            "lagmon may not DESCRIBE topic *: partitions may be hidden",
            ["--topic", "*"],
        ),
        (
            UNTOLD,
            (
                "it cannot be known which topics are hidden: lagmon may not DESCRIBE the cluster,"
                " and topics.include does not name each topic"
            ),
            ["--cluster"],
        ),
        (
            MissingRight(Resource.GROUP, "team a-", prefixed=True),
            "lagmon may not DESCRIBE group team a- and what begins like it: groups may be hidden",
            ["--group", "team a-", "--resource-pattern-type", "prefixed"],
        ),
    ],
)
def test_a_missing_right_is_said_with_the_command_that_grants_it(
    right: MissingRight, told: str, command: list[str]
) -> None:
    """It can be pasted into a shell as it is."""
    said, _, shell = words(right, CLUSTER).partition("; ")

    assert said == told
    assert shlex.split(shell) == [
        *("kafka-acls", "--bootstrap-server", "kafka-1:9092", "--add"),
        *("--allow-principal", "User:the monitor", "--operation", "Describe", *command),
    ]
