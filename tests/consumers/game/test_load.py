"""The load on the API: when a play is due, what bounds it, and how answers are counted."""

from __future__ import annotations

import asyncio
import json
import math

import httpx
import pytest

from consumers.game.load import Load, Pace, Plan, result_of, sender


def test_a_play_is_due_at_each_slot() -> None:
    """Four plays a second are one each quarter of a second, the first at once."""
    pace = Pace(rate=4, start=100.0)

    due = [pace.take(now) for now in (100.0, 100.1, 100.25, 100.5, 100.6)]

    assert due == [(1, 0), (0, 0), (1, 0), (1, 0), (0, 0)]
    assert pace.wait_seconds(100.6) == pytest.approx(0.15)


def test_a_pause_is_not_made_up_for() -> None:
    """After ten seconds of silence one play is due and not fifty; the others are missed."""
    pace = Pace(rate=5, start=0.0)
    pace.take(0.0)

    assert pace.take(10.0) == (1, 49)
    assert pace.wait_seconds(10.0) == pytest.approx(0.2)


def test_a_high_rate_is_kept_by_some_at_once() -> None:
    """At 1000 a second those of the last hundredth of a second are all due; none is missed."""
    pace = Pace(rate=1000, start=0.0)
    pace.take(0.0)

    assert pace.take(0.0105) == (10, 0)


def test_a_clock_that_steps_back_lets_nothing_be_due_twice() -> None:
    """A slot that has passed never comes again."""
    pace = Pace(rate=10, start=0.0)
    pace.take(1.0)

    assert pace.take(0.5) == (0, 0)
    assert pace.take(1.0) == (0, 0)


class Answers:
    """A `Send` whose answers come when the test lets them."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.was_asked = asyncio.Event()
        self.may_answer = asyncio.Event()

    async def __call__(self, number: int) -> str:
        """Answer that the play was accepted, once that is allowed."""
        self.asked.append(number)
        self.was_asked.set()
        await self.may_answer.wait()
        return "accepted"


class Clock:
    """A monotonic clock that steps a tenth of a second on each time it is read."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Give the time."""
        self.now += 0.1
        return self.now


def test_no_more_are_open_than_the_bound() -> None:
    """While nothing is answered the bound is reached and never passed: the others are skipped."""
    told: list[str] = []

    async def play() -> tuple[Answers, Load]:
        answers = Answers()
        plan = Plan(rate=10_000, in_flight=3, duration_seconds=0.5)
        load = Load(plan, answers, clock=Clock(), count=told.append)
        most = 0

        def look() -> None:
            nonlocal most
            most = max(most, load.counts["in_flight"])

        running = asyncio.create_task(load.run(lambda: False, look))
        while not load.counts["skipped"]:  # noqa: ASYNC110 - nothing of it can be waited for
            await asyncio.sleep(0)
        answers.may_answer.set()
        await running
        assert most == 3
        return answers, load

    answers, load = asyncio.run(play())

    assert load.counts["accepted"] == len(answers.asked)
    assert load.counts["skipped"] > 0
    assert load.counts["in_flight"] == 0
    assert sorted(told) == sorted(
        ["accepted"] * len(answers.asked) + ["skipped"] * load.counts["skipped"]
    )


def test_a_stop_waits_for_the_open_answers() -> None:
    """Nothing begins after the stop, and what was asked is answered and counted."""

    async def play() -> Load:
        answers = Answers()
        load = Load(Plan(rate=1, duration_seconds=math.inf), answers, clock=Clock())
        stopped = False
        running = asyncio.create_task(load.run(lambda: stopped, lambda: None))
        await answers.was_asked.wait()
        stopped = True
        answers.may_answer.set()
        await running
        return load

    assert asyncio.run(play()).counts == {
        "accepted": 1,
        "refused": 0,
        "failed": 0,
        "skipped": 0,
        "in_flight": 0,
    }


@pytest.mark.parametrize(
    ("status", "result"),
    [(202, "accepted"), (400, "refused"), (429, "refused"), (503, "failed"), (200, "failed")],
)
def test_an_answer_is_counted_by_its_status(status: int, result: str) -> None:
    """4xx is the API's word on the play; everything else that is not 202 is a failure."""
    assert result_of(status) == result


def answered(handler: httpx.MockTransport, *numbers: int) -> tuple[list[str], list[str]]:
    """Send plays of *numbers* to *handler*; give the results and what was observed."""
    observed: list[str] = []

    async def play() -> list[str]:
        async with httpx.AsyncClient(transport=handler) as client:
            send = sender(client, "http://api", 2, lambda ended, _: observed.append(ended), Clock())
            return [await send(number) for number in numbers]

    return asyncio.run(play()), observed


def test_players_take_turns() -> None:
    """Each play is of the next player, so that the limit of one player is not met."""
    bodies: list[dict[str, object]] = []

    def take(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        return httpx.Response(202)

    results, observed = answered(httpx.MockTransport(take), 0, 1, 2)

    assert [body["player_id"] for body in bodies] == ["load-0", "load-1", "load-0"]
    assert results == ["accepted"] * 3
    assert observed == ["202"] * 3


@pytest.mark.parametrize(
    ("error", "ended"),
    [(httpx.ConnectError("refused"), "error"), (httpx.ReadTimeout("late"), "timeout")],
)
def test_no_answer_is_a_failure_and_not_the_end(error: httpx.HTTPError, ended: str) -> None:
    """An API that is away is counted as such."""

    def fail(_: httpx.Request) -> httpx.Response:
        raise error

    assert answered(httpx.MockTransport(fail), 0) == (["failed"], [ended])
