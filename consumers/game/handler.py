"""Settle one record: read the play, decide it, pay it, write it, say so. What the worker runs.

The partner comes first, under the play's id; then Postgres, in one transaction. After a crash in
between the record is delivered again: the partner gives the same settlement, Postgres writes it.
The other way round a play could stand as settled that nobody has paid.

A record that is no play raises `Poison`; what the database raises travels on to the runtime. No
payload and no player is ever logged.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

import structlog

from consumers.errors import Poison, Reaction, reaction_to
from consumers.game.answers import Refused
from consumers.game.events import decode
from consumers.game.service import spin
from consumers.game.store import Settlement
from consumers.traces import current_trace_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.game.events import Play
    from consumers.game.service import Outcome
    from consumers.metrics import Metrics
    from consumers.types import Record

# By what becomes of the record; any other is an ``error``.
WHY = {Reaction.DEAD_LETTER: "refused", Reaction.WAIT: "unavailable"}

log = structlog.get_logger(__name__)


class Settling(Protocol):
    """Write a play once. `consumers.game.store.Store` does."""

    def settle(
        self, play: Play, outcome: Outcome, trace_id: str | None, settlement_id: str | None
    ) -> Settlement:
        """Write *play* with its *outcome*, or say that something is there under its id."""

    def known(self, play: Play) -> Settlement | None:
        """Say what is there under the id of *play*, ``None`` for nothing."""


class Partner(Protocol):
    """Pay a play once. `consumers.game.fintech.Fintech` does."""

    def settle(self, play: Play, outcome: Outcome) -> str:
        """Give the id of the settlement; raise `Refused` if it will not, or has paid another."""


class SettlePlay:
    """The game's handler: see `consumers.ports.Handler`. Without a *partner* nobody is paid."""

    def __init__(
        self,
        store: Settling,
        metrics: Metrics,
        partner: Partner | None = None,
        clock: Callable[[], float] = time.perf_counter,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._partner = partner
        self._clock, self._wall = clock, wall
        self._end_to_end = metrics.end_to_end
        self._settled = metrics.plays_settled.labels("settled")
        self._duplicate = metrics.plays_settled.labels("duplicate")
        self._failed = metrics.plays_failed

    def __call__(self, record: Record) -> None:
        """Settle the play in *record*; nothing happens if it was settled before."""
        began = self._clock()
        play = self._decoded(record.value)
        settlement = self._settled_as(play, spin(play.play_id, play.seed, play.bet))
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
                self._end_to_end(self._wall() - play.accepted_at / 1000)
                log.info("play_settled", **where, latency_ms=latency_ms)
            case Settlement.DUPLICATE:
                self._duplicate.inc()
                log.info("play_known", **where, latency_ms=latency_ms)
            case Settlement.CONFLICT:
                self._duplicate.inc()
                # A client used one Idempotency-Key for two bets. The first one counts.
                log.warning("play_conflicts", **where, latency_ms=latency_ms)

    def _decoded(self, value: bytes | None) -> Play:
        try:
            return decode(value)
        except Poison:
            self._failed.labels("invalid").inc()
            raise

    def _settled_as(self, play: Play, outcome: Outcome) -> Settlement:
        try:
            return self._settle(play, outcome)
        except Exception as error:
            self._failed.labels(WHY.get(reaction_to(error), "error")).inc()
            raise

    def _settle(self, play: Play, outcome: Outcome) -> Settlement:
        settlement_id = None
        if self._partner:
            try:
                settlement_id = self._partner.settle(play, outcome)
            except Refused:
                # A client that sent its bet again under its key: drawn anew, it pays another sum.
                if known := self._store.known(play):
                    return known
                raise
        return self._store.settle(play, outcome, current_trace_id(), settlement_id)
