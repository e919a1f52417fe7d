"""What lagmon says of recorded lives of groups, made on a real broker by `make.py`.

Each recording is replayed and compared with the report beside it; what must be true of that report
whatever else changes stands here in words. After a change that means to change reports:
``python -m tests.lagmon.recordings.make --expected``, and read the difference.
"""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from lagmon.commands.wiring import policy
from lagmon.configuration.sources import load
from lagmon.model import State
from lagmon.readings import Isolation
from lagmon.recording.lines import snapshot_from_json, snapshot_to_json
from lagmon.recording.replay import Replay
from tests.lagmon.recordings.make import CONFIG, FOLDER, LARGEST, NOBODY, SCENARIOS, reports

if TYPE_CHECKING:
    from lagmon.readings import Snapshot

PAGED = {
    *(State.STOPPED, State.STALLED, State.BLOCKED, State.LOST, State.HANGING_TRANSACTION),
}
UNPAGED = {
    *(State.UNCOMMITTED, State.REWOUND, State.BEYOND_END),
    *(State.OPEN_TRANSACTION, State.FALLING_BEHIND),
}
STUCK = "KafkaConsumerStuck"

each_recording = pytest.mark.parametrize("name", SCENARIOS)


def recorded(name: str) -> list[Snapshot]:
    """Give the snapshots of recording *name*."""
    return [snapshot_from_json(line) for line in lines(name)]


def lines(name: str) -> list[str]:
    """Give the lines of recording *name*."""
    return (FOLDER / f"{name}.jsonl").read_text().splitlines()


def told(name: str) -> list[Any]:
    """Give the reports on recording *name*, as they are now."""
    return [json.loads(line) for line in reports(FOLDER / f"{name}.jsonl")]


def states(said: list[Any], partition: int | None = None) -> list[str]:
    """Give each state of the recorded group, or of one *partition*, when it came."""
    found: list[str] = []
    for one in said:
        for name, group in one["groups"].items():
            rows = group["partitions"].get(name, {})
            row = group if partition is None else rows.get(str(partition), {})
            if row.get("state") not in {None, *found[-1:]}:
                found.append(row["state"])
    return found


def alerts(said: list[Any]) -> list[tuple[str, str]]:
    """Give what somebody would have been told, but for what is sent once more."""
    return [
        (alert["rule"], alert["change"])
        for one in said
        for alert in one["alerts"]
        if alert["change"] != "reminded"
    ]


def rows(said: list[Any]) -> list[Any]:
    """Give every row of every partition."""
    return [
        row
        for one in said
        for group in one["groups"].values()
        for topic in group["partitions"].values()
        for row in topic.values()
    ]


@each_recording
def test_a_recording_gives_the_report_beside_it(name: str) -> None:
    """Replayed today it says what it said when the report was read and found right."""
    expected = (FOLDER / f"{name}.expected.jsonl").read_text().splitlines()

    assert told(name) == [json.loads(line) for line in expected]


@each_recording
def test_nothing_of_a_line_is_lost(name: str) -> None:
    """Read and written again a recorded line is the same: what is judged is all there was."""
    assert [snapshot_to_json(one) for one in recorded(name)] == lines(name)


@each_recording
def test_no_number_is_impossible(name: str) -> None:
    """No lag, age or count is negative, and an age stands beside a lag and a method."""
    for row in rows(told(name)):
        assert min(row[key] or 0 for key in ("lag", "lag_seconds", "lost", "open_transaction")) >= 0
        assert row["lag_seconds"] is None or row["lag"] is not None
        assert (row["lag_seconds"] is None) == (row["seconds_method"] is None)


@each_recording
def test_a_recording_can_be_shared(name: str) -> None:
    """It is small, names no other host than the loopback, and holds no payload."""
    text = (FOLDER / f"{name}.jsonl").read_text()

    assert len(text) < LARGEST
    assert set(re.findall(r"\b\d+\.\d+\.\d+\.\d+\b", text)) <= {"127.0.0.1"}
    assert '"play"' not in text


def test_an_outage_blinds_and_pages_nobody_for_its_groups() -> None:
    """While the broker is away nothing is claimed: one page says so, and is taken back after it."""
    said = told("outage")

    dark = [one for one in said if "error" in one]
    assert len(dark) >= 3
    assert not [one for one in dark if one["groups"]]
    assert alerts(said) == [("KafkaClusterBlind", "opened"), ("KafkaClusterBlind", "resolved")]
    assert not PAGED & set(states(said))
    assert states(said)[-1] == State.OK


def test_a_poison_record_blocks_its_partition_alone() -> None:
    """The partition is blocked while the other one goes on; passed over, the group is ok again."""
    said = told("poison")

    assert State.BLOCKED in states(said, 1)
    assert states(said)[-1] in {State.OK, State.OPEN_TRANSACTION}
    assert not PAGED & set(states(said, 0))
    assert alerts(said) == [(STUCK, "opened"), (STUCK, "resolved")]


def test_the_record_that_blocks_is_the_one_that_was_looked_at() -> None:
    """While it pages, the recording has a look at the record at the commit, with its trace."""
    blocked = next(one for one in told("poison") if alerts([one]) == [(STUCK, "opened")])
    commit = blocked["groups"]["poison"]["partitions"]["poison"]["1"]["committed"]

    looks = [peek for one in recorded("poison") for peek in one.peeks]

    (found,) = {
        (peek.found_offset, peek.trace_id)
        for peek in looks
        if (peek.question.at.partition, peek.question.offset) == (1, commit)
    }
    assert found[0] == commit
    assert found[1]


def test_a_deploy_pages_nobody() -> None:
    """For a few seconds nobody reads: the lag grows, and the group is not called stopped."""
    said = told("deploy")

    assert 0 in [group["members"] for one in said for group in one["groups"].values()]
    assert max(row["lag"] for row in rows(said)) >= 10
    assert alerts(said) == []
    assert not PAGED & set(states(said))


def test_a_burst_that_is_read_down_pages_nobody() -> None:
    """Above the limit for less than the rule's time: the group gets on, and nobody is woken."""
    said = told("burst")

    assert max(row["lag"] for row in rows(said)) > 1000
    assert alerts(said) == []
    assert not PAGED & set(states(said))
    assert states(said)[-1] == State.OK


def test_a_transaction_is_open_and_then_hangs() -> None:
    """A group that waits for it is not stalled; after its time the transaction is what is wrong."""
    said = told("transaction")

    seen = states(said)
    assert seen.index(State.OPEN_TRANSACTION) < seen.index(State.HANGING_TRANSACTION)
    assert not {State.STALLED, State.STOPPED, State.BLOCKED} & set(seen)
    assert seen[-1] == State.OK
    assert alerts(said) == [(STUCK, "opened"), (STUCK, "resolved")]


def test_a_hanging_transaction_is_looked_into() -> None:
    """Its first record tells whose it is: the trace is in the recording."""
    looks = [peek for one in recorded("transaction") for peek in one.peeks]

    traces = {
        peek.trace_id for peek in looks if peek.question.isolation is Isolation.READ_UNCOMMITTED
    }

    assert traces == {f"{7:032x}"}


def test_behind_a_transaction_only_its_mark_is_left() -> None:
    """After the commit one control record is left: a look finds the end, and the group is ok."""
    last = rows(told("transaction"))[-1]

    assert (last["lag"], last["state"], last["lag_seconds"]) == (1, State.OK, 0)


def test_a_recreated_topic_is_no_negative_lag() -> None:
    """A commit of the topic's former life lies past its end: that is said, and the lag is 0."""
    said = told("recreated")

    beyond = [row for row in rows(said) if row["state"] == State.BEYOND_END]
    assert beyond
    assert {row["lag"] for row in beyond} == {0}
    assert len({one.id for each in recorded("recreated") for one in each.topic_ids}) == 2
    assert alerts(said) == []
    assert states(said)[-1] == State.OK


def test_what_retention_took_is_lost() -> None:
    """What was deleted unread is counted, pages, and is over when the group went on behind it."""
    said = told("retention")

    assert {row["lost"] for row in rows(said) if row["state"] == State.LOST} == {6}
    assert alerts(said) == [(STUCK, "opened"), (STUCK, "resolved")]
    assert states(said)[-1] == State.OK


def test_a_group_that_nobody_reads_for_is_stopped() -> None:
    """Without a member it is stopped and never stalled; it pages until somebody reads again."""
    said = told("stopped")

    seen = [group for one in said for group in one["groups"].values()]
    assert {group["members"] for group in seen if group["state"] == State.STOPPED} == {0}
    assert PAGED & set(states(said)) == {State.STOPPED}
    assert alerts(said) == [(STUCK, "opened"), (STUCK, "resolved")]
    assert states(said)[-1] == State.OK


def test_a_member_that_commits_nothing_any_more_is_stalled() -> None:
    """It is there, records come, and its commit stands: stalled, until it moves again."""
    said = told("stalled")

    stood = [row for row in rows(said) if row["state"] == State.STALLED]
    assert len({row["committed"] for row in stood}) == 1
    assert [row["lag"] for row in stood] == sorted({row["lag"] for row in stood})
    assert PAGED & set(states(said)) == {State.STALLED}
    assert alerts(said) == [(STUCK, "opened"), (STUCK, "resolved")]
    assert states(said)[-1] == State.OK


def test_what_was_never_committed_has_no_lag() -> None:
    """A member that never commits is uncommitted, not at 0; with its first commit it has a lag."""
    said = told("uncommitted")

    assert states(said)[:2] == [State.PENDING, State.UNCOMMITTED]
    for row in rows(said):
        assert (row["lag"] is None) == (row["committed"] is None)
        assert row["state"] != State.UNCOMMITTED or row["lag"] is None
    assert rows(said)[-1]["lag"] is not None
    assert State.UNCOMMITTED not in states(said)[2:]
    assert alerts(said) == []


def test_offsets_that_were_set_back_are_rewound_until_read_again() -> None:
    """What is read twice on purpose wakes nobody, and is over where it had been before."""
    said = told("rewound")

    assert states(said) == [State.OK, State.REWOUND, State.OK]
    assert {row["lag"] for row in rows(said) if row["state"] == State.REWOUND} == {40, 30, 15}
    assert alerts(said) == []


def test_a_restart_of_lagmon_makes_nothing_unknown() -> None:
    """Neither the gap in the recording nor a beginning without memory is taken for trouble."""
    gap = restarted_at("restart")
    afresh = Replay(policy(load(CONFIG, unnamed=NOBODY)))

    whole = told("restart")
    second = [json.loads(afresh.judge(line)) for line in lines("restart")[gap:]]

    assert second
    for said in (whole, second):
        assert set(states(said)) <= {State.OK, State.PENDING, State.STEADY, State.OPEN_TRANSACTION}
        assert alerts(said) == []
        assert None not in [row["lag"] for row in rows(said)]


def test_every_state_of_trouble_was_once_seen_on_a_real_broker() -> None:
    """What a state is called by is not made up: a recording shows each that tells of trouble."""
    seen = {state for name in SCENARIOS for state in states(told(name))}

    assert seen >= {*PAGED, *UNPAGED}


def restarted_at(name: str) -> int:
    """Give the number of the first snapshot after the longest gap."""
    times = [one.at for one in recorded(name)]
    gaps = [after - before for before, after in pairwise(times)]
    return gaps.index(max(gaps)) + 1
