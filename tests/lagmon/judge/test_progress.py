"""What is remembered of a cluster: pauses, members, rates, windows, and what outlives a restart."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lagmon.errors import RecordingError
from lagmon.judge.evaluate import states
from lagmon.judge.lag import measure
from lagmon.judge.progress import Progress
from lagmon.judge.standing import PAUSES, percentile
from lagmon.judge.states import Judging
from lagmon.judge.tails import tails
from lagmon.judge.trend import CELLS, LagWindow, Trend
from lagmon.model import State
from lagmon.readings import GroupReading, KnownGroup, PeekRequest, Snapshot, TopicPartition
from tests.lagmon.builders import CLUSTER, GROUP, NOON, at
from tests.lagmon.histories import REFUSED, Side, during, now, peeked, told

if TYPE_CHECKING:
    from lagmon.judge.group_memory import GroupMemory
    from lagmon.judge.standing import Standing

WINDOW = 1800.0
NO_READ = "TOPIC_AUTHORIZATION_FAILED: Broker: Topic authorization failed"
BEHIND = Side(end=150)
STANDS = {State.STALLED: 810, State.HANGING_TRANSACTION: 1110}  # seconds until it is said
MOVES = Side(committed=lambda second: 95 + second, end=lambda second: 100 + second)


def remembered(history: tuple[Snapshot, ...], progress: Progress | None = None) -> GroupMemory:
    """Observe *history* and give what is remembered of its group."""
    progress = progress or Progress()
    told(history, progress=progress)
    memory = progress.group(GROUP)
    assert memory is not None
    return memory


def the_partition(history: tuple[Snapshot, ...]) -> Standing:
    """Observe *history* and give what is remembered of its only partition."""
    (one,) = remembered(history).partitions
    return one


def pauses(history: tuple[Snapshot, ...]) -> list[float]:
    """Give the pauses that *history* shows."""
    one = the_partition(history)
    return [] if one.pauses is None else one.pauses.events.tolist()


def restarted(progress: Progress) -> Progress:
    """Write *progress* down as the state file does, and read it again."""
    return Progress.restored(json.loads(json.dumps(progress.saved(), allow_nan=False)))


def partition(**fields: Any) -> Any:
    """Give what was saved of a group on one partition, with *fields*."""
    return {"groups": {"g": {"partitions": {"t": {"0": {"committed": 100, **fields}}}}}}


def steps(*commits: int, end: int = 500) -> tuple[Snapshot, ...]:
    """Give a snapshot every ten seconds, with one of *commits* each."""
    return during(0, 10 * (len(commits) - 1), Side(lambda second: commits[second // 10], end))


@pytest.mark.parametrize(
    ("commits", "found"),
    [
        ((5, 5, 5), []),  # it has not ended yet
        ((5, 5, 6), []),  # nobody saw it begin
        ((5, 6, 7), [10]),  # a move without standing counts as one poll interval
        ((5, 6, 6, 6, 7), [30]),
        ((5, 6, 7, 7, 4), [10, 20]),  # backwards is a move too
    ],
)
def test_a_pause_is_a_standing_that_began_and_ended_in_sight(
    commits: tuple[int, ...], found: list[float]
) -> None:
    """Pauses are events: each counts once, however many cycles it lasted."""
    assert pauses(steps(*commits)) == found


def test_a_pause_begins_when_something_is_there_to_be_read() -> None:
    """An idle hour is no pause: nothing was held up."""
    history = during(0, 3600, Side(100, 100)) + during(3610, 3620, Side(100, 105))

    assert pauses(history + during(3630, 3630, Side(105, 105))) == [20]


def test_time_without_answers_is_taken_out_of_a_pause() -> None:
    """A broker that was away for an hour makes no slow committer."""
    history = during(0, 10, Side(lambda second: second, 500))
    history += during(20, 3600, silent="down") + during(3610, 3620, Side(10, 500))

    assert pauses(history + during(3630, 3630, Side(20, 500))) == [30]


def test_only_so_many_pauses_are_kept() -> None:
    """The memory of a partition that moves in every cycle does not grow for ever."""
    found = pauses(steps(*range(1, 4 * PAUSES), end=4 * PAUSES))

    assert len(found) == PAUSES


@given(values=st.lists(st.floats(0, 1e6), min_size=1, max_size=200))
def test_95_of_100_are_not_above_the_percentile(values: list[float]) -> None:
    """The nearest rank: one of the values, with 95 in a hundred at or below it, and no smaller."""
    found = percentile(list(values))

    assert found in values
    assert sum(value <= found for value in values) >= 0.95 * len(values)
    assert sum(value < found for value in values) < 0.95 * len(values)


def test_of_no_pauses_there_is_no_percentile() -> None:
    """Unknown is not 0."""
    assert percentile([]) is None


@given(lags=st.lists(st.integers(0, 1000), min_size=3, max_size=CELLS - 1))
def test_a_short_window_is_compared_sample_by_sample(lags: list[int]) -> None:
    """Up to 29 samples nothing is put together: the thirds are those of the samples themselves."""
    window = LagWindow()
    for place, lag in enumerate(lags):
        window.add(float(place), lag, WINDOW)
    third = len(lags) // 3
    oldest, newest = lags[:third], lags[-third:]

    expected = Trend.NEITHER
    if min(newest) > max(oldest):
        expected = Trend.RISING
    elif max(newest) < min(oldest):
        expected = Trend.FALLING
    assert window.trend is expected


@pytest.mark.parametrize("every", [1, 5, 15, 60])
@pytest.mark.parametrize(("slope", "trend"), [(1, Trend.RISING), (-1, Trend.FALLING)])
def test_a_long_window_still_tells_where_the_lag_goes(every: int, slope: int, trend: Trend) -> None:
    """Hours of samples are kept in thirty cells, whatever the interval."""
    window = LagWindow()
    for second in range(0, 3 * 3600, every):
        window.add(float(second), 20_000 + slope * second, WINDOW)

    assert window.trend is trend
    assert len(window._cells) <= 3 * CELLS


def test_what_is_older_than_the_window_is_forgotten() -> None:
    """A burst of an hour ago does not make today's lag a shrinking one."""
    window = LagWindow()
    for second in range(0, 7200, 5):
        window.add(float(second), 9000 if second < 3600 else 50, WINDOW)

    assert window.trend is Trend.NEITHER


def test_a_restart_makes_nothing_unknown_and_ends_no_stall() -> None:
    """What stood before the restart stands after it, since when it stood, from the first look."""
    progress = Progress()
    stands = Side(lambda second: 100 + min(second, 600), lambda second: 100 + second)
    told(during(0, 900, stands, MOVES), progress=progress)

    (verdict,) = told(during(910, 910, stands, MOVES), progress=restarted(progress))

    assert verdict is not None
    assert verdict.judged.state is State.BLOCKED
    assert "last commit at 2025-11-24T16:10:00.000Z" in (verdict.judged.reason or "")
    assert [one and one.state for one in verdict.partitions] == [State.BLOCKED, State.PENDING]


@pytest.mark.parametrize("lost", [Side(error=REFUSED), Side(end=None)])
def test_what_cannot_be_read_right_after_a_restart_is_not_yet_unknown(lost: Side) -> None:
    """Three cycles are three cycles, also the first three."""
    progress = Progress()
    told(during(0, 600, MOVES), progress=progress)

    found = told(during(610, 630, lost), progress=restarted(progress))

    states_found = [verdict.judged.state for verdict in found if verdict is not None]
    assert states_found == [State.PENDING, State.PENDING, State.UNKNOWN]


@pytest.mark.parametrize(
    ("stands", "expected"),
    [(300, [State.PENDING, State.STEADY]), (700, [State.STALLED, State.STALLED])],
    ids=["not yet", "stalled"],
)
def test_an_hour_without_lagmon_makes_no_stall_and_ends_none(
    stands: int, expected: list[State]
) -> None:
    """Nobody looked: what stood has not stood for that hour too, and nothing is unknown."""
    progress = Progress()
    told(during(0, stands, BEHIND), progress=progress)

    back = stands + 3600
    found = told(during(back, back + 130, BEHIND), progress=restarted(progress))

    states_found = [one.judged.state for one in found if one is not None]
    assert [states_found[0], states_found[-1]] == expected
    assert set(states_found) == set(expected)


def test_a_short_restart_counts_as_if_there_had_been_none() -> None:
    """An upgrade takes a minute: it does not put off the page for a group that stands."""
    progress = Progress()
    told(during(0, 320, BEHIND), progress=progress)

    (verdict,) = told(during(610, 610, BEHIND), progress=restarted(progress))

    assert verdict is not None
    assert verdict.judged.state is State.STALLED


def test_a_slow_committer_is_known_after_a_restart() -> None:
    """Its pauses are in the state file: a restart in the middle of one makes no stall."""
    progress = Progress()
    slow = Side(lambda second: second // 300 * 300, lambda second: second + 1)
    told(during(0, 3000, slow), progress=progress)

    found = told(during(3010, 6000, slow), progress=restarted(progress))

    assert {verdict.judged.state for verdict in found if verdict} <= {
        State.PENDING, State.STEADY, State.FALLING_BEHIND, State.OK, State.CATCHING_UP,
    }  # fmt: skip


def test_who_moved_during_the_restart_has_not_stood() -> None:
    """A commit that is another than the one written down has moved; for how long is not known."""
    progress = Progress()
    told(during(0, 900, Side(lambda second: min(second, 100), 2000)), progress=progress)

    memory = remembered(during(2000, 2000, Side(500, 2000)), restarted(progress))

    (one,) = memory.partitions
    assert (one.stood, one.moved_at) == (0.0, NOON + 2000)


def test_a_hanging_transaction_still_hangs_after_a_restart() -> None:
    """Since when it is open is written down, or a restart would end its incident."""
    progress, hangs = Progress(), Side(end=150, stable=100)
    told(during(0, 910, hangs), progress=progress)

    (verdict,) = told(during(920, 920, hangs), progress=restarted(progress))

    assert verdict is not None
    assert verdict.judged.state is State.HANGING_TRANSACTION


@pytest.mark.parametrize(
    ("side", "state"),
    [(BEHIND, State.STALLED), (Side(end=150, stable=100), State.HANGING_TRANSACTION)],
)
def test_a_clock_that_was_set_back_over_a_restart_begins_the_watch_anew(
    side: Side, state: State
) -> None:
    """What was written down stands in the future: it would keep a group from standing for a day."""
    progress, day = Progress(), 24 * 3600
    told(during(day, day + 100, side), progress=progress)

    found = told(during(200, 1200, side), progress=restarted(progress))

    assert found[0] is not None
    assert found[-1] is not None
    assert found[0].judged.since == NOON + 200
    assert (found[-1].judged.state, found[-1].judged.since) == (state, NOON + STANDS[state])


def test_a_clock_that_was_set_back_forgets_what_was_said_by_it() -> None:
    """Since when a group is in its state is told to people: it must not lie ahead of them."""
    progress = Progress()
    told(during(9000, 9050, BEHIND), progress=progress)

    found = told(during(0, 10, BEHIND) + during(20, 20, BEHIND, error=REFUSED), progress=progress)

    said = [(one.judged, *one.partitions) for one in found if one is not None]
    assert [len(each) for each in said] == [2, 2, 1]
    assert {(one.state, one.since) for each in said for one in each if one is not None} == {
        (State.PENDING, NOON)
    }


def test_cycles_without_a_group_are_counted_anew_after_the_clock_was_set_back() -> None:
    """Two before it and two after it are not four: it is three in a row that make it unknown."""
    progress = Progress()
    told(during(9000, 9100, MOVES) + during(9110, 9120, MOVES, error=REFUSED), progress=progress)

    found = told(during(0, 20, MOVES, error=REFUSED), progress=progress)

    assert [one and one.judged.state for one in found] == [
        State.PENDING, State.PENDING, State.UNKNOWN,
    ]  # fmt: skip


def test_a_commit_of_a_lost_cycle_makes_no_pause_of_less_than_nothing() -> None:
    """It was read before the cluster answered again, and that time was taken out already."""
    history = during(0, 10, Side(lambda second: second, 500)) + during(20, 60, silent="down")
    (late,) = during(70, 70, Side(50, 500))
    read = (replace(late.groups[0], read_at=NOON + 20),)

    assert pauses((*history, replace(late, groups=read))) == [0]


def test_who_was_alive_and_had_a_value_is_known_after_a_restart() -> None:
    """The rules on groups ask for both, and a restart must neither arm nor disarm them."""
    progress = Progress()
    told(during(0, 10, Side(5, 10), members=0), progress=progress)
    assert not progress.alive
    assert progress.valued == {GROUP}

    told(during(20, 20, Side(6, 10), members=0), progress=progress)

    again = restarted(progress)
    assert again.alive == again.valued == {GROUP}


def test_what_was_never_committed_is_not_written_down() -> None:
    """Nothing of it has to outlive a restart."""
    progress = Progress()
    told(during(0, 10, Side(None, 10), Side(5, 10)), progress=progress)

    memory = restarted(progress).group(GROUP)

    assert memory is not None
    assert [one.at for one in memory.partitions] == [at(1)]


def test_what_was_committed_or_refused_is_known_over_a_restart() -> None:
    """Whoever collects next has to ask for it by name; a refusal is no end of a partition."""
    progress, refused = Progress(), Side(None, 10, error=NO_READ)
    told(during(0, 10, Side(None, 10), Side(5, 10), refused), progress=progress)

    again = restarted(progress)

    assert progress.known() == again.known() == (KnownGroup(GROUP, (at(1), at(2))),)
    assert restarted(again).known() == again.known()


def test_a_group_that_is_hidden_is_known_with_its_partitions() -> None:
    """While it cannot be read, nothing of it is forgotten."""
    progress = Progress()
    told(during(0, 10, Side(5, 10)), progress=progress)
    hidden = GroupReading(GROUP, error="GROUP_AUTHORIZATION_FAILED")
    told([Snapshot(NOON + 20, CLUSTER, groups=(hidden,))], progress=progress)

    assert restarted(progress).known() == (KnownGroup(GROUP, (at(0),)),)


def test_of_too_many_topics_only_those_that_are_read_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Topics that come and go for years do not fill the memory."""
    monkeypatch.setattr("lagmon.judge.progress.TOPICS_KEPT", 1)
    progress, held = Progress(), Side(end=150, stable=100)
    for name in ("a", "b"):
        (one,) = during(0, 0, held)
        renamed = tuple(replace(log, at=TopicPartition(name, 0)) for log in one.topics)
        told([replace(one, at=NOON + ord(name), topics=renamed, groups=())], progress=progress)

    assert (progress.has_transactions("a"), progress.has_transactions("b")) == (False, True)


def test_members_make_a_group_alive() -> None:
    """Whoever had members once is somebody's group."""
    progress = Progress()
    told(during(0, 0, Side(None, 10)), progress=progress)

    assert progress.alive == {GROUP}
    assert progress.valued == frozenset()


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        (5, "the line"),
        ({"groups": {"g": {"partitions": {"t": {"0": {}}}}}}, "groups.g.partitions.t.0.committed"),
        ({"transactions": {"t": {"x": {}}}}, "transactions.t.x"),
        ({"transactional": [1]}, "transactional"),
        ({"at": 1e300}, "at: wants a number from 0 to 253402300799, got 1e[+]300"),
        (partition(committed=-1001), "groups.g.partitions.t.0.committed: wants a number from 0"),
        (partition(committed=2**63), "groups.g.partitions.t.0.committed: wants a number from 0"),
        (partition(moved_at=1e300), "groups.g.partitions.t.0.moved_at: wants a number from 0"),
        (partition(stood_from=-1.0), "groups.g.partitions.t.0.stood_from: wants a number from"),
        (partition(pause=1e308), "groups.g.partitions.t.0.pause: wants a number from 0"),
        (partition(pause=-5), "groups.g.partitions.t.0.pause: wants a number from 0"),
        (
            {"transactions": {"t": {"0": {"stable": 5, "since": -1e300}}}},
            "transactions.t.0.since: wants a number from 0",
        ),
    ],
)
def test_what_was_not_saved_by_lagmon_is_refused_with_its_path(wrong: Any, path: str) -> None:
    """A broken file is an error that names the place, never a half memory."""
    with pytest.raises(RecordingError, match=f"^{path}"):
        Progress.restored(wrong)


def test_a_deleted_group_is_forgotten_and_a_hidden_one_is_not() -> None:
    """Only a complete list without a group says that it is gone."""
    progress = Progress()
    told(during(0, 0, MOVES), progress=progress)
    partial = Snapshot(NOON + 10, CLUSTER, list_errors=("_TRANSPORT: broker down",))
    told([partial], progress=progress)
    assert progress.group(GROUP) is not None

    told([Snapshot(NOON + 20, CLUSTER)], progress=progress)

    assert progress.group(GROUP) is None


@pytest.mark.parametrize(
    ("end", "rate"), [(lambda s: 100 + 5 * s, 5.0), (lambda s: 5000 - 3 * s, -3.0), (200, 0.0)]
)
def test_the_rate_is_messages_a_second(end: Any, rate: float) -> None:
    """How fast the lag grows, over the last two minutes; a shrinking lag has a negative one."""
    lag = Side(lambda second: 1000 + second, lambda second: 1000 + second + (now(end, second) or 0))

    assert remembered(during(0, 600, lag)).rate == pytest.approx(rate)


def test_a_new_pace_shows_within_two_minutes() -> None:
    """The rate is lately's: an hour of the old pace does not dilute the new one."""
    lag = Side(0, lambda second: max(0, second - 3600) * 7)

    assert remembered(during(0, 3720, lag)).rate == pytest.approx(7.0)


@pytest.mark.parametrize(
    "history",
    [
        during(0, 0, MOVES),
        during(0, 600, MOVES) + during(610, 610, Side(error=REFUSED)),
        during(0, 600, MOVES) + during(610, 610, MOVES, error=REFUSED),
        during(0, 600, MOVES) + during(610, 610, MOVES, MOVES),
    ],
    ids=["one sample", "a partition unknown", "the group unknown", "another partition"],
)
def test_sums_that_cannot_be_compared_have_no_rate(history: tuple[Snapshot, ...]) -> None:
    """A sum of other partitions is another number: no rate is better than a jump."""
    assert remembered(history).rate is None


def asked(history: tuple[Snapshot, ...], limit: int = 10) -> tuple[PeekRequest, ...]:
    """Give what `tails` asks after *history*."""
    progress = Progress()
    told(history, progress=progress)
    return tails(measure(history[-1]), progress, limit)


@pytest.mark.parametrize(
    ("history", "questions"),
    [
        (during(0, 20, Side(end=101)), 1),
        (during(0, 20, Side(end=100)), 0),  # caught up
        (during(0, 20, Side(end=103)), 0),  # records are among them
        (during(0, 0, Side(end=103, stable=100)) + during(10, 30, Side(end=103)), 1),
        (during(0, 20, Side(end=101), members=0), 0),  # nobody's group
        (during(0, 20, Side(end=101), peeks=peeked(found=100)), 0),  # it is a record
        (during(0, 20, Side(end=101), peeks=peeked()), 0),  # it is none
        (during(0, 0, Side(end=101), peeks=peeked()) + during(10, 30, Side(end=102)), 1),
        (during(0, 20, Side(end=101), peeks=peeked(error=NO_READ)), 0),  # just refused
        (
            during(0, 0, Side(end=101), peeks=peeked(error=NO_READ))
            + during(10, 60, Side(end=101)),
            1,
        ),
        (during(0, 20, Side(end=101)) + during(30, 30, Side(end=101), error=REFUSED), 0),
    ],
)
def test_a_tail_is_asked_about_where_an_answer_would_tell(
    history: tuple[Snapshot, ...], questions: int
) -> None:
    """Once a commit, again after a minute's refusal, again when something came behind it."""
    assert asked(history) == (PeekRequest(at(), 100),) * questions


def test_the_longest_standing_is_asked_about_first() -> None:
    """A bound on questions costs those that have the most time left."""
    late = Side(lambda second: 100 + min(second, 50), lambda second: 101 + min(second, 50))

    history = during(0, 100, late, Side(end=101))

    assert asked(history, limit=1) == (PeekRequest(at(1), 100),)


def test_a_carried_commit_does_not_stand_while_nobody_reads_it() -> None:
    """Idle groups are read less often: a commit stands until it was last read, not until now."""
    progress, settings = Progress(), Judging()
    (first,) = during(0, 0, Side(end=150), members=0)
    carried = first.groups[0]
    for second in range(0, 200, 10):
        reading = type(carried)(
            carried.group,
            carried.state,
            carried.kind,
            carried.members,
            carried.committed,
            read_at=NOON + second // 100 * 100,
        )
        snapshot = Snapshot(NOON + second, CLUSTER, first.topics, (reading,))
        lag = measure(snapshot)
        progress.observe(snapshot, lag, settings)

    memory = progress.group(GROUP)
    assert memory is not None
    assert [one.stood for one in memory.partitions] == [100.0]
    assert states(lag, progress, settings)[GROUP].judged.state is not State.STOPPED
