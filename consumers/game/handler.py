"""Settle one record: read the play, decide it, write it, say so. What the worker runs.

A record that is no play raises `Poison`; what the database raises travels on to the runtime. No
payload and no player is ever logged.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

import structlog
from opentelemetry import trace

from consumers.game.events import decode
from consumers.game.service import spin
from consumers.game.store import Settlement

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.game.events import Play
    from consumers.game.service import Outcome
    from consumers.metrics import Metrics
    from consumers.types import Record

log = structlog.get_logger(__name__)


class Settling(Protocol):
    """Write a play once. `consumers.game.store.Store` does."""

    def settle(self, play: Play, outcome: Outcome, trace_id: str | None) -> Settlement:
        """Write *play* with its *outcome*, or say that something is there under its id."""


class SettlePlay:
    """The game's handler: see `consumers.ports.Handler`."""

    def __init__(
        self, store: Settling, metrics: Metrics, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._store = store
        self._clock = clock
        self._settled = metrics.plays_settled.labels("settled")
        self._duplicate = metrics.plays_settled.labels("duplicate")

    def __call__(self, record: Record) -> None:
        """Settle the play in *record*; nothing happens if it was settled before."""
        began = self._clock()
        play = decode(record.value)
        outcome = spin(play.play_id, play.seed, play.bet)
        settlement = self._store.settle(play, outcome, current_trace_id())
        latency_ms = round((self._clock() - began) * 1000, 3)
        where = {
            "play_id": play.play_id,
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
        }
        match settlement:
            case Settlement.WRITTEN:
                self._settled.inc()
                log.info("play_settled", **where, latency_ms=latency_ms)
            case Settlement.DUPLICATE:
                self._duplicate.inc()
                log.info("play_known", **where, latency_ms=latency_ms)
            case Settlement.CONFLICT:
                self._duplicate.inc()
                # A client used one Idempotency-Key for two bets. The first one counts.
                log.warning("play_conflicts", **where, latency_ms=latency_ms)


def current_trace_id() -> str | None:
    """Give the trace id of the current span in hexadecimal, ``None`` without one."""
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None
