"""A guard around calls: from threads, tasks and inside each other; what it logs, shows and says."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from consumers.breaker import BreakerPolicy, State
from consumers.errors import (
    Fatal,
    Poison,
    Reaction,
    Retryable,
    Unavailable,
    reaction_to,
    reactions,
)
from consumers.guard import BreakerOpenError, Guard
from consumers.metrics import Metrics
from propagation import processing
from propagation.testing import message
from tests.fakes import FakeClock
from tests.infra.wait import PATIENCE_SECONDS

if TYPE_CHECKING:
    from structlog.typing import EventDict

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01".encode()
FAILURES, OPEN_SECONDS = 3, 5.0
AT = 1_764_000_000.0  # 2025-11-24T16:00:00Z


class Guarded:
    """A guard on a clock of its own, and the calls that it is asked for."""

    def __init__(self) -> None:
        self.clock = FakeClock(0)
        self.metrics = Metrics()
        self.guard = Guard(
            "fintech",
            self.metrics,
            BreakerPolicy(failures=FAILURES, open_seconds=OPEN_SECONDS),
            clock=self.clock,
            wall=lambda: AT + self.clock(),
        )

    def call(self, error: BaseException | None = None) -> None:
        """Make a call that ends with *error*, if it is let through."""
        with self.guard:
            if error is not None:
                raise error

    def open(self, error: Exception | None = None) -> None:
        """Let as many calls fail as it takes."""
        for _ in range(FAILURES):
            with suppress(Unavailable, ExceptionGroup):
                self.call(error or Unavailable("fintech answered 503"))
        assert self.state is State.OPEN

    @property
    def state(self) -> State:
        """Tell the state."""
        return self.guard.status().state

    def value(self, name: str, **labels: str) -> float | None:
        """Read a metric of this breaker."""
        return self.metrics.registry.get_sample_value(name, {"breaker": "fintech", **labels})


@pytest.fixture
def guarded() -> Guarded:
    """Give a closed one."""
    return Guarded()


def test_an_open_guard_makes_no_call_and_the_record_waits(guarded: Guarded) -> None:
    """The refusal says until when and why, and the runtime waits for it without spending a try."""
    guarded.open()
    guarded.clock.advance(2)
    made: list[int] = []

    with pytest.raises(BreakerOpenError) as refused, guarded.guard:
        made.append(1)

    assert not made
    assert str(refused.value) == "fintech breaker open until 16:00:05 UTC: fintech answered 503"
    assert refused.value.retry_after_seconds == 3
    assert reaction_to(refused.value) is Reaction.WAIT
    assert guarded.value("consumers_breaker_refused_total") == 1


@pytest.mark.parametrize(
    "error",
    [Unavailable("away"), ConnectionRefusedError(), TimeoutError()],
    ids=lambda error: type(error).__name__,
)
def test_what_the_runtime_would_wait_for_is_a_failure(guarded: Guarded, error: Exception) -> None:
    """So many in a row open it."""
    for _ in range(FAILURES):
        with suppress(type(error)):
            guarded.call(error)

    assert guarded.state is State.OPEN


@pytest.mark.parametrize(
    "error",
    [Poison("no play"), Retryable("deadlock"), ValueError("a bug")],
    ids=lambda error: type(error).__name__,
)
def test_what_is_said_about_a_record_is_an_answer(guarded: Guarded, error: Exception) -> None:
    """A dependency that refuses every record works: its breaker stays closed, a probe closes it."""
    for _ in range(FAILURES):
        with suppress(type(error)):
            guarded.call(error)
    assert guarded.state is State.CLOSED

    guarded.open()
    guarded.clock.advance(OPEN_SECONDS)
    with suppress(type(error)):
        guarded.call(error)

    assert guarded.state is State.CLOSED


def test_classes_of_ones_own_are_failures_too() -> None:
    """What the worker was told to wait for counts, whatever it would mean otherwise."""
    guard = Guard("shop", Metrics(), BreakerPolicy(failures=1), reaction=reactions((LookupError,)))

    with suppress(KeyError), guard:
        raise KeyError("the shop's client says so")

    assert guard.status().state is State.OPEN


def test_refusals_further_in_say_nothing_in_a_group_either(guarded: Guarded) -> None:
    """Tasks that another breaker has refused open this one no more than a single refusal would."""
    refused = ExceptionGroup("two tasks", [BreakerOpenError("stock"), BreakerOpenError("stock")])

    for _ in range(FAILURES):
        with suppress(ExceptionGroup):
            guarded.call(refused)
    assert guarded.state is State.CLOSED

    guarded.open(ExceptionGroup("two tasks", [BreakerOpenError("stock"), ConnectionError()]))


def test_a_call_that_is_cut_says_nothing(guarded: Guarded) -> None:
    """A probe that was cancelled neither closes nor opens it: the next call is the probe."""
    guarded.open()
    guarded.clock.advance(OPEN_SECONDS)

    with suppress(asyncio.CancelledError):
        guarded.call(asyncio.CancelledError())
    after_the_cut = guarded.state
    guarded.call()

    assert [after_the_cut, guarded.state] == [State.HALF_OPEN, State.CLOSED]


def test_the_refusal_of_a_guard_further_in_says_nothing(guarded: Guarded) -> None:
    """What is behind the inner guard was not called: the outer one has heard nothing."""
    outer = Guarded()
    guarded.open()

    for _ in range(FAILURES):
        with suppress(BreakerOpenError), outer.guard:
            guarded.call()

    assert outer.state is State.CLOSED


def test_guards_stand_inside_each_other(guarded: Guarded) -> None:
    """Each hears how its own call ended, and they do not mix up which calls are whose."""
    outer, inner = guarded, Guarded()
    inner.open()
    inner.clock.advance(OPEN_SECONDS)

    for _ in range(FAILURES):
        with suppress(Unavailable), outer.guard:
            inner.call()
            raise Unavailable("the outer one is away")

    assert (outer.state, inner.state) == (State.OPEN, State.CLOSED)


def test_of_many_threads_one_probes(guarded: Guarded) -> None:
    """While a probe is under way all others are refused at once, and may ask again any moment."""
    guarded.open()
    guarded.clock.advance(OPEN_SECONDS)
    lanes, together, hold = 8, threading.Barrier(8, timeout=PATIENCE_SECONDS), threading.Event()
    let_through: list[int] = []
    refused: list[tuple[str, float | None]] = []
    told = threading.Semaphore(0)

    def call() -> None:
        together.wait()
        try:
            with guarded.guard:
                let_through.append(1)
                hold.wait(PATIENCE_SECONDS)
        except BreakerOpenError as error:
            refused.append((str(error), error.retry_after_seconds))
            told.release()

    threads = [threading.Thread(target=call) for _ in range(lanes)]
    for thread in threads:
        thread.start()
    for _ in range(lanes - 1):
        told.acquire(timeout=PATIENCE_SECONDS)
    hold.set()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)

    words = "fintech breaker half-open, a probe is under way: fintech answered 503"
    assert refused == [(words, 0)] * (lanes - 1)
    assert len(let_through) == 1
    assert guarded.state is State.CLOSED


def test_tasks_of_one_thread_do_not_mix(guarded: Guarded) -> None:
    """Of tasks that overlap, the probe alone decides; one that began earlier does not count."""

    async def call(hold: asyncio.Event, error: Exception | None) -> None:
        with suppress(Unavailable), guarded.guard:
            await hold.wait()
            if error:
                raise error

    async def overlap() -> None:
        early, probe = asyncio.Event(), asyncio.Event()
        began_closed = asyncio.create_task(call(early, Unavailable("late")))
        await asyncio.sleep(0)
        guarded.open()
        guarded.clock.advance(OPEN_SECONDS)
        probing = asyncio.create_task(call(probe, None))
        await asyncio.sleep(0)
        early.set()
        await began_closed
        assert guarded.state is State.HALF_OPEN
        probe.set()
        await probing

    asyncio.run(overlap())

    assert guarded.state is State.CLOSED


def test_each_change_is_logged_once_under_the_trace_that_opened_it(
    guarded: Guarded, logged: list[EventDict]
) -> None:
    """Opened, half-open, closed: one line each, all with the reason and trace of the failure."""
    carried = message(headers=[("traceparent", TRACEPARENT)])
    with processing(carried):
        guarded.open()
    for _ in range(3):
        with suppress(BreakerOpenError):
            guarded.call()
    guarded.clock.advance(OPEN_SECONDS)
    guarded.call()
    guarded.call()

    assert [event["event"] for event in logged] == [
        "breaker_open",
        "breaker_half_open",
        "breaker_closed",
    ]
    assert [event["log_level"] for event in logged] == ["warning", "info", "info"]
    told = {(event["breaker"], event["reason"], event["trace_id"]) for event in logged}
    assert told == {("fintech", "fintech answered 503", TRACE_ID)}


def test_the_words_of_others_are_not_repeated(guarded: Guarded, logged: list[EventDict]) -> None:
    """A client's own error may hold a password: its type is all that is logged or answered."""
    for _ in range(FAILURES):
        with suppress(ConnectionRefusedError):
            guarded.call(ConnectionRefusedError("postgresql://game:hunter2@db"))

    with pytest.raises(BreakerOpenError) as refused:
        guarded.call()

    assert [event["reason"] for event in logged] == ["ConnectionRefusedError"]
    assert "hunter2" not in f"{refused.value} {guarded.guard.refuses()} {guarded.guard.status()}"


def test_readiness_hears_of_it_while_calls_are_refused(guarded: Guarded) -> None:
    """Once a probe may be made it is ready to try: without requests there would never be one."""
    told = [guarded.guard.refuses()]
    guarded.open()
    told.append(guarded.guard.refuses())
    guarded.clock.advance(OPEN_SECONDS)
    told.append(guarded.guard.refuses())
    with guarded.guard:
        told.append(guarded.guard.refuses())

    assert told == [
        None,
        "the breaker is open after Unavailable",
        None,
        "the breaker is half-open after Unavailable",
    ]
    assert guarded.guard.refuses() is None


def test_the_state_is_shown(guarded: Guarded) -> None:
    """The gauge of the current state alone is 1, and each change is counted."""

    def shown() -> list[float | None]:
        return [guarded.value("consumers_breaker_state", state=state) for state in State]

    seen = [shown()]
    guarded.open()
    seen.append(shown())
    guarded.clock.advance(OPEN_SECONDS)
    with guarded.guard:
        seen.append(shown())
    seen.append(shown())

    assert seen == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]]
    changes = [guarded.value("consumers_breaker_changes_total", state=state) for state in State]
    assert changes == [1, 1, 1]


def test_the_status_tells_since_when_and_why(guarded: Guarded) -> None:
    """It keeps the failure that opened it last, also when it is closed again."""
    guarded.clock.advance(10)
    guarded.open()
    opened = guarded.guard.status()
    guarded.clock.advance(OPEN_SECONDS)
    guarded.call()
    closed = guarded.guard.status()

    assert (opened.name, opened.state, opened.since) == ("fintech", State.OPEN, AT + 10)
    assert opened.fault is not None
    assert (opened.fault.error, opened.fault.reason) == ("Unavailable", "fintech answered 503")
    assert (closed.state, closed.since) == (State.CLOSED, AT + 10 + OPEN_SECONDS)
    assert closed.fault == opened.fault


def test_a_worker_that_must_stop_is_no_failure_of_the_dependency(guarded: Guarded) -> None:
    """`Fatal` is about us: it opens nothing."""
    for _ in range(FAILURES):
        with suppress(Fatal):
            guarded.call(Fatal("no more"))

    assert guarded.state is State.CLOSED
