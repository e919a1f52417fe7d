"""What a group is given when its partitions are joined."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from lagmon.alerts.incidents import State, step
from lagmon.alerts.rules import SHIPPED, Override
from lagmon.board import Board, Cycle
from lagmon.exposition.page import render
from lagmon.judge import seconds
from lagmon.judge.evaluate import states
from lagmon.judge.judging import Memory, Policy, judge
from lagmon.judge.lag import measure
from lagmon.judge.suspects import suspects
from lagmon.judge.tails import tails
from lagmon.readings import Committed, GroupReading, PartitionOffsets, Snapshot
from tests.lagmon.builders import CLUSTER, GROUP, NOON, at

POLICY = Policy(SHIPPED, poll_interval_seconds=5, peeks_per_cycle=20)


@pytest.mark.parametrize(
    ("committed", "age"),
    [((5000, 5000), 0.0), ((5000, 4990), None)],
    ids=["all is read", "of what is unread in one partition the age is not yet known"],
)
def test_the_age_of_a_group_is_no_0_while_something_is_unread(
    committed: tuple[int, ...], age: float | None
) -> None:
    """At the first look nobody knows when an old record came: 0 would say that all is read."""
    snapshot = Snapshot(
        NOON,
        CLUSTER,
        tuple(PartitionOffsets(at(number), 0, 5000, 5000) for number in range(2)),
        (
            GroupReading(
                *(GROUP, "stable", "classic", 2),
                tuple(Committed(at(number), one) for number, one in enumerate(committed)),
            ),
        ),
    )

    (group,) = judge(Memory.of(POLICY), snapshot, POLICY).lag.groups

    assert (group.age.seconds if group.age else None) == age


@pytest.mark.parametrize(
    ("number", "other", "age"),
    [
        (1, Committed(at(1), None, "refused"), None),
        (2, Committed(at(2), 100), None),
        (3, Committed(at(3), None), 0.0),
    ],
    ids=["1: its commit is unknown", "2: its end is unknown", "3: it was never committed"],
)
def test_the_age_of_a_group_is_no_0_while_a_lag_is_unknown(
    number: int, other: Committed, age: float | None
) -> None:
    """What cannot be read may be unread for days; where nothing was committed nothing waits."""
    logs = [PartitionOffsets(at(0), 0, 5000, 5000)]
    failed = PartitionOffsets(at(2), error="LEADER_NOT_AVAILABLE")
    logs.append(failed if number == 2 else PartitionOffsets(at(number), 0, 5000, 5000))
    reading = GroupReading(GROUP, "stable", "classic", 2, (Committed(at(0), 5000), other))

    found = judge(Memory.of(POLICY), Snapshot(NOON, CLUSTER, tuple(logs), (reading,)), POLICY)

    (group,) = found.lag.groups
    assert (group.age.seconds if group.age else None) == age


BEHIND = Snapshot(
    NOON,
    CLUSTER,
    tuple(PartitionOffsets(at(number), 10, 5000, 4000) for number in range(3)),
    (
        GroupReading(GROUP, "stable", "classic", 2, (Committed(at(0), 5), Committed(at(1), None))),
        GroupReading("another", "empty", "classic", 0, (Committed(at(2), 5000),)),
        GroupReading("refused", error="GROUP_AUTHORIZATION_FAILED"),
    ),
)


@pytest.mark.parametrize(
    ("told", "detail", "answered"),
    [
        ({"error": "no broker answers"}, "no broker answers", False),
        ({"list_errors": ("b", "a")}, "a; b", True),
    ],
    ids=["nothing came", "a list came"],
)
def test_who_is_told_of_a_cluster_is_told_whether_it_answered(
    told: dict[str, Any], detail: str, *, answered: bool
) -> None:
    """That no group can be seen is another trouble than that one may be hidden."""
    rules = tuple(rule.changed(Override(for_seconds=0)) for rule in SHIPPED)
    policy = replace(POLICY, rules=rules)

    (notice,) = judge(Memory.of(policy), Snapshot(NOON, CLUSTER, **told), policy).notices

    assert (notice.rule.name, notice.detail) == ("KafkaClusterBlind", detail)
    assert notice.answered is answered


def test_the_stages_leave_the_rows_as_they_were_measured() -> None:
    """Their answers lie beside the rows: no stage depends on which other one came before it."""
    memory, lag = Memory.of(POLICY), measure(BEHIND)
    measured = deepcopy(lag)

    memory.history.observe(BEHIND)
    memory.arrivals.learn(BEHIND)
    memory.progress.observe(BEHIND, lag, POLICY.judging)
    seconds.ages(lag, memory.history, memory.arrivals, NOON)
    memory.progress.keep(states(lag, memory.progress, POLICY.judging))
    tails(lag, memory.progress, 20)

    assert lag == measured


def test_what_was_judged_stays_as_it_was_filled_in() -> None:
    """Whoever pages, asks or shows reads the same values."""
    lag = judge(Memory.of(POLICY), BEHIND, replace(POLICY, rules=())).lag
    filled = deepcopy(lag)
    board = Board("0", [CLUSTER])

    step(State(), SHIPPED, lag, NOON)
    suspects(lag, {GROUP}, (), limit=20, now=NOON)
    board.put(Cycle(BEHIND, lag))
    render(board.report)

    assert lag == filled
    assert lag.groups[0].partitions[0].judged is not None
    assert lag.groups[0].partitions[0].since == NOON
