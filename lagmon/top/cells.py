"""Fit text into the cells of a terminal. Pure.

In: any text, and a number of cells. Out: text of that many cells in which nothing moves the cursor,
hides or turns round what stands beside it. Letters of East Asia take two cells, and marks that are
put above others none.
"""

from __future__ import annotations

import unicodedata

ELLIPSIS = "…"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_MARKS = frozenset({"Mn", "Me"})
_WIDE = frozenset({"W", "F"})
MARKS_ABOVE = 4  # on one letter; a pile of them would reach into other lines


def visible(text: str) -> str:
    """Give *text* with what cannot be printed replaced.

    lagmon sends names that are printable. This is for whoever answers in its place.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _REPLACEMENT for each in text)


def width(text: str) -> int:
    """Count the cells that *text* takes."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def cut(text: str, cells: int) -> str:
    """Give *text*, or so much of it as fits into *cells* with an ellipsis behind.

    Of a pile of marks on one letter a few are left.
    """
    if not text.isascii():
        text = _levelled(text)
    if width(text) <= cells:
        return text
    shown, left = [], cells - 1
    for each in text:
        left -= _cells(each)
        if left < 0:
            break
        shown.append(each)
    return "".join(shown) + ELLIPSIS if cells > 0 else ""


def tail(text: str, cells: int) -> str:
    """Give *text*, or so much of its end as fits into *cells* with an ellipsis before."""
    return cut(text, cells) if width(text) <= cells else cut(text[::-1], cells)[::-1]


def padded(text: str, cells: int, *, right: bool = False) -> str:
    """Give *text* in exactly *cells*, at their *right* end or at the left one."""
    shown = cut(text, cells)
    space = " " * (cells - width(shown))
    return space + shown if right else shown + space


def wrapped(text: str, cells: int) -> list[str]:
    """Break *text* at its spaces into lines of *cells* at most; a longer word is broken too."""
    lines, line = [], ""
    for word in text.split():
        rest = word
        if line and width(line) + 1 + width(rest) <= cells:
            line = f"{line} {rest}"
            continue
        lines += [line] if line else []
        while width(rest) > cells > 1:
            head = _head(rest, cells)
            lines.append(head)
            rest = rest[len(head) :]
        line = rest
    return [*lines, line] if line else lines


def _levelled(text: str) -> str:
    shown, pile = [], 0
    for each in text:
        pile = pile + 1 if unicodedata.category(each) in _MARKS else 0
        if pile <= MARKS_ABOVE:
            shown.append(each)
    return "".join(shown)


def _cells(letter: str) -> int:
    if unicodedata.category(letter) in _MARKS:
        return 0
    return 2 if unicodedata.east_asian_width(letter) in _WIDE else 1


def _head(text: str, cells: int) -> str:
    """Give as much of *text* as fits, and one letter at least."""
    taken, used = 0, 0
    for each in text:
        used += _cells(each)
        if used > cells:
            break
        taken += 1
    return text[: max(taken, 1)]
