"""Draw lines on a terminal and read its keys, by curses.

In: a `Feed`, and how to begin. Out: the terminal as it was before, however this ends: by a key,
by Ctrl-C, by a signal, or by a fault. Colours only where the terminal has them and ``NO_COLOR`` is
not set.
"""

from __future__ import annotations

import contextlib
import curses
import os
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lagmon.top.page import Screen, screen
from lagmon.top.showing import Extent, pressed

if TYPE_CHECKING:
    from types import FrameType

    from lagmon.top.feed import Feed
    from lagmon.top.lines import Line, Tone
    from lagmon.top.page import Seen
    from lagmon.top.showing import Showing

TURN_MS = 200  # between two looks at what the feed has
ESCAPE_MS = 50  # a key whose code begins with Esc has sent the rest by then

_KEYS = {
    curses.KEY_UP: "up", curses.KEY_DOWN: "down", curses.KEY_LEFT: "left",
    curses.KEY_RIGHT: "right", curses.KEY_PPAGE: "page_up", curses.KEY_NPAGE: "page_down",
    curses.KEY_HOME: "home", curses.KEY_END: "end", curses.KEY_ENTER: "enter",
    curses.KEY_BACKSPACE: "erase",
    "\n": "enter", "\r": "enter", "\x1b": "escape", "\x7f": "erase", "\b": "erase",
}  # fmt: skip
_COLOURS: dict[Tone, int] = {
    "bad": curses.COLOR_RED, "warn": curses.COLOR_YELLOW, "unknown": curses.COLOR_CYAN,
    "good": curses.COLOR_GREEN,
}  # fmt: skip


class NoTerminal(Exception):  # noqa: N818 - what a person reads, not a fault of ours
    """Nothing can be drawn here; the message says why."""


def show(feed: Feed, showing: Showing) -> None:
    """Show what *feed* has, until somebody has seen enough; KeyboardInterrupt at Ctrl-C."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise NoTerminal("standard input and output are no terminal; --once prints the table")
    try:
        curses.setupterm()
    except curses.error:
        named = os.environ.get("TERM", "")
        raise NoTerminal(
            f"nothing is known of a terminal called {named!r} (TERM); --once prints the table"
        ) from None
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    curses.set_escdelay(ESCAPE_MS)
    window = curses.initscr()
    try:
        _prepare(window)
        _Drawing(feed, showing, window).run()
    finally:
        window.keypad(False)
        curses.endwin()


def _prepare(window: curses.window) -> None:
    """Take keys one by one, as themselves, and without an echo or a cursor."""
    curses.noecho()
    curses.cbreak()
    window.keypad(True)
    window.timeout(TURN_MS)
    with contextlib.suppress(curses.error):  # some terminals cannot hide it
        curses.curs_set(0)


def _end(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


@dataclass(frozen=True, slots=True)
class _Drawn:
    """What was drawn, on rows and columns."""

    seen: Seen | None = None
    showing: Showing | None = None
    size: tuple[int, int] = (0, 0)

    def differs(self, other: _Drawn) -> bool:
        """Tell whether something else is to be drawn; what was seen is swapped whole."""
        same = (self.showing, self.size) == (other.showing, other.size)
        return self.seen is not other.seen or not same

    def screen(self) -> Screen:
        """Lay it out."""
        assert self.seen is not None
        assert self.showing is not None
        rows, columns = self.size
        return screen(self.seen, self.showing, columns, rows)


class _Drawing:
    """The loop: draw what has changed, read a key."""

    def __init__(self, feed: Feed, showing: Showing, window: curses.window) -> None:
        self._feed, self._showing, self._window = feed, showing, window
        self._tones: dict[Tone, int] = {"strong": curses.A_BOLD, "dim": curses.A_DIM}
        if not os.environ.get("NO_COLOR") and curses.has_colors():
            self._choose_colours()

    def run(self) -> None:
        """Go on until it is over."""
        window = self._window
        made, before = Screen((), Extent()), _Drawn()
        while not self._showing.over:
            now = _Drawn(self._feed.seen, self._showing, window.getmaxyx())
            if now.differs(before):
                made, before = now.screen(), now
                self._draw(made.lines)
            self._press(made.extent)

    def _choose_colours(self) -> None:
        curses.start_color()
        with contextlib.suppress(curses.error):  # then black is the ground
            curses.use_default_colors()
        for pair, (tone, colour) in enumerate(_COLOURS.items(), 1):
            try:
                curses.init_pair(pair, colour, -1)
            except (curses.error, ValueError):
                curses.init_pair(pair, colour, curses.COLOR_BLACK)
            bold = curses.A_BOLD if tone == "bad" else 0
            self._tones[tone] = curses.color_pair(pair) | bold

    def _draw(self, lines: tuple[Line, ...]) -> None:
        window = self._window
        window.erase()
        for row, each in enumerate(lines):
            column = 0
            for text, tone in each.spans:
                shown = text.encode(window.encoding, "replace").decode(window.encoding)
                look = self._tones.get(tone, 0) | (curses.A_REVERSE if each.reverse else 0)
                # The last cell of all cannot be written without an error, though it is written.
                with contextlib.suppress(curses.error):
                    window.addstr(row, column, shown, look)
                column = window.getyx()[1]
        window.refresh()

    def _press(self, extent: Extent) -> None:
        try:
            key = self._window.get_wch()
        except curses.error:  # none was pressed
            return
        name = _KEYS.get(key, key if isinstance(key, str) else "")
        if name:
            self._showing = pressed(self._showing, name, extent)
            self._feed.open(self._showing.opened)
