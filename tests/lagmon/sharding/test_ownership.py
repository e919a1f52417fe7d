"""Ownership: which partition a group is in, and what follows for a replica's share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lagmon.readings import GroupReading, Share, Snapshot
from lagmon.sharding.ownership import common, home, owns, without_others
from tests.lagmon.builders import CLUSTER, NOON

names = st.text(max_size=20)


# What Java 17 answers to Math.abs(name.hashCode()) % 50; the two long ones hash to the lowest int.
@pytest.mark.parametrize(
    ("group", "partition"),
    [
        ("settle", 29),
        ("game-consumer", 13),
        ("payments", 13),
        ("grüße-😀", 27),
        ("", 0),
        ("polygenelubricants", 0),
        ("DESIGNING WORKHOUSES", 0),
    ],
)
def test_a_group_is_where_kafka_has_its_commits(group: str, partition: int) -> None:
    """Java's hash of UTF-16 units, its absolute value, and 0 where that would be negative."""
    assert home(group, 50) == partition


@given(names, st.integers(1, 100), st.data())
def test_of_all_shares_one_owns_a_group(group: str, of: int, data: st.DataObject) -> None:
    """However the partitions are dealt out, a group is watched by exactly one replica."""
    owner = data.draw(st.lists(st.integers(0, 3), min_size=of, max_size=of))
    shares = [Share(tuple(p for p in range(of) if owner[p] == one), of) for one in range(4)]

    assert [owns(share, group) for share in shares].count(True) == 1
    assert [owns(share, None) for share in shares].count(True) == 1


def test_without_a_share_everything_is_owned() -> None:
    """The only lagmon watches every group, and the cluster."""
    assert owns(None, "settle")
    assert owns(None, None)


def test_the_cluster_is_the_owners_of_the_first_partition() -> None:
    """One replica speaks for the cluster as a whole."""
    assert owns(Share((0,), 3), None)
    assert not owns(Share((1, 2), 3), None)


def test_what_a_share_has_in_common_is_left_of_it() -> None:
    """Of a share that changed while it was read the rest counts, with all else that it says."""
    assert common(Share((0, 3, 7), 50, 9.0), {3, 7, 8}) == Share((3, 7), 50, 9.0)


def test_a_snapshot_keeps_the_groups_of_its_share() -> None:
    """What another replica watches is not spoken of, though it was read."""
    mine, other = GroupReading("settle"), GroupReading("game-consumer")
    both = Snapshot(NOON, CLUSTER, groups=(other, mine))

    assert without_others(both) == both
    shared = without_others(Snapshot(NOON, CLUSTER, groups=(other, mine), owned=Share((29,), 50)))
    assert shared.groups == (mine,)
