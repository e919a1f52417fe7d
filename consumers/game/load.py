"""Play at a steady rate, to see a stack at work: the client. Asks the game's API over HTTP.

A play is due at each slot of the schedule, however long the answers take: a slow API gets no less
to do, as with real players. Two bounds keep that from being a flood. No more than `Plan.in_flight`
requests are open at once, and what is late by more than `LATE_SECONDS`, after a pause of this
process for example, is left out. Both are counted as ``skipped``. No request is tried again.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import httpx

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Send = Callable[[int], Awaitable[str]]

PATH = "/game/slots/play"
GAME, BET = "sevens", 100  # cents
LATE_SECONDS = 0.1
LOOK_SECONDS = 0.25  # the longest time between two looks at whether to stop
ACCEPTED, REFUSED, FAILED, SKIPPED = RESULTS = ("accepted", "refused", "failed", "skipped")
TOOK, ERRORS_FROM, OUR_FAULT_UNTIL = 202, 400, 500  # statuses


class Plan(NamedTuple):
    """How to play: *rate* plays a second, of *players* players in turn, at most *in_flight* open.

    After *duration_seconds* it is over; without them it goes on until it is stopped.
    """

    rate: float
    players: int = 50
    in_flight: int = 50
    duration_seconds: float = math.inf


class Pace:
    """The slots of a schedule that begins at *start*: pure, every call is handed the time."""

    def __init__(self, rate: float, start: float) -> None:
        self._rate, self._start = rate, start
        self._passed = 0

    def take(self, now: float) -> tuple[int, int]:
        """Give how many plays are due *now*, and how many have been missed."""
        reached = math.floor((now - self._start) * self._rate) + 1
        due, self._passed = reached - self._passed, max(reached, self._passed)
        sent = max(min(due, math.ceil(self._rate * LATE_SECONDS)), 0)
        return sent, max(due - sent, 0)

    def wait_seconds(self, now: float) -> float:
        """Give the seconds from *now* to the next slot."""
        return max(self._start + self._passed / self._rate - now, 0.0)


class Load:
    """Plays by *plan*, each made by *send*, which is handed its number and gives its result.

    *count* is told of each result as it comes. *clock* is monotonic. Use it once.
    """

    def __init__(
        self,
        plan: Plan,
        send: Send,
        *,
        clock: Callable[[], float],
        count: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._plan, self._send, self._clock, self._told = plan, send, clock, count
        self._open: set[asyncio.Task[None]] = set()
        self._counted: Counter[str] = Counter()
        self._number = 0

    @property
    def counts(self) -> Mapping[str, int]:
        """How many plays ended in each of `RESULTS` so far, and how many are ``in_flight``."""
        return {**{each: self._counted[each] for each in RESULTS}, "in_flight": len(self._open)}

    async def run(self, stopped: Callable[[], bool], look: Callable[[], None]) -> None:
        """Play until the plan is over or *stopped* says so; wait for the last answers.

        *look* is called between two slots, several times a second.
        """
        start = self._clock()
        pace = Pace(self._plan.rate, start)
        while not stopped() and (now := self._clock()) - start < self._plan.duration_seconds:
            due, missed = pace.take(now)
            self._count(SKIPPED, missed)
            for _ in range(due):
                self._begin()
            look()
            await asyncio.sleep(min(pace.wait_seconds(self._clock()), LOOK_SECONDS))
        await asyncio.gather(*self._open)

    def _begin(self) -> None:
        if len(self._open) >= self._plan.in_flight:
            self._count(SKIPPED, 1)
            return
        task = asyncio.create_task(self._play(self._number))
        self._number += 1
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _play(self, number: int) -> None:
        self._count(await self._send(number), 1)

    def _count(self, result: str, times: int) -> None:
        self._counted[result] += times
        for _ in range(times):
            self._told(result)


def sender(
    client: httpx.AsyncClient,
    url: str,
    players: int,
    observe: Callable[[str, float], None],
    clock: Callable[[], float],
) -> Send:
    """Make what posts one play to the API at *url*.

    *observe* is told how each ended, a status or ``timeout`` or ``error``, and the seconds it took.
    """

    async def send(number: int) -> str:
        play = {"player_id": f"load-{number % players}", "game": GAME, "bet": BET}
        began = clock()
        try:
            answer = await client.post(f"{url}{PATH}", json=play)
        except httpx.HTTPError as error:
            timed_out = isinstance(error, httpx.TimeoutException)
            observe("timeout" if timed_out else "error", clock() - began)
            return FAILED
        observe(str(answer.status_code), clock() - began)
        return result_of(answer.status_code)

    return send


def result_of(status: int) -> str:
    """Say what an answer with *status* means: a refusal is an answer, a failure is none."""
    if status == TOOK:
        return ACCEPTED
    return REFUSED if ERRORS_FROM <= status < OUR_FAULT_UNTIL else FAILED
