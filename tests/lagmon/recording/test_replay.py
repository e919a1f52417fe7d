"""Replay: recorded lines in, the reports on them out, by the stages that the loop runs."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import given, settings

from lagmon.alerts.rules import SHIPPED
from lagmon.errors import RecordingError
from lagmon.judge.judging import Memory, Policy, judge
from lagmon.model import Age, ClusterLag, Method, State
from lagmon.readings import Committed, GroupReading, PartitionOffsets, Snapshot
from lagmon.recording.lines import snapshot_to_json
from lagmon.recording.replay import Replay, replay, report
from tests.lagmon.builders import CLUSTER, GROUP, NOON, at
from tests.lagmon.recording.test_lines import snapshots

POLICY = Policy(SHIPPED, poll_interval_seconds=5, peeks_per_cycle=20)


def snapshot(
    lag: int = 200,
    *,
    when: float = NOON,
    cluster: str = CLUSTER,
    stable: int | None = None,
    start: int | None = 0,
) -> Snapshot:
    """Build a snapshot in which the test's group is *lag* behind and never committed elsewhere."""
    high = 5000 + lag
    committed = (Committed(at(0), 5000), Committed(at(1), None))
    return Snapshot(
        when,
        cluster,
        topics=(PartitionOffsets(at(), start, high, high if stable is None else stable),),
        groups=(GroupReading(GROUP, "stable", "classic", 2, committed),),
    )


def replayed(*told: Snapshot) -> list[dict[str, Any]]:
    """Replay a recording of what was *told*."""
    player = Replay(POLICY)
    return [json.loads(player.judge(snapshot_to_json(one))) for one in told]


def test_a_report_has_the_keys_that_are_documented() -> None:
    """A line goes out in the documented shape, and holds nothing else."""
    (said,) = replayed(snapshot())

    group = said["groups"][GROUP]
    assert set(said) == {"at", "cluster", "groups", "alerts"}
    assert set(group) == {
        *("state", "lag", "lag_seconds", "uncommitted", "members", "error", "partitions"),
    }
    assert set(group["partitions"]["plays"]["0"]) == {
        *("state", "lag", "lag_seconds", "seconds_method", "committed", "lost"),
        "open_transaction",
    }


def test_a_report_says_what_was_measured() -> None:
    """Numbers are those of the snapshot: lag, commit, lost records, what transactions hold back."""
    (said,) = replayed(snapshot(200, stable=5150, start=5010))

    part = said["groups"][GROUP]["partitions"]["plays"]["0"]
    assert (said["at"], said["cluster"]) == (NOON, CLUSTER)
    assert (said["groups"][GROUP]["lag"], said["groups"][GROUP]["members"]) == (200, 2)
    assert (part["lag"], part["committed"]) == (200, 5000)
    assert (part["lost"], part["open_transaction"]) == (10, 50)


def test_what_is_unknown_is_null() -> None:
    """A partition without offsets has nulls where a number would be a guess, never 0."""
    whole = snapshot()
    blind = replace(whole, topics=(PartitionOffsets(at(), error="LEADER_NOT_AVAILABLE"),))

    (said,) = replayed(blind)

    part = said["groups"][GROUP]["partitions"]["plays"]["0"]
    assert said["groups"][GROUP]["lag"] is None
    assert {part[name] for name in ("lag", "lost", "open_transaction", "lag_seconds")} == {None}
    assert part["committed"] == 5000


def test_a_log_whose_start_is_unknown_has_lost_nobody_knows_what() -> None:
    """Without the start offset the number of lost records is null, and the lag is still there."""
    (said,) = replayed(snapshot(start=None))

    part = said["groups"][GROUP]["partitions"]["plays"]["0"]
    assert (part["lag"], part["lost"]) == (200, None)


def test_a_partition_never_committed_is_counted_and_has_lost_nothing() -> None:
    """It has no lag; it is one of the group's uncommitted ones."""
    (said,) = replayed(snapshot())

    part = said["groups"][GROUP]["partitions"]["plays"]["1"]
    assert (part["lag"], part["committed"], part["lost"]) == (None, None, 0)
    assert said["groups"][GROUP]["uncommitted"] == 1


def test_a_group_that_could_not_be_read_has_its_error() -> None:
    """The reason stands in `error`, and nothing is counted of it."""
    failed = GroupReading(GROUP, error="GROUP_AUTHORIZATION_FAILED: no")

    (said,) = replayed(replace(snapshot(), groups=(failed,)))

    group = said["groups"][GROUP]
    assert group["error"] == "GROUP_AUTHORIZATION_FAILED: no"
    assert (group["lag"], group["uncommitted"], group["members"]) == (None, None, None)


def test_a_cluster_that_did_not_answer_has_its_error() -> None:
    """A line that holds only an error is judged, and is not taken for a cluster without groups."""
    (said,) = replayed(Snapshot(NOON, CLUSTER, error="no collector: ended by SIGABRT"))

    assert said["groups"] == {}
    assert said["error"] == "no collector: ended by SIGABRT"


def test_states_and_ages_are_written_in_their_own_words() -> None:
    """What later stages add is given as text and in seconds, to the millisecond."""
    read = snapshot()
    judged = judge(Memory(), read, POLICY)
    (group,) = judged.lag.groups
    age = Age(1.50049, Method.HISTORY)
    parts = tuple(replace(one, judged=State.STEADY, age=age) for one in group.partitions)
    filled = replace(group, judged=State.STEADY, age=age, partitions=parts)
    lag = ClusterLag(NOON, CLUSTER, (filled,))

    said = json.loads(json.dumps(report(read, replace(judged, lag=lag))))["groups"][GROUP]

    part = said["partitions"]["plays"]["0"]
    assert (said["state"], said["lag_seconds"]) == ("steady", 1.5)
    assert (part["state"], part["lag_seconds"], part["seconds_method"]) == (
        *("steady", 1.5, "history"),
    )


def test_incidents_open_and_resolve_at_the_recorded_time() -> None:
    """Over the limit for 15 s of recorded time opens, back within it resolves."""
    opened, resolved = replayed(
        snapshot(1001, when=NOON),
        snapshot(1001, when=NOON + 14),
        snapshot(1203, when=NOON + 15),
        snapshot(1000, when=NOON + 20),
    )[2:]

    about = {
        "rule": "KafkaConsumerLag",
        "labels": {"kafka_cluster": CLUSTER, "group": GROUP},
    }
    lag = [one for one in opened["alerts"] if one["rule"] == "KafkaConsumerLag"]
    over = [one for one in resolved["alerts"] if one["rule"] == "KafkaConsumerLag"]
    assert lag == [{**about, "change": "opened", "value": 1203}]
    assert over == [{**about, "change": "resolved", "value": 1000}]


def test_clusters_in_one_recording_are_kept_apart() -> None:
    """What was remembered of one cluster counts for no other, though their lines take turns."""
    told = [
        snapshot(lag, when=NOON + second, cluster=name)
        for second in (0, 15)
        for name, lag in (("a", 2000), ("b", 0))
    ]

    alerts = [
        one["labels"]["kafka_cluster"]
        for said in replayed(*told)
        for one in said["alerts"]
        if one["rule"] == "KafkaConsumerLag"
    ]

    assert alerts == ["a"]


def test_a_wrong_line_is_named_and_costs_no_other() -> None:
    """Its number and the path in it are told; the lines around it are judged as if it were not."""
    good = [snapshot_to_json(snapshot(2000, when=NOON + 15 * step)) for step in range(2)]

    told = list(replay([good[0], '{"v":1,"at":"noon"}', "\n", good[1], "{"], POLICY))

    numbers = [number for number, _ in told]
    errors = [str(said) for _, said in told if isinstance(said, RecordingError)]
    last = next(said for number, said in told if number == 4)
    assert numbers == [1, 2, 4, 5]
    assert errors[0] == "at: wants a number, got 'noon'"
    assert errors[1].startswith("the line is no JSON")
    assert isinstance(last, str)
    assert '"change":"opened"' in last


def test_a_line_that_breaks_the_judging_costs_no_other() -> None:
    """Whatever a stage stumbles over, the lines behind it are judged; the recording says which."""
    policy = replace(POLICY, rules=(*POLICY.rules, None))  # type: ignore[arg-type] # what breaks
    lines = [snapshot_to_json(snapshot()), '{"v":1,"at":"noon"}', snapshot_to_json(snapshot())]

    told = list(replay(lines, policy))

    assert [number for number, _ in told] == [1, 2, 3]
    assert str(told[0][1]).startswith("the line cannot be judged: AttributeError")


@settings(deadline=None)
@given(snapshots)
def test_whatever_can_be_read_can_be_judged(told: Snapshot) -> None:
    """No snapshot that the format allows ends a replay."""
    player = Replay(POLICY)

    for _ in range(2):
        assert json.loads(player.judge(snapshot_to_json(told)))["at"] == told.at
