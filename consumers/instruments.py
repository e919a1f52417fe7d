"""What a handler of one's own shares with the worker that calls it: metrics, breakers, judgement.

There is one set for each process, as there is one log: ``consumers run`` serves it, and a module
that makes its breakers when it is imported need not be handed anything, neither by a worker nor by
a test. The game's services hand their own metrics around instead.
"""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING, Final

from consumers.errors import Reaction, reaction_to
from consumers.metrics import Metrics
from propagation.forwarding import first_sent_ms

if TYPE_CHECKING:
    from consumers.errors import Reacting
    from consumers.guard import Guard
    from consumers.serving.readiness import Check
    from consumers.types import Record

# A check of ``/readyz`` that every worker has; no breaker may pass for it.
TAKEN: Final = "kafka"


class Instruments:
    """Metrics, the breakers by their names, and the check that each is for ``/readyz``.

    A breaker may be added at any time. *reaction* decides what an exception means to those that
    were told nothing else.
    """

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.guards: dict[str, Guard] = {}
        self.checks: dict[str, Check] = {}
        self.reaction: Reacting = reaction_to

    def add(self, name: str, guard: Guard) -> None:
        """Show *guard* as *name*, in the place of one that had the name before."""
        if name == TAKEN:
            raise ValueError(
                f"a breaker cannot be called {TAKEN}: /readyz has a check of that name"
            )
        self.guards[name] = guard
        self.checks[name] = guard.refuses

    def judge(self, error: BaseException) -> Reaction:
        """Decide what *error* means, by the *reaction* of the moment."""
        return self.reaction(error)


@cache
def here() -> Instruments:
    """Give the instruments of this process."""
    return Instruments()


def observe_end_to_end(record: Record, *, since: float | None = None) -> None:
    """Observe the seconds until now, where the effect of *record* is committed.

    They count from *since*, in seconds since the epoch, such as when a request was accepted;
    without it from when the record was sent first, whatever topics it has gone through. A record
    that does not tell is not observed.
    """
    if since is None:
        sent_ms = first_sent_ms(record.headers, record.timestamp_ms)
        if sent_ms is None:
            return
        since = sent_ms / 1000
    here().metrics.end_to_end(time.time() - since)
