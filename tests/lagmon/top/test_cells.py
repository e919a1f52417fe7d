"""Text in the cells of a terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lagmon.top.cells import cut, padded, tail, visible, width, wrapped
from tests.lagmon.test_hostile_names import ANY

CELLS = st.integers(0, 60)


@given(ANY)
def test_nothing_that_is_shown_moves_the_cursor(text: str) -> None:
    """No control, no mark of direction, and no pile of marks over other lines."""
    shown = padded(visible(text), 80)

    kinds = [unicodedata.category(each) for each in shown]
    assert not {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} & set(kinds)
    assert ["Mn"] * 5 not in [kinds[at : at + 5] for at in range(len(kinds))]
    assert visible(shown) == shown


@given(ANY, CELLS)
def test_what_is_padded_takes_its_cells(text: str, cells: int) -> None:
    """Exactly so many, whatever the letters."""
    assert width(padded(visible(text), cells)) == cells
    assert width(padded(visible(text), cells, right=True)) == cells


@given(ANY, CELLS)
def test_what_is_cut_is_never_wider(text: str, cells: int) -> None:
    """And stays whole where it fits."""
    shown = visible(text)

    for made in (cut(shown, cells), tail(shown, cells)):
        assert width(made) <= cells
        assert made in shown or width(shown) > cells or "\u0301" * 5 in shown


@given(ANY, st.integers(2, 60))
def test_what_is_broken_loses_nothing(text: str, cells: int) -> None:
    """Every letter is on a line that fits."""
    shown = visible(text)

    lines = wrapped(shown, cells)

    assert "".join(lines).replace(" ", "") == "".join(shown.split())
    assert all(width(each) <= cells for each in lines)


@pytest.mark.parametrize(
    ("text", "cells"),
    [("plain", 5), ("\u65e5\u672c", 4), ("e\u0301", 1), ("", 0), ("\uff21b", 3)],
)
def test_letters_are_as_wide_as_terminals_draw_them(text: str, cells: int) -> None:
    """Two cells for those of East Asia, none for what stands above another."""
    assert width(text) == cells


def test_both_ends_of_a_text_can_be_kept() -> None:
    """An ellipsis says which one is not there."""
    assert cut("game.slots.plays[3]", 8) == "game.sl…"
    assert tail("game.slots.plays[3]", 8) == "…lays[3]"
