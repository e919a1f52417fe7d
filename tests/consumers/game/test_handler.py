"""One record through the game's handler: what is written, counted and said."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from structlog.testing import capture_logs

from consumers.errors import Poison, Unavailable
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
    """What was settled, in memory; answers with *settlement*, or raises it."""

    def __init__(self, settlement: Settlement | Exception = Settlement.WRITTEN) -> None:
        self.rows: list[tuple[Play, Outcome, str | None]] = []
        self._settlement = settlement

    def settle(self, play: Play, outcome: Outcome, trace_id: str | None) -> Settlement:
        """Keep the arguments."""
        if isinstance(self._settlement, Exception):
            raise self._settlement
        self.rows.append((play, outcome, trace_id))
        return self._settlement


def handle(table: Table, value: bytes | None, metrics: Metrics | None = None) -> dict[str, Any]:
    """Let the handler settle one record, half a second long; give its log line."""
    ticks = itertools.count(100.0, 0.5)
    handler = SettlePlay(table, metrics or Metrics(), clock=lambda: next(ticks))
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
