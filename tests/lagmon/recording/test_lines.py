"""The lines of version 1: what is written is read back, and what is wrong is named."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lagmon.errors import RecordingError
from lagmon.fields import RECORD_TIMES, TIMES
from lagmon.readings import (
    Committed,
    GroupReading,
    Isolation,
    KnownGroup,
    Member,
    MissingRight,
    PartitionOffsets,
    Peek,
    PeekRequest,
    Plan,
    Probe,
    ProbeRequest,
    Resource,
    Share,
    Snapshot,
    StepDuration,
    TopicId,
    TopicPartition,
)
from lagmon.recording.lines import (
    plan_from_json,
    plan_to_json,
    snapshot_from_json,
    snapshot_to_json,
)

# The example of the documentation, as other programs may write it.
EXAMPLE = """{"v": 1, "at": 1764000000.0, "cluster": "local",
 "topics": {"plays": {"0": {"start": 0, "high": 5200, "stable": 5200}}},
 "groups": {"settle": {"state": "stable", "type": "classic", "members": 2,
   "committed": {"plays": {"0": 5000, "1": null}}, "error": null}}}"""

names = st.text(min_size=1, max_size=8)
offset = st.integers(0, 2**63 - 1)
maybe = st.none() | offset
moment = st.floats(*TIMES, allow_nan=False)
record_time = st.floats(*RECORD_TIMES, allow_nan=False)
error = st.none() | names
at = st.builds(TopicPartition, names, st.integers(0, 2**31 - 1))
question = st.builds(PeekRequest, at, offset, st.sampled_from(Isolation))
probe_question = st.builds(ProbeRequest, at, record_time)
commits = st.builds(Committed, at, maybe, error)
members = st.builds(
    Member, names, names, names, st.lists(at, unique=True).map(lambda p: tuple(sorted(p)))
)


def several(rows: st.SearchStrategy[Any], key: str) -> st.SearchStrategy[tuple[Any, ...]]:
    """Give rows as the format keeps them: one for each *key*, in its order."""

    def by(row: Any) -> Any:
        return getattr(row, key)

    return st.lists(rows, max_size=4, unique_by=by).map(lambda r: tuple(sorted(r, key=by)))


groups = st.builds(
    GroupReading,
    names,
    error,
    error,
    st.none() | st.integers(0, 9),
    several(commits, "at"),
    several(members, "member_id"),
    error,
    st.none() | moment,
)
peeks = st.builds(
    Peek,
    question,
    maybe,
    st.none() | record_time,
    maybe,
    error,
    error,
    st.none() | st.booleans(),
    error,
    error,
    st.dictionaries(names, st.text(max_size=8), max_size=2).map(lambda held: tuple(held.items())),
)
probes = st.builds(Probe, probe_question, maybe, st.none() | record_time, error)
partition_numbers = st.lists(st.integers(0, 99), max_size=4, unique=True)
shares = st.builds(
    Share,
    partition_numbers.map(lambda numbers: tuple(sorted(numbers))),
    st.integers(1, 100),
    st.none() | st.floats(0, 1e9),
    error,
)
snapshots = st.builds(
    Snapshot,
    moment,
    names,
    several(st.builds(PartitionOffsets, at, maybe, maybe, maybe, error), "at"),
    several(groups, "group"),
    st.lists(peeks, max_size=3).map(tuple),
    st.lists(names, max_size=3).map(tuple),
    several(st.builds(StepDuration, names, moment), "step"),
    error,
    st.lists(probes, max_size=3).map(tuple),
    several(st.builds(TopicId, names, names), "topic"),
    st.lists(
        st.builds(MissingRight, st.sampled_from(Resource), names, st.booleans()), max_size=3
    ).map(tuple),
    st.none() | shares,
)
known = st.builds(
    KnownGroup, names, st.lists(at, max_size=4, unique=True).map(lambda held: tuple(sorted(held)))
)
plans = st.builds(
    Plan,
    st.lists(question, max_size=5).map(tuple),
    st.lists(probe_question, max_size=5).map(tuple),
    several(known, "group"),
)


@given(snapshots)
def test_a_snapshot_is_read_back(snapshot: Snapshot) -> None:
    """Whatever a snapshot holds comes back from its line, and the line is one line of ASCII."""
    line = snapshot_to_json(snapshot)

    assert snapshot_from_json(line) == snapshot
    assert line.isascii()
    assert "\n" not in line


@given(plans)
def test_a_plan_is_read_back(plan: Plan) -> None:
    """Whatever a plan asks for comes back from its line, in the order of the questions."""
    assert plan_from_json(plan_to_json(plan)) == plan


def test_the_documented_line_is_read() -> None:
    """The example of the documentation means what the documentation says."""
    plays = [TopicPartition("plays", 0), TopicPartition("plays", 1)]

    snapshot = snapshot_from_json(EXAMPLE)

    assert snapshot == Snapshot(
        1764000000.0,
        "local",
        (PartitionOffsets(plays[0], 0, 5200, 5200),),
        (
            GroupReading(
                "settle",
                "stable",
                "classic",
                2,
                (Committed(plays[0], 5000), Committed(plays[1], None)),
            ),
        ),
    )


def test_a_line_is_written_as_documented() -> None:
    """A snapshot is written in the keys of the documentation, without the optional ones."""
    line = json.loads(snapshot_to_json(snapshot_from_json(EXAMPLE)))

    assert line == json.loads(EXAMPLE)


def test_unknown_keys_are_passed_over() -> None:
    """A key of a later version 1 does not make a line unreadable."""
    line = json.loads(EXAMPLE) | {"sooner": [1, 2], "later": {"probes": 1}}

    assert snapshot_from_json(json.dumps(line)) == snapshot_from_json(EXAMPLE)


def test_bytes_are_read_too() -> None:
    """A line from a pipe need not be decoded first."""
    assert snapshot_from_json(EXAMPLE.encode()) == snapshot_from_json(EXAMPLE)


def broken(path: str, value: Any) -> str:
    """Give the example with *value* at *path*, which has dots between its keys."""
    line = json.loads(EXAMPLE)
    *above, last = path.split(".")
    place = line
    for key in above:
        place = place[key]
    place[last] = value
    return json.dumps(line)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("v", 2, "v: is 2; this lagmon reads version 1"),
        ("v", None, "v: wants a whole number, got None"),
        ("at", "now", "at: wants a number, got 'now'"),
        ("at", True, "at: wants a number, got True"),
        ("at", 10**400, "at: wants a number"),
        ("at", float("nan"), "at: wants a number, got nan"),
        ("at", -1, "at: wants a number from 0 to 253402300799, got -1"),
        ("at", 1e300, "at: wants a number from 0 to 253402300799, got 1e+300"),
        ("topics.plays.0.high", -1001, "topics.plays.0.high: wants a number from 0 to"),
        ("topics.plays.0.stable", 2**63, "topics.plays.0.stable: wants a number from 0 to"),
        ("topics.plays.00", {}, "topics.plays.00: '00' is no partition number"),
        ("topics.plays.2147483648", {}, "2147483648: '2147483648' is no partition number"),
        ("groups.settle.committed.plays.0", -1001, "committed.plays.0: wants a number from 0"),
        ("groups.settle.committed.plays.01", 5, "plays.01: '01' is no partition number"),
        ("groups.settle.members", -1, "groups.settle.members: wants a number from 0"),
        ("groups.settle.read_at", -1.0, "groups.settle.read_at: wants a number from 0"),
        (
            "probes",
            [{"topic": "t", "partition": 0, "timestamp": 1e308}],
            "probes[0].timestamp: wants a number from -10000000000000000 to",
        ),
        (
            "peeks",
            [{"topic": "t", "partition": 2**31, "offset": 1}],
            "peeks[0].partition: wants a number from 0 to 2147483647, got 2147483648",
        ),
        ("missing_rights", [{"name": "t"}], "missing_rights[0].resource: wants one of cluster"),
        ("cluster", 5, "cluster: wants text, got 5"),
        ("topics", [], "topics: wants an object, got []"),
        ("topics.plays.x", {}, "topics.plays.x: 'x' is no partition number"),
        ("topics.plays.0.high", 1.5, "topics.plays.0.high: wants a whole number, got 1.5"),
        ("groups.settle", 7, "groups.settle: wants an object, got 7"),
        ("groups.settle.members", "two", "groups.settle.members: wants a whole number, got 'two'"),
        ("groups.settle.committed.plays.0", "5", "groups.settle.committed.plays.0: wants"),
        ("groups.settle.assignments", {"m": {"host": "h"}}, "assignments.m.client_id: wants text"),
        ("list_errors", [1], "list_errors: wants texts"),
        ("peeks", [{"topic": "t"}], "peeks[0].partition: wants a whole number, got nothing"),
        ("peeks", {}, "peeks: wants a list, got {}"),
        ("probes", [{"topic": "t", "partition": 0}], "probes[0].timestamp: wants a number"),
        ("topic_ids", {"plays": 5}, "topic_ids.plays: wants text, got 5"),
        (
            "peeks",
            [{"topic": "t", "partition": 0, "offset": 1, "headers": {"h": 1}}],
            "peeks[0].headers.h: wants text, got 1",
        ),
        ("durations", {"ends": "x" * 99}, f"durations.ends: wants a number, got '{'x' * 39}…"),
        (
            "peeks",
            [{"topic": "t", "partition": 0, "offset": 1, "isolation": "dirty"}],
            "peeks[0].isolation: wants one of read_committed, read_uncommitted, got 'dirty'",
        ),
        (
            "peeks",
            [{"topic": "t", "partition": 0, "offset": 1, "sampled": 1}],
            "peeks[0].sampled: wants true or false, got 1",
        ),
    ],
)
def test_what_is_wrong_is_named(path: str, value: Any, told: str) -> None:
    """A wrong value is named by its path, with what would be right and what stands there."""
    with pytest.raises(RecordingError) as caught:
        snapshot_from_json(broken(path, value))

    assert told in str(caught.value)


def test_a_key_that_stands_twice_is_named() -> None:
    """Which of the two is meant nobody can tell."""
    with pytest.raises(RecordingError, match=r"^0: stands twice in one object$"):
        snapshot_from_json(EXAMPLE.replace('"1": null', '"0": 4000'))


def test_a_partition_that_a_member_owns_twice_counts_once() -> None:
    """In a list nothing contradicts itself."""
    owner = {"host": "/host", "client_id": "reader", "partitions": {"plays": [1, 0, 1]}}

    (group,) = snapshot_from_json(broken("groups.settle.assignments", {"m": owner})).groups

    assert group.assignments[0].partitions == (
        TopicPartition("plays", 0), TopicPartition("plays", 1),
    )  # fmt: skip


@pytest.mark.parametrize("line", ["", "{", '{"v": 1', b"\xff\xfe", "[" * 100_000])
def test_what_is_no_json_is_said(line: str | bytes) -> None:
    """A torn line, such as the last one of a full disk, is no crash."""
    with pytest.raises(RecordingError, match="the line is no JSON"):
        snapshot_from_json(line)


def test_a_line_that_is_no_object_is_said() -> None:
    """A line of JSON that is no object is named as such."""
    with pytest.raises(RecordingError, match=r"the line: wants an object, got \[1\]"):
        plan_from_json("[1]")


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=8),
        lambda v: st.lists(v, max_size=4) | st.dictionaries(names, v, max_size=4),
        max_leaves=20,
    )
)
def test_reading_raises_nothing_else(value: object) -> None:
    """Whatever JSON stands where groups and topics should, the error is ours."""
    line = json.dumps({"v": 1, "at": 1, "cluster": "c", "topics": value, "groups": value})

    with contextlib.suppress(RecordingError):
        snapshot_from_json(line)
