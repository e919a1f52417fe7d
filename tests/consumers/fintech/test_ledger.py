"""The stand-in's book: one key, one entry, in order, and still there after a kill."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from consumers.fintech.ledger import Entry, KeyTakenError, Ledger, Order

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def order(play_id: str = "play-1", bet: int = 250, payout: int = 1000) -> Order:
    """Make an order of ada's."""
    return Order(play_id=play_id, player_id="ada", bet=bet, payout=payout)


def settle(ledger: Ledger, key: str = "play-1", asked: Order | None = None) -> tuple[Entry, bool]:
    """Settle *asked* under *key*."""
    return ledger.settle(key, asked or order(), trace_id="1" * 32, now=NOW)


def test_an_order_is_written_whole() -> None:
    """An entry has the order, its key, the trace and the time."""
    ledger = Ledger()

    entry, new = settle(ledger)

    assert new
    assert entry == Entry(
        settlement_id=entry.settlement_id,
        key="play-1",
        play_id="play-1",
        player_id="ada",
        bet=250,
        payout=1000,
        trace_id="1" * 32,
        settled_at="2026-01-02T00:00:00+00:00",
    )


def test_a_key_is_settled_once() -> None:
    """The same order again finds the first entry, and the book has one."""
    ledger = Ledger()
    first, _ = settle(ledger)

    again, new = settle(ledger)

    assert again is first
    assert not new
    assert list(ledger.entries()) == [first]


def test_a_key_belongs_to_one_order() -> None:
    """Another order under the key is refused and leaves the first as it was."""
    ledger = Ledger()
    first, _ = settle(ledger)

    with pytest.raises(KeyTakenError):
        settle(ledger, asked=order(payout=0))

    assert list(ledger.entries()) == [first]


def test_a_play_under_two_keys_shows() -> None:
    """Whoever settles a play under two keys has paid twice, and the book says so."""
    ledger = Ledger()

    ids = [settle(ledger, key)[0].settlement_id for key in ("a", "b")]

    assert [entry.settlement_id for entry in ledger.of("play-1")] == ids
    assert len(set(ids)) == 2


def test_a_book_in_a_file_outlives_its_process(tmp_path: Path) -> None:
    """What is opened again, without having been closed, has every entry in order and goes on."""
    path = tmp_path / "book"
    with Ledger(path) as killed:
        written = [settle(killed, f"play-{n}", order(f"play-{n}"))[0] for n in (3, 1, 2)]

        with Ledger(path) as again:  # the other one has not been closed
            found, new = settle(again, "play-1", order("play-1"))
            more, _ = settle(again, "play-4", order("play-4"))

    assert (found, new) == (written[1], False)
    with Ledger(path) as last:
        assert list(last.entries()) == [*written, more]


def test_half_an_entry_is_none(tmp_path: Path) -> None:
    """A last line that was cut is taken away, so that the next entry begins a line of its own."""
    path = tmp_path / "book"
    with Ledger(path) as ledger:
        first, _ = settle(ledger)
    path.write_bytes(path.read_bytes() + b'{"settlement_id": "ab')

    with Ledger(path) as ledger:
        second, _ = settle(ledger, "play-2", order("play-2"))

    assert path.read_text() == first.line() + second.line()
