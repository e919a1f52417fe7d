"""One record through the game's handler: what is written, counted and said."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from structlog.testing import capture_logs

from consumers.errors import Poison, Retryable, Unavailable
from consumers.game.answers import Refused
from consumers.game.events import encode
from consumers.game.handler import SettlePlay
from consumers.game.service import spin
from consumers.game.store import Settlement
from consumers.metrics import Metrics
from propagation.testing import captured_spans
from tests.consumers.game.builders import play, record

if TYPE_CHECKING:
    from consumers.game.events import Play
    from consumers.game.service import Outcome


class Table:
    """What was settled, in memory; answers with *settlement*, or raises it. Knows *known*."""

    def __init__(
        self,
        settlement: Settlement | Exception = Settlement.WRITTEN,
        known: Settlement | None = None,
    ) -> None:
        self.rows: list[tuple[Play, Outcome, str | None]] = []
        self.settlement_ids: list[str | None] = []
        self._settlement = settlement
        self._known = known

    def settle(
        self, play: Play, outcome: Outcome, trace_id: str | None, settlement_id: str | None
    ) -> Settlement:
        """Keep the arguments."""
        if isinstance(self._settlement, Exception):
            raise self._settlement
        self.rows.append((play, outcome, trace_id))
        self.settlement_ids.append(settlement_id)
        return self._settlement

    def known(self, _: Play) -> Settlement | None:
        """Say what was set."""
        return self._known


class Partner:
    """A partner that has settled everything, or raises *refusal*."""

    def __init__(self, table: Table, refusal: Exception | None = None) -> None:
        self.asked: list[tuple[Play, Outcome]] = []
        self.rows_before: list[int] = []
        self._table = table
        self._refusal = refusal

    def settle(self, play: Play, outcome: Outcome) -> str:
        """Keep the arguments, and how many rows there were."""
        self.asked.append((play, outcome))
        self.rows_before.append(len(self._table.rows))
        if self._refusal:
            raise self._refusal
        return "settlement-1"


def handle(
    table: Table,
    value: bytes | None,
    metrics: Metrics | None = None,
    partner: Partner | None = None,
) -> dict[str, Any]:
    """Let the handler settle one record, half a second long; give its log line."""
    ticks = itertools.count(100.0, 0.5)
    handler = SettlePlay(table, metrics or Metrics(), partner, clock=lambda: next(ticks))
    with capture_logs() as lines:
        handler(record(value))
    (line,) = lines
    return dict(line)


def test_a_play_is_settled_by_its_own_draw() -> None:
    """The record's play is written with the outcome that its id and seed draw."""
    table = Table()

    handle(table, encode(play()))

    ((written, outcome, trace_id),) = table.rows
    assert written == play()
    assert outcome == spin(play().play_id, play().seed, play().bet)
    assert trace_id is None


def test_the_trace_of_the_record_is_written_with_it() -> None:
    """The current span's trace id stands in the row."""
    table = Table()

    with captured_spans(), trace.get_tracer("test").start_as_current_span("process") as span:
        handle(table, encode(play()))

    assert table.rows[0][2] == f"{span.get_span_context().trace_id:032x}"


@pytest.mark.parametrize(
    ("settlement", "level", "event", "result"),
    [
        (Settlement.WRITTEN, "info", "play_settled", "settled"),
        (Settlement.DUPLICATE, "info", "play_known", "duplicate"),
        (Settlement.CONFLICT, "warning", "play_conflicts", "duplicate"),
    ],
)
def test_what_became_of_a_play_is_told_once(
    settlement: Settlement, level: str, event: str, result: str
) -> None:
    """One line says what was done and where the record lies, and one counter goes up."""
    metrics = Metrics()

    line = handle(Table(settlement), encode(play()), metrics)

    assert line == {
        "log_level": level,
        "event": event,
        "play_id": "play-1",
        "topic": "plays",
        "partition": 2,
        "offset": 7,
        "latency_ms": 500,
    }
    settled = metrics.registry.get_sample_value("consumers_plays_settled_total", {"result": result})
    assert settled == 1


@pytest.mark.parametrize("value", [None, b"\xff", b"{}"])
def test_what_is_no_play_is_poison(value: bytes | None) -> None:
    """A record that is no play is given up, and nothing is written."""
    table = Table()

    with pytest.raises(Poison):
        handle(table, value)

    assert table.rows == []


def test_a_database_that_is_away_is_the_runtimes_matter() -> None:
    """What the table raises travels on unchanged."""
    away = Unavailable("the database cannot work now")

    with pytest.raises(Unavailable) as raised:
        handle(Table(away), encode(play()))

    assert raised.value is away


def test_the_partner_pays_before_the_play_is_written() -> None:
    """The partner gets the play with its outcome first; the row then names the settlement."""
    table = Table()
    partner = Partner(table)

    handle(table, encode(play()), partner=partner)

    assert partner.asked == [(play(), spin(play().play_id, play().seed, play().bet))]
    assert partner.rows_before == [0]
    assert table.settlement_ids == ["settlement-1"]


def test_without_a_partner_a_play_names_no_settlement() -> None:
    """Where no partner is configured plays are settled in the tables alone."""
    table = Table()

    handle(table, encode(play()))

    assert table.settlement_ids == [None]


@pytest.mark.parametrize("kind", [Unavailable, Retryable, Poison, Refused])
def test_what_the_partner_has_not_paid_is_not_written(kind: type[Exception]) -> None:
    """A partner that is away or refuses decides what becomes of the record; there is no row."""
    table = Table()
    refusal = kind("fintech")

    with pytest.raises(kind) as raised:
        handle(table, encode(play()), partner=Partner(table, refusal))

    assert raised.value is refusal
    assert table.rows == []


@pytest.mark.parametrize(
    ("known", "event"),
    [(Settlement.DUPLICATE, "play_known"), (Settlement.CONFLICT, "play_conflicts")],
)
def test_a_play_that_is_settled_is_no_poison(known: Settlement, event: str) -> None:
    """A bet that was sent again is drawn anew: the partner refuses, but its first one stands."""
    table = Table(known=known)

    line = handle(table, encode(play()), partner=Partner(table, Refused("fintech answered 422")))

    assert line["event"] == event
    assert table.rows == []


def test_a_settled_play_tells_how_long_it_took_from_the_request() -> None:
    """From the API's acceptance to the committed write; what was known already tells nothing."""
    metrics, accepted = Metrics(), play()
    seconds = accepted.accepted_at / 1000 + 0.25

    for settlement in (Settlement.WRITTEN, Settlement.DUPLICATE, Settlement.CONFLICT):
        SettlePlay(Table(settlement), metrics, wall=lambda: seconds)(record(encode(accepted)))

    read = metrics.registry.get_sample_value
    assert read("consumers_end_to_end_seconds_count") == 1
    assert read("consumers_end_to_end_seconds_sum") == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("value", "error", "reason"),
    [
        (b"no play", None, "invalid"),
        (encode(play()), Refused("fintech answered 409"), "refused"),
        (encode(play()), Poison("fintech answered 400"), "refused"),
        (encode(play()), Unavailable("fintech answered 503"), "unavailable"),
        (encode(play()), ConnectionRefusedError(), "unavailable"),
        (encode(play()), Retryable("fintech answered 201 without a settlement_id"), "error"),
        (encode(play()), ValueError("a bug"), "error"),
    ],
)
def test_a_play_that_is_not_settled_is_counted_by_why(
    value: bytes, error: Exception | None, reason: str
) -> None:
    """Each try that fails counts once, under one reason, and the runtime hears of it."""
    metrics, table = Metrics(), Table()
    handler = SettlePlay(table, metrics, Partner(table, error))

    with pytest.raises(type(error) if error else Poison):
        handler(record(value))

    read = metrics.registry.get_sample_value
    reasons = ("invalid", "refused", "unavailable", "error")
    counts = {one: read("consumers_plays_failed_total", {"reason": one}) for one in reasons}
    assert counts == dict.fromkeys(reasons, 0) | {reason: 1}
