"""Players who never stop: post plays to the API and keep what was acknowledged.

Every bet is sent under a key of its own and again under that key until the API says yes, as a
client would who wants to have bet once. Nothing here knows what happens behind the API.
"""

from __future__ import annotations

import itertools
import threading
import time
from typing import TYPE_CHECKING

import httpx

from tests.faults.patience import PATIENCE_SECONDS, awaited

if TYPE_CHECKING:
    from typing import Self

PLAYERS = 150  # so many that no limit for one player is met
THREADS = 3
ANSWER_SECONDS = 15
AGAIN_SECONDS = 0.2
SLOWER = 3
# What a client may send again: the connection broke, or the API says that it cannot just now.
AGAIN = frozenset({429, 502, 503, 504})


class Load:
    """Post plays to the API at *url*, about *rate* a second. A context manager.

    When there are *at_least*, those that follow come at a third of that: they only keep plays under
    way, and each costs the machine as much as one that is needed. Leaving it waits until *at_least*
    are acknowledged, and no bet is left without an answer.
    *name* begins each Idempotency-Key and is no other load's.
    """

    def __init__(self, url: str, name: str, *, at_least: int, rate: float) -> None:
        self._url, self._name = f"{url}/game/slots/play", name
        self._at_least, self._rate = at_least, rate
        self._numbers = itertools.count()
        self._due = 0.0
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._gone = threading.Event()
        self._threads = [threading.Thread(target=self._play) for _ in range(THREADS)]
        self.acknowledged: set[str] = set()
        self.unsettled = 0  # answers that were no yes; each may have left a record all the same
        self.refused: list[str] = []

    def __enter__(self) -> Self:
        self._due = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind:
            self._gone.set()
        try:
            if not kind:
                self.reach(self._at_least)
        finally:
            self._over.set()
            for thread in self._threads:
                thread.join(PATIENCE_SECONDS)
            self._gone.set()
            for thread in self._threads:
                thread.join()

    def reach(self, number: int) -> None:
        """Wait until *number* plays are acknowledged."""
        awaited(
            lambda: len(self.acknowledged) >= number or self.refused,
            what=f"{number} acknowledged plays",
        )

    def more(self, number: int) -> None:
        """Wait until *number* more plays are acknowledged."""
        self.reach(len(self.acknowledged) + number)

    def stall(self, seconds: float) -> None:
        """Go on for *seconds*, whatever the answers are."""
        self._over.wait(seconds)

    def _play(self) -> None:
        with httpx.Client(timeout=ANSWER_SECONDS) as client:
            while not self._over.is_set():
                number, due = self._next()
                self._over.wait(max(due - time.monotonic(), 0))
                self._bet(client, number)

    def _next(self) -> tuple[int, float]:
        """Give the number of the next bet, and when it is due."""
        with self._lock:
            if len(self.acknowledged) < self._at_least:
                self._due += 1 / self._rate
            else:
                self._due = max(self._due, time.monotonic()) + SLOWER / self._rate
            return next(self._numbers), self._due

    def _bet(self, client: httpx.Client, number: int) -> None:
        """Bet until there is an answer that stands."""
        bet = {"player_id": f"player-{number % PLAYERS}", "game": "sevens", "bet": 100 + number % 7}
        headers = {"idempotency-key": f"{self._name}-{number}"}
        while not self._gone.is_set():
            try:
                answer = client.post(self._url, json=bet, headers=headers)
            except httpx.TransportError:
                self.unsettled += 1
            else:
                if answer.status_code == httpx.codes.ACCEPTED:
                    self.acknowledged.add(answer.json()["play_id"])
                    return
                self.unsettled += 1
                if answer.status_code not in AGAIN:
                    self.refused.append(f"{answer.status_code} {answer.text}")
                    return
            self._gone.wait(AGAIN_SECONDS)
