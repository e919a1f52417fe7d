"""What somebody looks at, and what a key changes about it. Pure.

In: a `Showing`, the name of a key, and what was on the screen when it was pressed. Out: the next
`Showing`. A key that means nothing changes nothing.

Keys are named as `lagmon.top.screen` names them: ``up``, ``down``, ``page_up``, ``page_down``,
``home``, ``end``, ``enter``, ``escape``, ``erase``, and characters by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from lagmon.web.choice import LONGEST, SHOWN, SORTED, Choice

Key = tuple[str, str]  # cluster and group

_MOVES = {
    "up": "up", "k": "up", "down": "down", "j": "down", "page_up": "page_up",
    "page_down": "page_down", " ": "page_down", "home": "home", "g": "home", "end": "end",
    "G": "end",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Showing:
    """What is on the screen: the list, or the group that is *opened* from its line *scroll* on.

    *typing*: what is pressed goes into the text to search for. *over*: somebody has seen enough.
    """

    choice: Choice = field(default_factory=Choice)
    typing: bool = False
    selected: Key | None = None
    opened: Key | None = None
    scroll: int = 0
    over: bool = False


@dataclass(frozen=True, slots=True)
class Extent:
    """How far one can go: *keys* of all groups listed, or *lines* of one; *room* of them fit.

    *at* is the place of the group that is selected.
    """

    keys: tuple[Key, ...] = ()
    at: int = 0
    lines: int = 0
    room: int = 1


def pressed(showing: Showing, key: str, extent: Extent) -> Showing:
    """Give what is shown after *key*."""
    if showing.typing:
        return _typed(showing, key)
    if key == "q":
        return replace(showing, over=True)
    if showing.opened is not None:
        return _in_group(showing, key, extent)
    return _in_list(showing, key, extent)


def _typed(showing: Showing, key: str) -> Showing:
    text = showing.choice.text
    if key == "enter":
        return replace(showing, typing=False)
    if key == "escape":
        text, showing = "", replace(showing, typing=False)
    elif key == "erase":
        text = text[:-1]
    elif len(key) == 1 and key.isprintable():
        text = (text + key)[:LONGEST]
    return replace(showing, choice=replace(showing.choice, text=text))


def _in_group(showing: Showing, key: str, extent: Extent) -> Showing:
    if key in {"escape", "erase", "left", "h"}:
        return replace(showing, opened=None, scroll=0)
    if key in _MOVES:
        last = max(0, extent.lines - extent.room)
        return replace(showing, scroll=_moved(showing.scroll, last, extent.room, _MOVES[key]))
    return showing


def _in_list(showing: Showing, key: str, extent: Extent) -> Showing:
    choice = showing.choice
    if key in {"enter", "right", "l"} and extent.keys:
        here = extent.keys[extent.at]
        return replace(showing, selected=here, opened=here, scroll=0)
    if key in _MOVES and extent.keys:
        to = _moved(extent.at, len(extent.keys) - 1, extent.room, _MOVES[key])
        return replace(showing, selected=extent.keys[to])
    if key == "/":
        return replace(showing, typing=True)
    if key == "s":
        choice = replace(choice, sort=_next(choice.sort, SORTED))
    elif key == "f":
        choice = replace(choice, show=_next(choice.show, SHOWN))
    elif key == "escape":
        return replace(showing, choice=Choice(sort=choice.sort), selected=None)
    return replace(showing, choice=choice)


def _moved(at: int, last: int, room: int, move: str) -> int:
    steps = {"up": -1, "down": 1, "page_up": -room, "page_down": room, "home": -at, "end": last}
    return min(max(0, at + steps[move]), max(0, last))


def _next(value: str, known: tuple[tuple[str, str], ...]) -> str:
    names = [name for name, _ in known]
    return names[(names.index(value) + 1) % len(names)]
