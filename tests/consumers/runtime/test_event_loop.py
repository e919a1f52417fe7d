"""Lanes as tasks of one event loop: handlers that are awaited."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from opentelemetry import trace

from consumers.errors import DeadLetterFailed, Fatal, Poison, Retryable, Unavailable
from consumers.metrics import Metrics
from consumers.runtime.backoff import RetryPolicy
from consumers.runtime.event_loop import AsyncOneByOne, LoopExecutor
from consumers.runtime.tries import AsyncTries
from consumers.types import Attempt, Outcome, Run
from propagation import processing
from propagation.testing import captured_spans
from tests.builders import record
from tests.fakes import FakeDeadLetters
from tests.infra.wait import PATIENCE_SECONDS, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from consumers.ports import AsyncHandler
    from consumers.types import Record

pytestmark = pytest.mark.usefixtures("logged")

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACED = [("traceparent", f"00-{TRACE_ID}-b7ad6b7169203331-01".encode())]


def in_trace(one: Record) -> AbstractContextManager[object]:
    """Open the scope of the real thing."""
    return processing(one.message)


class Lanes:
    """An executor that awaits *handler*, and is closed at the end of the test."""

    def __init__(self) -> None:
        self._made: list[LoopExecutor] = []
        self.dead_letters = FakeDeadLetters()

    def __call__(self, handler: AsyncHandler, lanes: int = 1) -> LoopExecutor:
        """Make one."""
        tries = AsyncTries(
            handler,
            processing=in_trace,
            dead_letters=self.dead_letters,
            policy=RetryPolicy(),
            metrics=Metrics(),
        )
        executor = LoopExecutor(AsyncOneByOne(tries), lanes)
        self._made.append(executor)
        return executor

    def close(self) -> None:
        """Close what was made."""
        for one in self._made:
            one.close()


@pytest.fixture
def awaiting() -> Iterator[Lanes]:
    """Give what makes executors; they are closed afterwards, and their threads end."""
    before = set(threading.enumerate())
    lanes = Lanes()
    yield lanes
    lanes.close()
    until(lambda: not set(threading.enumerate()) - before, what="the loops to end")


def run_of(*offsets: int) -> Run:
    """Make a run of records at *offsets*, all in one trace."""
    return Run([Attempt(record(offset, headers=[*TRACED])) for offset in offsets])


def ended(executor: LoopExecutor) -> list[Outcome]:
    """Wait for a run, and list how its tries have ended."""
    run = executor.wait(PATIENCE_SECONDS)
    assert run is not None
    return [end.outcome for end in run.ended]


def test_handlers_run_at_once_in_one_thread(awaiting: Lanes) -> None:
    """Two handlers wait for each other, in a thread that is not the caller's."""
    threads: set[int] = set()
    arrived: list[asyncio.Event] = []

    async def meet(_: Record) -> None:
        threads.add(threading.get_ident())
        arrived.append(asyncio.Event())
        if len(arrived) == 2:
            for event in arrived:
                event.set()
        event = arrived[1] if len(arrived) == 2 else arrived[0]
        await asyncio.wait_for(event.wait(), PATIENCE_SECONDS)

    executor = awaiting(meet, lanes=2)
    executor.start(run_of(0))
    executor.start(run_of(1))

    assert [ended(executor), ended(executor)] == [[Outcome.DONE], [Outcome.DONE]]
    assert len(threads) == 1
    assert threading.get_ident() not in threads


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Retryable("not yet"), Outcome.RETRY),
        (ValueError("unknown"), Outcome.RETRY),
        (TimeoutError(), Outcome.WAIT),
        (Unavailable("down"), Outcome.WAIT),
        (Poison("never"), Outcome.DEAD_LETTER),
        (Fatal("no more"), Outcome.FATAL),
        (asyncio.CancelledError(), Outcome.FATAL),
    ],
    ids=repr,
)
def test_a_try_ends_as_its_error_says(
    awaiting: Lanes, error: BaseException, outcome: Outcome
) -> None:
    """Whatever an awaited handler raises comes back as an outcome."""

    async def fail(_: Record) -> None:
        await asyncio.sleep(0)
        raise error

    executor = awaiting(fail)
    executor.start(run_of(0))

    assert ended(executor) == [outcome]


def test_each_handler_runs_inside_its_records_trace(awaiting: Lanes) -> None:
    """Tasks that take turns keep their traces apart, dead letters and log lines included."""
    seen: list[tuple[int, str]] = []
    threads: list[str] = []

    def note(offset: int) -> None:
        context = trace.get_current_span().get_span_context()
        seen.append((offset, f"{context.trace_id:032x}"))

    class Noting(FakeDeadLetters):
        """Notes the trace that is current when a record is kept."""

        def send(self, one: Record, error: BaseException, *, attempts: int) -> None:
            """Note it."""
            threads.append(threading.current_thread().name)
            note(one.offset)
            super().send(one, error, attempts=attempts)

    async def handle(one: Record) -> None:
        for _ in range(3):
            await asyncio.sleep(0)
            note(one.offset)
        raise Poison("never")

    awaiting.dead_letters = Noting()
    other = TRACE_ID[::-1]
    header = [("traceparent", f"00-{other}-b7ad6b7169203331-01".encode())]
    with captured_spans():
        executor = awaiting(handle, lanes=2)
        executor.start(run_of(0))
        executor.start(Run([Attempt(record(1, headers=[*header]))]))
        results = [ended(executor), ended(executor)]

    assert results == [[Outcome.DEAD_LETTER]] * 2
    assert set(seen) == {(0, TRACE_ID), (1, other)}
    assert "handlers" not in threads


def test_a_dead_letter_that_nobody_takes_makes_the_record_wait(awaiting: Lanes) -> None:
    """As for a handler that is called: the record is not finished."""

    class Away(FakeDeadLetters):
        """Takes nothing."""

        def send(self, *_: object, **__: object) -> None:
            """Refuse."""
            raise DeadLetterFailed("away")

    async def fail(_: Record) -> None:
        raise Poison("never")

    awaiting.dead_letters = Away()
    executor = awaiting(fail)
    executor.start(run_of(0, 1))

    assert ended(executor) == [Outcome.WAIT]


def test_closing_cancels_what_is_in_work(awaiting: Lanes) -> None:
    """A handler that never ends is cancelled, and says nothing of how its record ended."""
    begun, cancelled = threading.Event(), threading.Event()

    async def hang(_: Record) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    executor = awaiting(hang)
    executor.start(run_of(0))
    assert begun.wait(PATIENCE_SECONDS)
    executor.close()

    assert cancelled.wait(PATIENCE_SECONDS)
    assert executor.wait(0.05) is None


class Connection:
    """What belongs to an event loop: notes when it is entered and left, and in which loop."""

    def __init__(self, error: Exception | None = None) -> None:
        self.said: list[str] = []
        self.loops: set[asyncio.AbstractEventLoop] = set()
        self.left = threading.Event()
        self._error = error

    def say(self, word: str) -> None:
        """Note *word*, and where it was said."""
        self.said.append(word)
        self.loops.add(asyncio.get_running_loop())

    async def __aenter__(self) -> None:
        self.say("open")
        if self._error:
            raise self._error

    async def __aexit__(self, *_: object) -> None:
        self.say("close")
        self.left.set()


def test_a_lifetime_spans_all_work() -> None:
    """It is entered before the first task, in the same loop, and left after the last has ended."""
    connection = Connection()

    async def work(_: Run) -> None:
        connection.say("work")
        try:
            await asyncio.Event().wait()
        finally:
            connection.say("cancelled")

    executor = LoopExecutor(work, 1, connection)
    executor.start(Run([Attempt(record(0))]))
    until(lambda: "work" in connection.said, what="the work to begin")
    executor.close()

    assert connection.left.wait(PATIENCE_SECONDS)
    assert connection.said == ["open", "work", "cancelled", "close"]
    assert len(connection.loops) == 1


def test_a_lifetime_that_does_not_begin_is_no_executor() -> None:
    """Whoever makes one is told why, and nothing is left running."""
    connection = Connection(OSError("no disk"))

    async def work(_: Run) -> None:
        connection.say("work")

    with pytest.raises(OSError, match="no disk"):
        LoopExecutor(work, 1, connection)

    assert connection.said == ["open"]
