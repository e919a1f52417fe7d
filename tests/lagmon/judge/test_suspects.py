"""Which records are asked for, and which one is shown."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lagmon.judge.suspects import ASK_AGAIN_SECONDS, Answer, oldest, records, remember, suspects
from lagmon.model import GroupLag, PartitionLag, State, Why
from lagmon.readings import Isolation, Peek, PeekRequest
from tests.lagmon.builders import GROUP, NOON, TRACE, at, group, lags, part, peek, record, unread

if TYPE_CHECKING:
    from collections.abc import Iterator


def asked(
    *groups: GroupLag, answers: tuple[Answer, ...] = (), limit: int = 20, now: float = NOON
) -> list[tuple[str, int, int]]:
    """List what is asked for while all of *groups* are of concern."""
    names = {each.group for each in groups}
    wanted = suspects(lags(*groups), names, answers, limit=limit, now=now)
    return [(each.at.topic, each.at.partition, each.offset) for each in wanted]


def test_the_first_record_that_is_not_committed_is_asked_for() -> None:
    """The committed offset is that of the next record to read, so it is the question."""
    assert asked(group(10, GROUP, part(3, 10, committed=77))) == [("plays", 3, 77)]


def test_groups_without_concern_are_left_alone() -> None:
    """A group that is neither open nor pending costs nothing, however far it is behind."""
    lag = lags(group(10, "calm"), group(10, "concerned", part(0, 10, topic="other")))

    wanted = suspects(lag, {"concerned"}, (), limit=20, now=NOON)

    assert [each.at.topic for each in wanted] == ["other"]


def test_the_largest_lag_comes_first() -> None:
    """Partitions are asked for in the order of their lag, equal ones in that of their number."""
    parts = (part(0, 5), part(1, 500), part(2, 50), part(3, 50))

    assert [number for _, number, _ in asked(group(605, GROUP, *parts))] == [1, 2, 3, 0]


@pytest.mark.parametrize(
    "silent",
    [
        part(0, 0),
        part(0, None, committed=None, why=Why.NEVER_COMMITTED),
        part(0, None, committed=5000, why=Why.NO_END_OFFSET),
    ],
    ids=["caught up", "never committed", "end unknown"],
)
def test_a_partition_without_a_known_lag_has_no_oldest_record(silent: PartitionLag) -> None:
    """There is nothing to ask where nothing is unread, or where it is not known."""
    assert asked(group(7, GROUP, silent, part(1, 7))) == [("plays", 1, 5000)]


def test_groups_take_turns_within_the_bound() -> None:
    """With room for three, each of two groups is asked about before one is asked about twice."""
    large = group(900, "large", part(0, 500), part(1, 400))
    small = group(3, "small", part(0, 2, topic="t"), part(1, 1, topic="t"))

    assert asked(large, small, limit=3) == [("plays", 0, 5000), ("t", 0, 5000), ("plays", 1, 5000)]


def test_a_group_with_more_partitions_goes_on_alone() -> None:
    """When the others have had their turns, the rest of the large one is asked about."""
    large = group(600, "large", part(0, 300), part(1, 200), part(2, 100))

    assert [number for _, number, _ in asked(large, group(1, "small", part(9, 1)))] == [0, 9, 1, 2]


def test_two_groups_at_the_same_record_ask_once() -> None:
    """A record is looked at once for all groups that stand at it."""
    assert asked(group(7, "a"), group(7, "b")) == [("plays", 0, 5000)]


def test_deleted_records_are_skipped() -> None:
    """Where the commit lies before the log's start, the oldest record still there is asked for."""
    assert asked(group(9, GROUP, part(0, 9, committed=10, lost=90))) == [("plays", 0, 100)]


def test_an_answer_is_not_asked_for_again_while_it_is_fresh() -> None:
    """The same commit is asked about again only when its answer has become old."""
    answers = (Answer(peek(), NOON),)

    assert asked(group(7), answers=answers, now=NOON) == []
    assert asked(group(7), answers=answers, now=NOON + ASK_AGAIN_SECONDS - 1) == []
    assert asked(group(7), answers=answers, now=NOON + ASK_AGAIN_SECONDS) == [("plays", 0, 5000)]


def test_a_moved_commit_is_asked_about_at_once() -> None:
    """An answer belongs to its offset."""
    answers = (Answer(peek(offset=5000), NOON),)

    assert asked(group(7, GROUP, part(0, 7, committed=5001)), answers=answers) == [
        ("plays", 0, 5001)
    ]


def test_a_clock_that_went_back_only_asks_again() -> None:
    """An answer from the future is not trusted to be fresh for hours."""
    assert asked(group(7), answers=(Answer(peek(), NOON + 3600),)) == [("plays", 0, 5000)]


def test_answers_are_kept_as_long_as_somebody_stands_there() -> None:
    """An answer is forgotten when the commit moves on or the group is no longer of concern."""
    answers = (Answer(peek(offset=5000), NOON),)
    stands = lags(group(7))
    moved = lags(group(7, GROUP, part(0, 7, committed=5001)))

    assert remember(answers, (), stands, {GROUP}, NOON) == answers
    assert remember(answers, (), moved, {GROUP}, NOON) == ()
    assert remember(answers, (), stands, set(), NOON) == ()


def test_answers_survive_an_outage() -> None:
    """While a cluster does not answer, what was found out is kept."""
    answers = (Answer(peek(), NOON),)

    assert remember(answers, (), lags(error="gone"), {GROUP}, NOON + 600) == answers


def test_a_newer_answer_replaces_an_older_one() -> None:
    """The last answer to a question counts."""
    kept = remember((Answer(peek(error="busy"), NOON),), (peek(),), lags(group(7)), {GROUP}, NOON)

    assert [answer.peek for answer in kept] == [peek()]


def shown_for(behind: GroupLag, *peeks: Peek) -> tuple[int, int, str | None, str | None]:
    """Give partition, offset, trace id and the reason for none of the record shown."""
    shown = oldest(behind, [Answer(each, NOON) for each in peeks])
    assert shown is not None
    return shown.at.partition, shown.offset, shown.trace_id, shown.trace_unknown


def test_the_oldest_record_by_time_is_shown() -> None:
    """The partition that stands has the older record, even if another one is further behind."""
    behind = group(510, GROUP, part(0, 500), part(1, 10))
    moves, stands = peek(0, timestamp=NOON - 5), peek(1, timestamp=NOON - 500, trace_id="a" * 32)

    assert shown_for(behind, moves, stands) == (1, 5000, "a" * 32, None)


def test_a_record_without_a_time_is_shown_last() -> None:
    """Without a timestamp nobody can say that it is the oldest."""
    behind = group(510, GROUP, part(0, 500), part(1, 10))

    assert shown_for(behind, peek(0, timestamp=None), peek(1))[0] == 1
    assert shown_for(behind, peek(0, timestamp=None))[0] == 0


def test_the_offset_that_was_found_is_shown() -> None:
    """Where the record was compacted away, the next one that is there is named."""
    found = Peek(PeekRequest(at(0), 5000), found_offset=5007, trace_id=TRACE)

    assert shown_for(group(7), found)[1] == 5007


@pytest.mark.parametrize(
    ("answer", "trace", "why"),
    [
        (peek(), TRACE, None),
        (peek(trace_id=None), None, "the record carries no valid trace header"),
        (peek(sampled=False), TRACE, "not sampled: search the logs for the trace id"),
        (replace(peek(trace_id=None), trace_unknown="b3 is broken"), None, "b3 is broken"),
        (peek(error="not authorized"), None, "the record could not be read: not authorized"),
        (
            peek(error="TOPIC_AUTHORIZATION_FAILED: Broker: Topic authorization failed"),
            None,
            "lagmon may not read topic plays: it lacks the ACL READ on it",
        ),
        (
            peek(error="_AUTO_OFFSET_RESET: fetch failed due to requested offset not available"),
            None,
            "the record was deleted while it was looked for",
        ),
        (
            peek(error="_PARTITION_EOF: Broker: No more messages"),
            None,
            "no record is left there, only marks of transactions and what they took back",
        ),
    ],
    ids=[
        *("traced", "no header", "not sampled", "malformed"),
        *("unreadable", "no ACL", "deleted", "only control records"),
    ],
)
def test_a_record_has_a_trace_or_a_reason(answer: Peek, trace: str | None, why: str | None) -> None:
    """Each way in which a trace cannot be shown is said in words."""
    assert shown_for(group(7), answer)[2:] == (trace, why)


def test_a_record_is_shown_with_what_the_look_found() -> None:
    """Size and allowed headers go with the record to pages and alerts."""
    found = replace(peek(), headers=(("tenant", "blue"),))

    shown = oldest(group(7), [Answer(found, NOON)])

    assert shown is not None
    assert (shown.size, shown.headers, shown.pending) == (120, (("tenant", "blue"),), False)


@pytest.mark.parametrize(
    ("stable", "judged", "isolation"),
    [
        (None, State.STALLED, Isolation.READ_COMMITTED),
        (5007, State.STALLED, Isolation.READ_COMMITTED),
        (5001, State.OPEN_TRANSACTION, Isolation.READ_COMMITTED),
        (5000, State.OPEN_TRANSACTION, Isolation.READ_UNCOMMITTED),
        (4990, State.HANGING_TRANSACTION, Isolation.READ_UNCOMMITTED),
        (5000, State.STEADY, Isolation.READ_COMMITTED),
    ],
    ids=[
        *("no last stable offset is known", "no transaction is open", "one is open further on"),
        *("one is open at the commit", "one hangs before the commit"),
        "a record came between the two requests",
    ],
)
def test_only_committed_records_are_asked_for_where_there_are_any(
    stable: int | None, judged: State, isolation: Isolation
) -> None:
    """A transaction that is open at the commit is shown by its record: nothing else can be read."""
    behind = group(7, GROUP, part(0, 7, stable=stable, judged=judged))

    (question,) = suspects(lags(behind), {GROUP}, (), limit=20, now=NOON)

    assert question.isolation is isolation


def test_a_record_of_an_open_transaction_is_told_as_such() -> None:
    """It has its trace, and that its transaction has not ended."""
    behind = group(7, GROUP, part(0, 7, stable=5000, judged=State.OPEN_TRANSACTION))
    question = PeekRequest(at(0), 5000, Isolation.READ_UNCOMMITTED)

    shown = oldest(behind, [Answer(replace(peek(), question=question), NOON)])

    assert shown is not None
    assert (shown.pending, shown.trace_id) == (True, TRACE)


def test_that_nothing_is_left_holds_until_something_is_written() -> None:
    """Behind control records one may come at any time: with a new end it is asked again."""
    stands = lags(group(1, GROUP, part(0, 1)))
    written = lags(group(2, GROUP, part(0, 2)))
    answers = remember((), (unread("_PARTITION_EOF: no more"),), stands, {GROUP}, NOON)

    again = [suspects(lag, {GROUP}, answers, limit=20, now=NOON + 5) for lag in (stands, written)]

    assert [len(questions) for questions in again] == [0, 1]


def test_a_failure_is_not_asked_for_with_every_record_that_is_written() -> None:
    """What may not be read, or does not come, is asked for once a minute, not in every cycle."""
    answers = remember((), (unread("_TIMED_OUT: no"),), lags(group(1)), {GROUP}, NOON)

    assert suspects(lags(group(2)), {GROUP}, answers, limit=20, now=NOON + 5) == ()


def test_before_the_first_answer_it_is_said_that_nobody_has_looked() -> None:
    """The place is known at once, the record with a later snapshot."""
    assert shown_for(group(7)) == (0, 5000, None, "not looked at yet")


def test_where_nobody_may_look_it_is_said() -> None:
    """With peeks switched off nobody waits for a trace that will never come."""
    shown_now = records(lags(group(7)), {GROUP}, (), {}, looking=False)

    assert shown_now[GROUP].trace_unknown == "records are not looked at: peeks_per_cycle is 0"


def test_an_answer_to_an_older_commit_is_not_shown() -> None:
    """A record that has been committed since is nobody's oldest uncommitted one."""
    behind = group(7, GROUP, part(0, 7, committed=5001))

    assert shown_for(behind, peek(offset=5000)) == (0, 5001, None, "not looked at yet")


def test_a_group_that_has_caught_up_has_no_oldest_record() -> None:
    """Where nothing is unread there is nothing to show."""
    assert oldest(group(0), [Answer(peek(), NOON)]) is None


def test_a_group_that_cannot_be_read_keeps_its_record() -> None:
    """An outage takes no trace id out of an alert; a group that is back gets its present one."""
    before = {GROUP: record(offset=1), "other": record(offset=2)}
    unreadable = group(None, "other", why=Why.GROUP_UNREADABLE)
    now = [Answer(peek(), NOON)]

    shown_now = records(lags(group(7), unreadable), {GROUP, "other"}, now, before)

    assert {name: each.offset for name, each in shown_now.items()} == {GROUP: 5000, "other": 2}
    assert records(lags(error="gone"), {GROUP, "other"}, now, before) == before


def test_only_groups_of_concern_with_a_record_have_one() -> None:
    """A group that has caught up or of which nothing was ever known has none, and no old one."""
    before = {"calm": record()}

    assert records(lags(group(7, "calm")), set(), (), before) == {}
    assert records(lags(group(0)), {GROUP}, (), {GROUP: record()}) == {}
    assert records(lags(error="gone"), {"new"}, (), before) == {}


def test_the_answers_are_gone_through_once_however_many_groups_are_of_concern() -> None:
    """In an outage both are thousands: each for each would take longer than a cycle."""

    class Counted(tuple[Answer, ...]):
        """Answers that count how often somebody begins with them."""

        __slots__ = ()
        begun = 0

        def __iter__(self) -> Iterator[Answer]:
            Counted.begun += 1
            return super().__iter__()

    groups = [group(7, f"group-{number}") for number in range(50)]

    shown = records(
        lags(*groups), {one.group for one in groups}, Counted([Answer(peek(), NOON)]), {}
    )

    assert len(shown) == 50
    assert Counted.begun == 1
