"""One look: what of it pages, and how it is written for people."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lagmon.alerts.incidents import State as Incidents
from lagmon.alerts.rules import KAFKA_CONSUMER_LAG, SHIPPED, Override, Priority
from lagmon.judge.judging import Judgement, Memory, Policy, judge
from lagmon.model import Age, Change, GroupLag, Method, State, Why
from lagmon.once import Look, at_once, report, still_open, table
from lagmon.readings import MissingRight, Resource, Snapshot
from tests.lagmon.builders import (
    CLUSTER,
    GROUP,
    NOON,
    TRACE,
    group,
    incident,
    lags,
    notice,
    part,
    record,
)
from tests.lagmon.recording.test_replay import snapshot

if TYPE_CHECKING:
    from lagmon.report import Notice

POLICY = Policy(at_once(SHIPPED), poll_interval_seconds=5, peeks_per_cycle=20)

NO_DESCRIBE = (  # longer than a name may be, with a command that must not be cut off
    f"no DESCRIBE on group {'settle-' * 20}; "
    f"kafka-acls --add --operation Describe --group {'settle-' * 20}"
)


def look(
    *groups: GroupLag,
    opened: tuple[Notice, ...] = (),
    error: str | None = None,
    complete: bool = True,
) -> Look:
    """Build a look at *groups* that found what was *opened*."""
    judged = Judgement(Memory(Incidents()), lags(*groups, complete=complete, error=error), ())
    return Look(Snapshot(NOON, CLUSTER, error=error), judged, opened)


def rows(*looks: Look) -> list[list[str]]:
    """Give the table of *looks*, cut at two blanks."""
    return [[cell for cell in line.split("  ") if cell] for line in table(looks).splitlines()]


def test_a_right_that_is_missing_is_no_quiet_look() -> None:
    """A lag of 0 is that of the topics that may be seen: the group is unknown, and that is said."""
    missing = (MissingRight(Resource.TOPIC, "plays"),)
    seen = snapshot(0)
    empty = tuple(replace(one, members=0, state="empty") for one in seen.groups)
    partly = replace(seen, groups=empty, missing_rights=missing, list_errors=(NO_DESCRIBE,))

    judged = judge(Memory.of(POLICY), partly, POLICY)
    one = Look(partly, judged, tuple(still_open({}, judged).values()))

    assert [(each.lag, each.judged) for each in judged.lag.groups] == [(0, State.UNKNOWN)]
    assert one.pages
    lines = table([one]).splitlines()
    assert lines[1].endswith("more topics may be hidden; 1 partition never committed")
    assert f"local: something may be missing: {NO_DESCRIBE}" in lines
    assert lines[-1] == "1 page, 1 cluster not known wholly, 1 group not known wholly"


def test_what_holds_now_pages_however_short_it_has() -> None:
    """Nobody can wait for a rule's time in one look: over the limit is enough."""
    over = judge(Memory.of(POLICY), snapshot(1001), POLICY)
    fine = judge(Memory.of(POLICY), snapshot(1000), POLICY)

    told = still_open({}, over)

    assert [key.rule for key in told if key.rule == "KafkaConsumerLag"] == ["KafkaConsumerLag"]
    assert not still_open({}, fine)


def test_an_exception_of_a_rule_counts_at_once_too() -> None:
    """A group with a time of its own does not have to wait for it either."""
    rule = replace(
        KAFKA_CONSUMER_LAG, exceptions=(Override(groups=GROUP, threshold=5, for_seconds=3600),)
    )
    policy = replace(POLICY, rules=at_once([rule]))

    told = still_open({}, judge(Memory.of(policy), snapshot(200), policy))

    assert [key.rule for key in told] == ["KafkaConsumerLag"]


def test_what_is_over_by_the_last_cycle_does_not_page() -> None:
    """A look takes a few cycles; the last one counts."""
    first = judge(Memory.of(POLICY), snapshot(1500), POLICY)
    told = still_open({}, first)

    after = still_open(told, judge(first.memory, snapshot(0, when=NOON + 1), POLICY))

    assert told
    assert not after


@pytest.mark.parametrize(
    ("one", "pages"),
    [
        pytest.param(look(group(5)), False, id="all is well"),
        pytest.param(look(group(1203), opened=(notice(),)), True, id="a P1 is open"),
        pytest.param(look(error="no answer"), True, id="the cluster does not answer"),
        pytest.param(
            look(group(1203), opened=(notice(about=replace(incident(), held=True)),)),
            False,
            id="maintenance holds it back",
        ),
        pytest.param(
            look(
                group(1203),
                opened=(replace(notice(), rule=replace(KAFKA_CONSUMER_LAG, priority=Priority.P2)),),
            ),
            False,
            id="it is no P1",
        ),
        pytest.param(look(group(None, why=Why.GROUP_UNREADABLE)), True, id="a group is unreadable"),
        pytest.param(look(group(5, unknown=1)), True, id="a partition is unknown"),
        pytest.param(look(replace(group(0), hidden=True)), True, id="topics may be hidden"),
        pytest.param(look(group(5), complete=False), True, id="groups may be missing"),
        pytest.param(look(group(None, why=Why.NO_COMMITS)), False, id="a group has no commits"),
        pytest.param(
            look(group(5, GROUP, part(0, 5, lost=3), members=0)), False, id="a dead group has lost"
        ),
    ],
)
def test_only_what_would_wake_somebody_pages(one: Look, *, pages: bool) -> None:
    """A P1 that nothing holds back, and what could not be seen, wholly or in part; nothing else."""
    assert one.pages is pages


def test_a_table_says_what_is_known_of_each_group() -> None:
    """State, lag, age, members; the group that pages first, then unknown ones, then by lag."""
    aged = replace(part(0, 7), age=Age(3723, Method.TIMESTAMPS, 1))
    calm = replace(group(7, "calm", aged), judged=State.STEADY, uncommitted=1)
    unknown = group(None, "hidden", members=None, why=Why.GROUP_UNREADABLE)
    unknown = replace(unknown, detail="GROUP_AUTHORIZATION_FAILED: no")

    written = rows(
        look(calm, group(9, "busier"), unknown, group(1203), opened=(notice(behind=group(1203)),))
    )

    assert [cell.strip() for cell in written[0]] == [
        *("CLUSTER", "GROUP", "STATE", "LAG", "AGE", "MEMBERS", "NOTE"),
    ]
    assert [row[1].strip() for row in written[1:5]] == [GROUP, "hidden", "busier", "calm"]
    assert [cell.strip() for cell in written[4]] == [
        *("local", "calm", "steady", "7", "1h 2m 3s ± 1s, by timestamps", "2"),
        "1 partition never committed",
    ]
    assert written[2][-1].strip() == "group unreadable; GROUP_AUTHORIZATION_FAILED: no"


def test_a_table_names_what_pages_and_the_oldest_record() -> None:
    """Below the groups stands who would be woken, why, and where reading stands."""
    told = replace(notice(behind=group(1203)), record=record())

    lines = table([look(group(1203), opened=(told,))]).splitlines()

    assert lines[-3].startswith("P1 KafkaConsumerLag: Consumer group settle on local is 1,203")
    assert lines[-2].endswith(f"plays[0] at offset 5000, 42s old by its own time, trace {TRACE}")
    assert lines[-1] == "1 page"


def test_a_page_without_a_trace_says_why() -> None:
    """A record that nobody can trace stands there with its reason, and a page without one alone."""
    bare = record(timestamp=None, trace_id=None, trace_unknown="no trace header")
    told = (replace(notice(behind=group(1203)), record=bare), notice(behind=group(1203)))

    lines = table([look(group(1203), opened=told)]).splitlines()

    assert lines[-3].endswith("plays[0] at offset 5000, no trace to show: no trace header")
    assert lines[-2].startswith("P1 KafkaConsumerLag: ")
    assert lines[-1] == "2 pages"


def test_an_incomplete_list_is_said() -> None:
    """Groups may be missing from the table, and it does not pass for all there is."""
    whole = look(group(5))
    part_of_it = replace(whole, snapshot=replace(whole.snapshot, list_errors=("_TRANSPORT: gone",)))

    lines = table([part_of_it]).splitlines()

    assert "local: something may be missing: _TRANSPORT: gone" in lines


def test_what_is_sent_once_more_is_still_open() -> None:
    """A reminder neither opens nor ends anything."""
    first = judge(Memory.of(POLICY), snapshot(1500), POLICY)
    again = judge(first.memory, snapshot(1501, when=NOON + 61), POLICY)

    told = still_open(still_open({}, first), again)

    assert Change.REMINDED in [each.change.change for each in again.notices]
    assert "KafkaConsumerLag" in [key.rule for key in told]


def test_a_quiet_look_says_so() -> None:
    """The last line is the answer."""
    assert table([look(group(5))]).splitlines()[-1] == "nothing pages"


def test_lost_records_and_unknown_partitions_are_noted() -> None:
    """What a number hides stands behind it."""
    parts = (part(0, 5, lost=3), part(1, None, why=Why.NO_END_OFFSET))

    (_, row, _) = rows(look(group(5, GROUP, *parts, unknown=1)))

    assert row[-1].strip() == "1 partition unknown; 3 messages lost"


def test_a_cluster_that_did_not_answer_is_named() -> None:
    """Its words stand in the report, and it is counted as what somebody has to look at."""
    lines = table([look(error="_TRANSPORT: gone")]).splitlines()

    assert lines == ["local did not answer: _TRANSPORT: gone", "1 cluster not answering"]


def test_what_maintenance_holds_back_is_listed_as_such() -> None:
    """It is there to be seen, and pages nobody."""
    held = notice(Change.OPENED, replace(incident(), held=True), behind=group(1203))

    lines = table([look(group(1203), opened=(held,))]).splitlines()

    assert lines[-2].startswith("P1 KafkaConsumerLag (held back by maintenance): ")
    assert lines[-1] == "nothing pages"


def test_a_line_says_how_sure_each_age_is() -> None:
    """Beside each age stand its method and bound; a group's is a lower bound if one part's is."""
    known = replace(part(0, 7), age=Age(200.0004, Method.HISTORY, 5))
    least = replace(part(1, 9), age=Age(40, Method.TIMESTAMPS, None))
    unsure = part(2, 3)
    behind = replace(group(19, GROUP, known, least, unsure), age=known.age)

    said = report(look(behind))["groups"][GROUP]

    ages = [ages_of(said["partitions"]["plays"][name]) for name in "012"]
    assert ages == [(200, "history", 5), (40, "timestamps", None), (None, None, None)]
    assert ages_of(said) == (195, "history", None)


def ages_of(row: dict[str, object]) -> tuple[object, ...]:
    """Give what *row* says of an age."""
    return row["lag_seconds"], row["seconds_method"], row["seconds_error"]
