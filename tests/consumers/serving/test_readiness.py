"""Readiness is asked ahead of time: answers are at hand, grow no older than they say, and end."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from consumers.serving import readiness
from consumers.serving.readiness import IDLE_SECONDS, PATIENCE_SECONDS, Readiness
from tests.fakes import FakeClock
from tests.infra import wait
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a round follow the other at once."""
    monkeypatch.setattr(readiness, "REFRESH_SECONDS", 0.01)


async def soon(ready: Readiness, want: dict[str, str | None]) -> bool:
    """Ask until the answer is *want*; say whether it came."""
    with suppress(TimeoutError):
        async with asyncio.timeout(wait.PATIENCE_SECONDS):
            while await ready.reasons() != want:  # noqa: ASYNC110 - each answer is asked for
                await asyncio.sleep(0.01)
            return True
    return False


def test_the_first_answer_is_a_real_one() -> None:
    """Whoever asks first waits for the checks."""
    ready = Readiness({"kafka": lambda: None, "database": lambda: "down"})

    assert asyncio.run(ready.reasons()) == {"kafka": None, "database": "down"}


def test_a_change_is_found_without_being_waited_for() -> None:
    """The rounds go on behind the answers: both ways."""
    database: list[str | None] = ["down"]
    ready = Readiness({"database": lambda: database[-1]})

    async def change() -> list[bool]:
        seen = [await soon(ready, {"database": "down"})]
        database.append(None)
        seen.append(await soon(ready, {"database": None}))
        database.append("down again")
        return [*seen, await soon(ready, {"database": "down again"})]

    assert asyncio.run(change()) == [True, True, True]


def test_a_check_that_hangs_keeps_nobody_waiting() -> None:
    """While a later round hangs the last answer is given at once; when it is too old it says so."""
    clock = FakeClock(0)
    held, hangs, hung = threading.Event(), threading.Event(), threading.Event()

    def check() -> None:
        if hangs.is_set():
            hung.set()
            held.wait(60)

    async def ask() -> list[dict[str, str | None]]:
        ready = Readiness({"database": check}, clock=clock)
        seen = [await ready.reasons()]
        hangs.set()
        await asyncio.to_thread(until, hung.is_set, what="a round to hang")
        try:
            async with asyncio.timeout(20):
                seen.append(await ready.reasons())
                clock.advance(PATIENCE_SECONDS + 2)
                seen.append(await ready.reasons())
        finally:
            held.set()
        return seen

    well, kept, old = asyncio.run(ask())

    assert well == kept == {"database": None}
    assert old == {"database": "no answer for 12 s"}


def test_a_first_round_that_hangs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits longer than a bound for the first answer either."""
    monkeypatch.setattr(readiness, "PATIENCE_SECONDS", 0.05)
    held = threading.Event()

    def check() -> None:
        held.wait(20)

    async def ask() -> dict[str, str | None]:
        try:
            return await Readiness({"database": check}, clock=FakeClock(0)).reasons()
        finally:
            held.set()

    assert asyncio.run(ask()) == {"database": "no answer for 0 s"}


def test_nobody_asks_nothing_is_checked() -> None:
    """The rounds end some time after the last question, and the next one begins anew."""
    clock, asked = FakeClock(0), [0]

    def check() -> str:
        asked[0] += 1
        return f"round {asked[0]}"

    async def pause() -> tuple[int, int, dict[str, str | None]]:
        ready = Readiness({"database": check}, clock=clock)
        await ready.reasons()
        clock.advance(IDLE_SECONDS + 1)
        await still(lambda: asked[0])
        before = asked[0]
        await asyncio.sleep(0.1)
        after = asked[0]
        return before, after, await ready.reasons()

    before, after, answer = asyncio.run(pause())

    assert before == after
    assert answer == {"database": f"round {after + 1}"}


async def still(count: Callable[[], int]) -> None:
    """Wait until *count* does not change any more."""
    async with asyncio.timeout(10):
        while True:
            before = count()
            await asyncio.sleep(0.1)
            if count() == before:
                return


def test_a_probe_that_goes_away_takes_no_answer_from_the_others() -> None:
    """The round goes on when the one who began it is cut off."""
    held, began = threading.Event(), threading.Event()

    def check() -> str:
        began.set()
        held.wait(20)
        return "down"

    async def ask() -> dict[str, str | None]:
        ready = Readiness({"database": check})
        first = asyncio.ensure_future(ready.reasons())
        await asyncio.to_thread(until, began.is_set, what="the check to begin")
        second = asyncio.ensure_future(ready.reasons())
        await asyncio.sleep(0)
        first.cancel()
        held.set()
        return await second

    assert asyncio.run(ask()) == {"database": "down"}


def test_checks_may_be_added_while_they_are_asked() -> None:
    """A breaker that a handler makes during a round is asked from the next one on."""
    checks: dict[str, Callable[[], str | None]] = {}

    def kafka() -> None:
        checks["stock"] = lambda: "the breaker is open"

    async def add() -> bool:
        checks["kafka"] = kafka
        ready = Readiness(checks)
        assert await ready.reasons() == {"kafka": None}
        return await soon(ready, {"kafka": None, "stock": "the breaker is open"})

    assert asyncio.run(add())
