"""The machine pays what it says, the same every time."""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.game.events import MAX_BET
from consumers.game.service import REELS, STRIP, Outcome, multiple, spin
from tests.consumers.game.builders import SEED


@pytest.mark.parametrize(
    ("symbols", "times"),
    [
        (("seven", "seven", "seven"), 100),
        (("bell", "bell", "bell"), 12),
        (("plum", "plum", "plum"), 6),
        (("cherry", "cherry", "cherry"), 4),
        (("cherry", "cherry", "seven"), 1),
        (("cherry", "plum", "cherry"), 1),
        (("bell", "cherry", "cherry"), 1),
        (("seven", "seven", "bell"), 0),
        (("bell", "plum", "cherry"), 0),
    ],
)
def test_the_table_of_winnings(symbols: tuple[str, ...], times: int) -> None:
    """A line of one symbol pays by its worth, two cherries give the bet back, the rest nothing."""
    assert multiple(symbols) == times


def test_the_house_keeps_a_twentieth() -> None:
    """Over every line once, 487 of 512 bets are paid back."""
    lines = list(product(STRIP, repeat=REELS))

    assert (sum(map(multiple, lines)), len(lines)) == (487, 512)


@given(st.text(), st.integers(1, MAX_BET))
def test_a_spin_pays_by_its_symbols(play_id: str, bet: int) -> None:
    """The payout is a whole number of cents: the bet times what the symbols are worth."""
    outcome = spin(play_id, SEED, bet)

    assert outcome.payout == bet * multiple(outcome.symbols)


def test_the_same_play_always_ends_the_same() -> None:
    """A spin is a function of play and seed: the values written here hold on every machine."""
    assert spin("play-1", SEED, 250) == Outcome(("cherry", "cherry", "bell"), 250)


def test_the_id_alone_does_not_decide() -> None:
    """A player who chooses the id of a play does not choose its outcome."""
    drawn = {spin("play-1", f"{seed:032x}", 1).symbols for seed in range(2000)}

    assert len(drawn) == len(set(STRIP)) ** REELS


def test_every_stop_is_drawn_equally_often() -> None:
    """Over 20,000 plays no symbol is off its share of the reel by more than a twentieth."""
    shown = Counter(
        symbol for number in range(20_000) for symbol in spin(str(number), SEED, 1).symbols
    )

    for symbol in set(STRIP):
        share = STRIP.count(symbol) / len(STRIP)
        assert shown[symbol] / shown.total() == pytest.approx(share, rel=0.05)
