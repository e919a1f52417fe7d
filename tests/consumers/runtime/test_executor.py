"""A run at a time in each lane, in other threads, and a wait that has an end."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from consumers.runtime.executor import OneByOne, ThreadExecutor
from consumers.types import Attempt, Ended, Outcome, Run
from tests.builders import record
from tests.infra.wait import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator


def run_of(*offsets: int) -> Run:
    """Make a run of records at *offsets*."""
    return Run([Attempt(record(offset)) for offset in offsets])


def done(attempt: Attempt) -> Ended:
    """End a try well."""
    return Ended(attempt, Outcome.DONE)


def outcomes(run: Run) -> list[tuple[int, Outcome]]:
    """List how the tries of *run* have ended."""
    return [(end.attempt.record.offset, end.outcome) for end in run.ended]


@contextmanager
def executor_of(gate: threading.Event, lanes: int = 1) -> Iterator[ThreadExecutor]:
    """Give an executor whose tries end when *gate* opens."""

    def tries(attempt: Attempt) -> Ended:
        gate.wait()
        return done(attempt)

    executor = ThreadExecutor(OneByOne(tries), lanes)
    yield executor
    gate.set()
    executor.close()


def test_a_try_in_work_does_not_hold_up_the_caller() -> None:
    """Waiting for a run that does not end gives nothing when the time is up; its lane is taken."""
    gate = threading.Event()
    with executor_of(gate) as executor:
        executor.start(run_of(0))

        assert executor.wait(0.01) is None
        assert executor.free == 0


def test_the_end_of_a_run_is_handed_over_once() -> None:
    """The end gives the run back; afterwards its lane is free for the next."""
    gate = threading.Event()
    run = run_of(3, 4)
    with executor_of(gate) as executor:
        executor.start(run)
        gate.set()

        assert executor.wait(PATIENCE_SECONDS) is run
        assert outcomes(run) == [(3, Outcome.DONE), (4, Outcome.DONE)]
        assert executor.free == 1


def test_a_try_runs_in_another_thread() -> None:
    """The thread that polls never runs a handler."""
    seen: list[int] = []

    def tries(attempt: Attempt) -> Ended:
        seen.append(threading.get_ident())
        return done(attempt)

    executor = ThreadExecutor(OneByOne(tries))
    executor.start(run_of(0))
    executor.wait(PATIENCE_SECONDS)
    executor.close()

    assert seen != [threading.get_ident()]
    assert len(seen) == 1


def test_lanes_work_at_the_same_time() -> None:
    """Two runs are in work at once: each waits for the other."""
    meeting = threading.Barrier(2, timeout=PATIENCE_SECONDS)

    def tries(attempt: Attempt) -> Ended:
        meeting.wait()
        return done(attempt)

    executor = ThreadExecutor(OneByOne(tries), lanes=2)
    executor.start(run_of(0))
    executor.start(run_of(1))

    ended = [executor.wait(PATIENCE_SECONDS), executor.wait(PATIENCE_SECONDS)]
    executor.close()

    assert sorted(outcomes(run)[0] for run in ended if run) == [
        (0, Outcome.DONE),
        (1, Outcome.DONE),
    ]


@pytest.mark.parametrize("outcome", [Outcome.RETRY, Outcome.WAIT, Outcome.FATAL])
def test_a_run_ends_with_a_try_that_does_not_finish(outcome: Outcome) -> None:
    """Nothing that stands behind a record which is to be tried again is begun."""
    run = run_of(0, 1, 2)

    OneByOne(lambda one: Ended(one, outcome) if one.record.offset == 1 else done(one))(run)

    assert outcomes(run) == [(0, Outcome.DONE), (1, outcome)]
    assert [attempt.record.offset for attempt in run.todo] == [2]


def test_what_was_taken_back_is_not_begun() -> None:
    """The loop may take the rest of a run back while its first record is in work."""
    run = run_of(0, 1, 2)

    def tries(attempt: Attempt) -> Ended:
        while run.todo:
            run.todo.pop()
            run.recalled += 1
        return done(attempt)

    OneByOne(tries)(run)

    assert outcomes(run) == [(0, Outcome.DONE)]
    assert run.recalled == 2


def test_a_run_tells_when_it_began_with_a_record_and_how_long_it_took() -> None:
    """Who watches knows how old the try in work is."""
    now = 100.0
    since: list[float | None] = []
    run = run_of(0, 1)

    def tries(attempt: Attempt) -> Ended:
        nonlocal now
        since.append(run.since)
        now += 5
        return done(attempt)

    OneByOne(tries, clock=lambda: now)(run)

    assert since == [100, 105]
    assert run.seconds == 10
