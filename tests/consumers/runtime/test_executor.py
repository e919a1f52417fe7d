"""One try at a time, in another thread, and a wait that has an end."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from consumers.runtime.executor import ThreadExecutor
from consumers.types import Attempt, Ended, Outcome
from tests.builders import record

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def executor_of(gate: threading.Event) -> Iterator[ThreadExecutor]:
    """Give an executor whose tries end when *gate* opens."""

    def tries(attempt: Attempt) -> Ended:
        gate.wait()
        return Ended(attempt, Outcome.DONE)

    executor = ThreadExecutor(tries)
    yield executor
    gate.set()
    executor.close()


def test_a_try_in_work_does_not_hold_up_the_caller() -> None:
    """Waiting for a try that does not end gives nothing when the time is up; it stays in work."""
    gate = threading.Event()
    with executor_of(gate) as executor:
        executor.start(Attempt(record()))

        assert executor.wait(0.01) is None
        assert executor.busy


def test_the_end_of_a_try_is_handed_over_once() -> None:
    """The end names the attempt; afterwards the executor is free for the next."""
    gate = threading.Event()
    attempt = Attempt(record())
    with executor_of(gate) as executor:
        executor.start(attempt)
        gate.set()

        ended = executor.wait(10)

        assert ended is not None
        assert ended.attempt is attempt
        assert not executor.busy


def test_a_try_runs_in_another_thread() -> None:
    """The thread that polls never runs a handler."""
    seen: list[int] = []

    def tries(attempt: Attempt) -> Ended:
        seen.append(threading.get_ident())
        return Ended(attempt, Outcome.DONE)

    executor = ThreadExecutor(tries)
    executor.start(Attempt(record()))
    executor.wait(10)
    executor.close()

    assert seen != [threading.get_ident()]
