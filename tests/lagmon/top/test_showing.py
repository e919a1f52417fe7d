"""What keys do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lagmon.top.showing import Extent, Showing, pressed
from lagmon.web.choice import Choice

KEYS = tuple(("local", f"group-{number}") for number in range(30))
EXTENT = Extent(KEYS, at=4, room=10)
GROUP = Showing(opened=KEYS[4], selected=KEYS[4], scroll=5)


def after(*keys: str, showing: Showing | None = None, extent: Extent = EXTENT) -> Showing:
    """Press *keys* one after the other, with the same on the screen."""
    showing = showing or Showing()
    for key in keys:
        showing = pressed(showing, key, extent)
    return showing


@pytest.mark.parametrize(
    ("key", "to"),
    [
        ("down", 5), ("j", 5), ("up", 3), ("k", 3), ("page_down", 14), (" ", 14), ("page_up", 0),
        ("home", 0), ("g", 0), ("end", 29), ("G", 29),
    ],
)  # fmt: skip
def test_a_key_moves_to_a_group(key: str, to: int) -> None:
    """By one, by a page, to an end, and never beyond."""
    assert after(key).selected == KEYS[to]


def test_a_group_is_opened_and_closed() -> None:
    """Where one was is where one comes back to."""
    opened = after("enter")
    assert (opened.opened, opened.scroll) == (KEYS[4], 0)

    for key in ("escape", "erase", "left", "h"):
        back = pressed(replace(opened, scroll=3), key, Extent(lines=9, room=4))
        assert (back.opened, back.selected, back.scroll) == (None, KEYS[4], 0)


@pytest.mark.parametrize(
    ("key", "to"), [("down", 6), ("up", 4), ("page_down", 15), ("page_up", 0), ("end", 20)]
)
def test_a_group_is_scrolled(key: str, to: int) -> None:
    """Until its last line is at the bottom."""
    assert after(key, showing=GROUP, extent=Extent(lines=30, room=10)).scroll == to


def test_a_group_that_fits_stays_where_it_is() -> None:
    """There is nothing below it."""
    assert after("end", "down", showing=GROUP, extent=Extent(lines=3, room=10)).scroll == 0


def test_sorting_and_showing_go_round() -> None:
    """Each press takes the next, and the last leads to the first."""
    assert after("s").choice.sort == "lag"
    assert after("s", "s", "s", "s").choice.sort == "worst"
    assert after("f").choice.show == "attention"
    assert after("f", "f", "f").choice.show == "all"


def test_what_is_typed_is_searched_for() -> None:
    """Keys are letters meanwhile, also those that mean something else."""
    typing = after("/", "q", "s", "x", "erase")
    assert typing.typing
    assert typing.choice.text == "qs"

    kept, dropped = (pressed(typing, key, EXTENT) for key in ("enter", "escape"))
    assert (kept.typing, kept.choice.text, kept.over) == (False, "qs", False)
    assert (dropped.typing, dropped.choice.text) == (False, "")


def test_what_is_typed_is_bounded() -> None:
    """A pasted page is not taken whole, and what is no letter not at all."""
    text = after("/", *("x" * 300), "\x00", "down").choice.text

    assert text == "x" * 200


def test_escape_shows_all_again() -> None:
    """In the order that was chosen, from the first group on."""
    narrowed = Showing(Choice("mail", "incidents", "local", "lag"), selected=KEYS[9])

    assert after("escape", showing=narrowed) == Showing(Choice(sort="lag"))


@pytest.mark.parametrize("showing", [Showing(), GROUP])
def test_q_is_enough(showing: Showing) -> None:
    """Wherever one is."""
    assert after("q", showing=showing).over


@pytest.mark.parametrize("showing", [Showing(), GROUP])
def test_another_key_changes_nothing(showing: Showing) -> None:
    """And nothing is opened where nothing is listed."""
    assert after("z", "\u00e9", "é", showing=showing) == showing
    assert after("enter", "down", extent=Extent()) == Showing()
