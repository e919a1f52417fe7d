"""The pipe: what is written comes out whole, what did not change as the same object."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lagmon.errors import RecordingError
from lagmon.readings import (
    Committed,
    GroupReading,
    Member,
    PartitionOffsets,
    Probe,
    ProbeRequest,
    Snapshot,
    TopicId,
)
from lagmon.wire import Reader, Writer
from tests.lagmon.builders import NOON, at

# Few of each, so that two snapshots in a row have much in common.
few = st.integers(0, 2)
maybe = st.none() | few
error = st.none() | st.sampled_from(["busy", "gone"])
moment = st.none() | st.sampled_from([NOON, NOON + 1])


def several(rows: st.SearchStrategy[Any], key: str) -> st.SearchStrategy[tuple[Any, ...]]:
    """Give rows as the format keeps them: one for each *key*, in its order."""

    def by(row: Any) -> Any:
        return getattr(row, key)

    return st.lists(rows, max_size=3, unique_by=by).map(lambda r: tuple(sorted(r, key=by)))


partitions = st.builds(at, few)
members = st.just(()) | st.just((Member("m", "reader", "/host", (at(0), at(1))),))
groups = st.builds(
    GroupReading,
    st.sampled_from("abc"),
    st.sampled_from(["stable", "empty"]),
    st.just("classic"),
    maybe,
    several(st.builds(Committed, partitions, maybe, error), "at"),
    members,
    error,
    moment,
)
probes = st.builds(Probe, st.builds(ProbeRequest, partitions, st.just(NOON)), maybe, moment, error)
snapshots = st.builds(
    Snapshot,
    st.sampled_from([NOON, NOON + 5, NOON + 10]),
    st.just("local"),
    several(st.builds(PartitionOffsets, partitions, maybe, maybe, maybe, error), "at"),
    several(groups, "group"),
    error=st.none() | st.none() | st.just("no cluster"),
    probes=st.lists(probes, max_size=2).map(tuple),
    topic_ids=st.just(()) | st.just((TopicId("plays", "id"),)),
)

STEADY = Snapshot(
    NOON,
    "local",
    tuple(PartitionOffsets(at(number), 0, 10, 10) for number in range(3)),
    tuple(
        GroupReading(name, "stable", "classic", 1, (Committed(at(0), 5), Committed(at(1), None)))
        for name in ("analytics", "billing", "settle")
    ),
    topic_ids=(TopicId("plays", "id"),),
)


class Pipe:
    """A pipe with both its ends; remembers the last line."""

    def __init__(self) -> None:
        self.line = ""
        self._writer, self._reader = Writer(), Reader()

    def through(self, snapshot: Snapshot) -> Snapshot:
        """Send *snapshot*; give what comes out."""
        self.line = self._writer.line(snapshot)
        return self._reader.snapshot(self.line.encode())


def with_group(snapshot: Snapshot, name: str, **changes: Any) -> Snapshot:
    """Give the next *snapshot*, in which the group *name* has *changes*."""
    return replace(
        snapshot,
        at=snapshot.at + 5,
        groups=tuple(
            replace(one, **changes) if one.group == name else one for one in snapshot.groups
        ),
    )


@given(st.lists(snapshots, max_size=6))
def test_every_snapshot_comes_out(several: list[Snapshot]) -> None:
    """Whatever follows upon whatever, each snapshot comes out as it went in, in one line."""
    pipe = Pipe()

    for snapshot in several:
        assert pipe.through(snapshot) == snapshot
        assert "\n" not in pipe.line


def test_what_did_not_change_is_the_same_object() -> None:
    """A group that stands, a partition without news, a commit that stays: none is made anew."""
    pipe = Pipe()
    before = pipe.through(STEADY)

    moved = (Committed(at(0), 6), Committed(at(1), None))
    after = pipe.through(with_group(STEADY, "billing", committed=moved))

    assert after.groups[0] is before.groups[0]
    assert after.groups[1].committed == moved
    assert after.groups[1].committed[1] is before.groups[1].committed[1]
    assert after.groups[1].committed[0].at is before.groups[1].committed[0].at
    assert after.topics[0] is before.topics[0]
    assert after.topic_ids is before.topic_ids


def test_the_collectors_own_copies_do_not_count() -> None:
    """An equal group that the collector built anew is not written, nor is it another object."""
    pipe = Pipe()
    before = pipe.through(STEADY)

    after = pipe.through(with_group(STEADY, "billing", state="stable"))

    assert after.groups[1] is before.groups[1]
    assert "billing" not in pipe.line


def test_moves_are_written_as_offsets_alone() -> None:
    """A group that commits costs its name and its offsets, not its members and partitions."""
    pipe = Pipe()
    pipe.through(STEADY)

    pipe.through(
        with_group(STEADY, "billing", committed=(Committed(at(0), 6), Committed(at(1), 7)))
    )

    assert json.loads(pipe.line)["groups"] == {}
    assert json.loads(pipe.line)["since"]["moved"] == {"billing": [None, [6, 7]]}


def test_a_group_out_of_order_is_written_whole() -> None:
    """Offsets go by their place: where partitions are not in order, no offset goes astray."""
    pipe = Pipe()
    turned = (Committed(at(1), 1), Committed(at(0), 0))
    pipe.through(with_group(STEADY, "billing", committed=turned))

    later = (Committed(at(1), 11), Committed(at(0), 10))
    found = pipe.through(with_group(STEADY, "billing", committed=later))

    assert found.groups[1].committed == tuple(reversed(later))


def test_a_group_that_went_is_gone_and_may_come_back() -> None:
    """What is not in a snapshot does not come out of the pipe, and the order is kept."""
    pipe = Pipe()
    pipe.through(STEADY)

    without = pipe.through(replace(STEADY, groups=STEADY.groups[1:]))
    again = pipe.through(STEADY)

    assert [one.group for one in without.groups] == ["billing", "settle"]
    assert again.groups == STEADY.groups


def test_after_an_error_everything_is_written() -> None:
    """A snapshot that failed holds nothing, and is nothing that the next one could refer to."""
    pipe = Pipe()
    pipe.through(STEADY)
    pipe.through(Snapshot(NOON + 5, "local", error="no cluster"))

    assert pipe.through(STEADY) == STEADY
    assert "since" not in json.loads(pipe.line)


def test_a_line_out_of_turn_is_refused() -> None:
    """Differences from a snapshot that the reader has not got are nothing to build upon."""
    writer, late = Writer(), Reader()
    late.snapshot(writer.line(STEADY))
    writer.line(with_group(STEADY, "billing", members=2))

    with pytest.raises(RecordingError, match=r"^since\.at: "):
        late.snapshot(writer.line(with_group(STEADY, "billing", members=3)))


@pytest.mark.parametrize(
    "since",
    [
        {},
        {"gone": ["unheard-of"]},
        {"moved": {"billing": [None, [1]]}},
        {"moved": {"billing": 5}},
        {"topics": [[1, 2]]},
    ],
    ids=["nothing", "a stranger goes", "too few offsets", "no offsets", "too few ends"],
)
def test_what_does_not_fit_is_refused(since: dict[str, Any]) -> None:
    """A line that does not fit the last one is an error and no snapshot."""
    writer, reader = Writer(), Reader()
    reader.snapshot(writer.line(STEADY))
    line = json.loads(writer.line(replace(STEADY, at=NOON + 5)))
    line["since"] = line["since"] | since if since else since

    with pytest.raises(RecordingError, match=r"^since"):
        reader.snapshot(json.dumps(line))
