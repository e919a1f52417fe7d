"""What a group is given when its partitions are joined."""

from __future__ import annotations

import pytest

from lagmon.alerts.rules import SHIPPED
from lagmon.judge.judging import Memory, Policy, judge
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
