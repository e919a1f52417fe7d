"""Ages over a restart: what was found is there in the first cycle, what may be wrong is not."""

from __future__ import annotations

import contextlib
import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lagmon.errors import RecordingError
from lagmon.judge.recalled import restored, saved
from lagmon.model import Age, Method
from lagmon.readings import GroupReading, Peek, TopicId
from tests.lagmon.ageing import Ages, Log
from tests.lagmon.builders import GROUP, NOON, TOPIC, at

HOUR = 3600.0
THIS, OTHER = (TopicId(TOPIC, "a"),), (TopicId(TOPIC, "b"),)
EOF = "_PARTITION_EOF: the end"


def log_of(count: int = 100, *, committed: int = 40, ids: tuple[TopicId, ...] = THIS) -> Log:
    """Build a log with a record a minute in the ten hours before, of which some are unread."""
    log = Log(now=-10 * HOUR, ids=ids)
    for _ in range(count):
        log.write()
        log.now += 60
    log.now, log.committed = 0.0, committed
    return log


def watched(log: Log, watch: Ages, steps: int = 12) -> Age:
    """Watch for a minute and give the age that is known in the end."""
    found = [log.step(watch) for _ in range(steps)][-1]
    assert found is not None
    return found


def written(watch: Ages, log: Log) -> Any:
    """Give what the state file has of *watch*."""
    kept = saved(watch.known, watch.history, NOON + log.now)
    return json.loads(json.dumps(kept, allow_nan=False))


def restarted(watch: Ages, log: Log) -> Ages:
    """Give a new memory with what the state file has of *watch*."""
    return Ages(peeks=watch.peeks, known=restored(written(watch, log)))


def test_an_arrival_that_was_seen_is_known_at_once() -> None:
    """Between two samples before the restart: the first cycle after it has method and error."""
    log, watch = Log(ids=THIS), Ages()
    log.step(watch)
    log.write()
    before = watched(log, watch)

    again = restarted(watch, log)
    after = log.step(again, 300)

    assert before.method is Method.HISTORY
    assert after == replace(before, seconds=before.seconds + 300)
    assert again.plan.probes == ()


def test_a_time_that_was_asked_for_is_known_at_once() -> None:
    """What took cycles to close in on is not asked again."""
    log, watch = log_of(), Ages()
    before = watched(log, watch)

    again = restarted(watch, log)
    after = log.step(again, 300)

    assert before.method is Method.TIMESTAMPS
    assert before.error_seconds is not None
    assert after is not None
    assert (after.method, after.error_seconds) == (before.method, before.error_seconds)
    assert after.seconds == pytest.approx(before.seconds + 300)
    assert again.plan.probes == ()


def test_a_lower_bound_is_the_same_lower_bound() -> None:
    """Nothing becomes more certain by a restart."""
    log, watch = Log(now=-2 * HOUR, ids=THIS), Ages()
    log.write(100)
    log.now, log.committed = 0.0, 50
    before = watched(log, watch)

    after = log.step(restarted(watch, log), 300)

    assert after is not None
    assert (before.error_seconds, after.error_seconds) == (None, None)
    assert after.seconds == pytest.approx(before.seconds + 300)


def test_what_was_half_found_goes_on() -> None:
    """The answers so far count: as many questions as without a restart, and the same time."""
    log, watch = log_of(count=500, committed=234), Ages(calls=1)
    for _ in range(4):
        log.step(watch)

    again = restarted(watch, log)
    again.calls = 1
    found = watched(log, again, 20)

    unbroken = log_of(count=500, committed=234)
    assert found.error_seconds == watched(unbroken, Ages(calls=1), 24).error_seconds
    assert 4 < len(log.asked) <= len(unbroken.asked) + 1


def test_a_restart_during_a_restart_loses_nothing() -> None:
    """What waits to be taken over is written down as well."""
    log, watch = log_of(), Ages()
    before = watched(log, watch)

    once = restarted(watch, log)
    log.step(once, error="no broker answers")
    after = log.step(restarted(once, log), 0)

    assert after is not None
    assert after.seconds == pytest.approx(before.seconds + 5)


def test_a_commit_that_moved_meanwhile_has_no_old_age() -> None:
    """It is another record, and younger."""
    log, watch = log_of(), Ages()
    watched(log, watch)

    again = restarted(watch, log)
    log.committed = 70

    assert log.step(again) is None
    found = watched(log, again)
    assert found.seconds == pytest.approx(NOON + log.now - log.records[70][1], abs=0.002)


def test_of_a_topic_made_anew_nothing_is_taken_over() -> None:
    """The same name, the same offsets, and other records: only the id tells."""
    log, watch = log_of(), Ages()
    watched(log, watch)

    again = restarted(watch, log)
    log.ids = OTHER

    assert log.step(again) is None
    assert again.known.recalled is None


def test_a_topic_without_an_id_is_waited_for() -> None:
    """In large clusters ids come within half a minute; nobody guesses until then."""
    log, watch = log_of(), Ages()
    before = watched(log, watch)

    again = restarted(watch, log)
    log.ids = ()
    without = log.step(again)
    log.ids = THIS
    after = log.step(again)

    assert without is None
    assert after is not None
    assert after.seconds == pytest.approx(before.seconds + 10)


def test_of_a_topic_that_never_had_an_id_nothing_is_written_down() -> None:
    """After the restart nobody could tell whether it is the same."""
    log, watch = log_of(ids=()), Ages()
    watched(log, watch)

    assert written(watch, log)["groups"] == {}


def test_of_a_partition_that_was_cut_nothing_is_taken_over() -> None:
    """Its end went back: what lies at the offset now was written since."""
    log, watch = log_of(), Ages()
    watched(log, watch)

    again = restarted(watch, log)
    log.records, log.end = log.records[:60], 60

    assert log.step(again) is None


def test_of_a_clock_that_went_back_nothing_is_taken_over() -> None:
    """Times of before and after cannot be compared."""
    log, watch = log_of(), Ages()
    watched(log, watch)

    again = restarted(watch, log)

    assert log.step(again, -20) is None


def test_what_cannot_be_read_yet_is_waited_for() -> None:
    """A group that is refused after the restart stands where it stood, as far as is known."""
    log, watch = log_of(), Ages()
    before = watched(log, watch)

    again = restarted(watch, log)
    again.judge(replace(log.snapshot(), groups=(GroupReading(GROUP, error="refused"),)))
    after = log.step(again)

    assert after is not None
    assert after.seconds == pytest.approx(before.seconds + 5)


def test_a_partition_without_an_end_is_waited_for() -> None:
    """Its leader is away for a moment: what lies there did not change."""
    log, watch = log_of(), Ages()
    before = watched(log, watch)

    again = restarted(watch, log)
    again.judge(replace(log.snapshot(), groups=(GroupReading(GROUP, error="refused"),)))
    log.now += 5
    again.judge(replace(log.snapshot(), topics=()))
    after = log.step(again)

    assert after is not None
    assert after.seconds == pytest.approx(before.seconds + 10)


def test_a_commit_that_went_back_has_no_young_age() -> None:
    """Somebody reads again from an older record."""
    log, watch = log_of(), Ages()
    watched(log, watch)

    again = restarted(watch, log)
    log.committed = 10

    assert log.step(again) is None
    found = watched(log, again)
    assert found.seconds == pytest.approx(NOON + log.now - log.records[10][1], abs=0.002)


def test_a_group_that_is_gone_is_forgotten() -> None:
    """One that is made under its name later begins anew."""
    log, watch = log_of(), Ages()
    watched(log, watch)

    again = restarted(watch, log)
    again.judge(replace(log.snapshot(), groups=(), list_errors=("_TRANSPORT: broker down",)))
    assert again.known.recalled is not None
    again.judge(replace(log.snapshot(), groups=()))

    assert again.known.recalled is None
    assert log.step(again) is None


def test_of_an_earlier_life_of_a_topic_nothing_is_written_down() -> None:
    """While the group could not be read, its topic was made anew: what was found is void."""
    log, watch = log_of(), Ages()
    watched(log, watch)

    log.ids, log.now = OTHER, log.now + 5
    watch.judge(replace(log.snapshot(), groups=(GroupReading(GROUP, error="refused"),)))

    assert written(watch, log)["groups"] == {}


def test_records_that_arrive_late_are_known_to() -> None:
    """Their own times say nothing of how long they waited, after a restart neither."""
    log, watch = Log(ids=THIS), Ages()
    log.write(100, time=-365 * 24 * HOUR)
    for _ in range(12):
        log.write(10, time=-365 * 24 * HOUR)
        before = log.step(watch)

    after = log.step(restarted(watch, log))

    assert before == Age(55.0, Method.HISTORY, None)
    assert after == Age(60.0, Method.HISTORY, None)


def test_a_doubt_outlives_a_restart() -> None:
    """On a topic with transactions the record may be none: its age is no better known than before.

    The one that looks is refused, so that the doubt stays.
    """
    log = Log(ids=THIS, peek=lambda one: Peek(one, error="TOPIC_AUTHORIZATION_FAILED"))
    watch = Ages(peeks=1)
    log.step(watch)
    log.write(10)
    log.stable = 0
    log.step(watch)
    log.step(watch)
    log.stable = None
    before = watched(log, watch)

    after = log.step(restarted(watch, log))

    assert before.error_seconds == before.seconds
    assert after is not None
    assert after.error_seconds == after.seconds


def test_what_is_known_to_be_a_record_stays_so() -> None:
    """A look told that it is one: no doubt comes back, before anybody can look again."""
    log = Log(ids=THIS, peek=lambda one: Peek(one, found_offset=one.offset, timestamp=NOON + 5))
    watch = Ages(peeks=1)
    log.step(watch)
    log.write(10)
    log.stable = 0
    log.step(watch)
    log.step(watch)
    log.stable = None
    before = watched(log, watch)

    after = log.step(restarted(watch, log))

    assert before.error_seconds is not None
    assert before.error_seconds < before.seconds
    assert after == replace(before, seconds=before.seconds + 5)


def test_what_is_known_to_be_no_record_stays_so() -> None:
    """A tail of markers is caught up, and needs no second look to be."""
    log = Log(ids=THIS, peek=lambda one: Peek(one, error=EOF))
    watch = Ages(peeks=5)
    log.step(watch)
    log.end += 2
    before = watched(log, watch)

    after = log.step(restarted(watch, log))

    assert before == after == Age(0.0, Method.CAUGHT_UP, 0.0)


def test_of_too_many_the_oldest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is bounded; a young one is soon found again."""
    monkeypatch.setattr("lagmon.judge.recalled.KEPT", 1)
    log, watch = log_of(), Ages()
    young = replace(log.snapshot().groups[0], group="young")
    for _ in range(12):
        log.now += 5
        snapshot = log.snapshot(watch.plan)
        commits = (replace(young.committed[0], offset=99),)
        both = (*snapshot.groups, replace(young, committed=commits))
        watch.judge(replace(snapshot, groups=both))

    found = written(watch, log)

    assert set(watch.known.groups) == {GROUP, "young"}
    assert list(found["groups"]) == [GROUP]


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        (5, "the line"),
        ({"at": 1, "groups": {"g": {"t": {"0": {}}}}}, "groups.g.t.0.commit"),
        ({"at": 1, "groups": {"g": {"t": {"x": {}}}}}, "groups.g.t.x"),
        ({"at": 1, "topics": {"t": 1}}, "topics.t"),
        ({"groups": {}}, "at"),
    ],
)
def test_what_was_not_saved_by_lagmon_is_refused_with_its_path(wrong: Any, path: str) -> None:
    """A broken file is an error that names the place, never a half memory."""
    with pytest.raises(RecordingError, match=f"^{path}"):
        restored(wrong)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["0", "commit"]), inner),
    )
)
def test_reading_raises_nothing_else(value: object) -> None:
    """Whatever JSON stands where arrivals should, the error is ours."""
    with contextlib.suppress(RecordingError):
        restored({"at": 1, "groups": {"g": {"t": value}}})


moves = st.lists(
    st.tuples(
        st.floats(0.5, 40),
        st.integers(0, 4),
        st.floats(0, 1),
        st.sampled_from(["ok", "ok", "ok", "silent", "restart", "nameless"]),
    ),
    min_size=1,
    max_size=40,
)


@given(st.lists(st.floats(1, 1e6), max_size=20), moves)
def test_the_truth_lies_within_the_bound(
    past: list[float], steps: list[tuple[float, int, float, str]]
) -> None:
    """Whatever arrives and moves, and however often lagmon goes on: never more than is true."""
    log, watch = Log(ids=THIS), Ages()
    for ago in sorted(past, reverse=True):
        log.write(time=-ago)
    for seconds, count, read, event in steps:
        behind = log.end - (log.committed or 0)
        if event == "restart":
            watch = restarted(watch, log)
        log.committed = (log.committed or 0) + int(read * behind)
        log.now += seconds
        log.write(count)
        log.ids = () if event == "nameless" else THIS
        age = log.step(watch, 0.001, error="gone" if event == "silent" else None)
        if age is None:
            continue
        left = [time for offset, time in log.records if offset >= log.committed]
        truth = NOON + log.now - left[0] if left else 0.0
        assert math.isfinite(age.seconds)
        assert age.seconds >= 0
        assert (age.method is Method.CAUGHT_UP) == (not left)
        assert age.seconds - (age.error_seconds or 0) <= truth + 0.002
        if age.error_seconds is not None:
            assert age.seconds + age.error_seconds >= truth - 0.002


def test_a_partition_that_was_never_behind_has_nothing_to_be_kept() -> None:
    """Nor has one of which nothing was found out yet."""
    log, watch = Log(end=10, committed=10, ids=THIS), Ages()
    log.step(watch)

    assert written(watch, log)["groups"] == {}
    assert watch.history.of(at()) is not None
