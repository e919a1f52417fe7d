"""``lagmon top`` in a real terminal, against a lagmon that serves."""

from __future__ import annotations

import re
import signal
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.infra.terminal import Emulator, Terminal
from tests.infra.wait import until
from tests.lagmon.builders import NOON, TRACE, cycle, group, lags
from tests.lagmon.web.stories import HOSTILE, night, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lagmon.board import Cycle
    from lagmon.model import GroupLag
    from tests.lagmon.web.stories import Shown

DOWN, ESCAPE, CTRL_C = "\x1bOB", "\x1b", "\x03"
COLOUR = re.compile(rb"\x1b\[[\d;]*3[0-7][;m]")
READY = "q quit"


@pytest.fixture
def page() -> Iterator[Shown]:
    """Serve a night in which one group got stuck, and one has a hostile name."""
    with shown(night()) as served:
        yield served


def later(seconds: float, *groups: GroupLag) -> Cycle:
    """Give a cycle with *groups*, some *seconds* after noon."""
    return cycle(replace(lags(*groups), at=NOON + seconds))


@contextmanager
def top(
    page: Shown,
    *options: str,
    columns: int = 80,
    rows: int = 24,
    env: Mapping[str, str | None] | None = None,
) -> Iterator[Terminal]:
    """Start it and wait until it is there."""
    command = [sys.executable, "-m", "lagmon", "top", page.url, "--every", "0.2", *options]
    with Terminal(command, columns=columns, rows=rows, env=env) as terminal:
        terminal.sees(READY)
        yield terminal


def test_somebody_looks_and_has_seen_enough(page: Shown) -> None:
    """The list, a group with its record and partitions, back, another by arrows, and the end."""
    with top(page) as terminal:
        lines = terminal.lines()
        assert lines[0].startswith("1 incident open  game-consumer")
        assert lines[3].startswith("P1  game-consumer")

        terminal.press("\r")
        terminal.sees(f"trace {TRACE}")
        terminal.sees("game-7 at 10.0.0.7")
        terminal.press(ESCAPE)
        terminal.sees("Enter open")
        terminal.press(f"{DOWN}{DOWN}\r")
        terminal.sees("ledger-export on local")
        terminal.sees("game.ledger[0]")

        terminal.press("q")
        assert terminal.ended() == 0
        assert terminal.as_before
        assert COLOUR.search(terminal.raw)


def test_what_happens_is_seen_without_a_key(page: Shown) -> None:
    """A cycle later the new values are there, in the list and in a group."""
    with top(page) as terminal:
        page.do(lambda: page.board.put(cycle(lags(group(4711, "new-group")))))
        terminal.sees("new-group")
        terminal.sees("All is well")

        terminal.press("\r")
        terminal.sees("4,711 behind")
        page.do(lambda: page.board.put(later(1, group(4712, "new-group"))))
        terminal.sees("4,712 behind")
        page.do(lambda: page.board.put(later(2, group(1, "another"))))
        terminal.sees("No group is called new-group")
        # What stands below those words may be drawn a moment later.
        assert until(
            lambda: not [each for each in terminal.lines() if "behind" in each],
            what="no value of before",
        )


def test_groups_are_searched_for_and_sorted(page: Shown) -> None:
    """What is typed is on the screen, and what is left out is said."""
    with top(page) as terminal:
        terminal.press("/mail")
        terminal.sees("search: mail_")
        terminal.press("\r")
        terminal.sees("1 of 6 groups")
        assert not [each for each in terminal.lines() if "ledger-export" in each]

        terminal.press(ESCAPE)
        terminal.sees("ledger-export")
        terminal.press("sss")
        assert terminal.sees("s by name")[4].strip().startswith("audit")


def test_another_size_is_taken(page: Shown) -> None:
    """Wider there is more, and on very little there is still something."""
    with top(page, columns=80, rows=24) as terminal:
        assert not [each for each in terminal.lines() if "INCIDENTS" in each]

        terminal.resize(140, 10)
        terminal.sees("INCIDENTS")
        assert terminal.sees(READY)[9].startswith(READY)

        terminal.resize(20, 4)
        terminal.sees("P1")
        terminal.resize(80, 24)
        terminal.sees("s worst first")


@pytest.mark.parametrize(
    ("how", "code"), [(CTRL_C, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_however_it_ends_the_terminal_is_as_before(
    page: Shown, how: str | signal.Signals, code: int
) -> None:
    """Its modes, and the screen that was there; no traceback is left on it."""
    with top(page) as terminal:
        assert not terminal.as_before

        if isinstance(how, str):
            terminal.press(how)
        else:
            terminal.signal(how)

        assert terminal.ended() == code
        assert terminal.as_before
        assert b"Traceback" not in terminal.raw


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "vt100"}])
def test_colours_are_for_terminals_that_have_them(page: Shown, env: Mapping[str, str]) -> None:
    """And for nobody who does not want them; the words say the same."""
    with top(page, env=env) as terminal:
        terminal.press("q")
        terminal.ended()

        assert not COLOUR.search(terminal.raw)
        assert b"blocked" in terminal.raw


def test_a_hostile_name_does_nothing(page: Shown) -> None:
    """No title is set, no colour, no direction: the escape is a sign like any other."""
    with top(page, columns=140) as terminal:
        terminal.press("/script\r")
        terminal.sees("1 of 6 groups")
        terminal.press("\r")
        terminal.sees("on local")
        terminal.press("q")
        terminal.ended()

        assert HOSTILE.encode() not in terminal.raw
        for sign in ("\u202e", "\x00", '\x1b[31m"'):
            assert sign.encode() not in terminal.raw
        assert "\ufffd".encode() in terminal.raw


def test_a_terminal_of_ascii_is_served_too(page: Shown) -> None:
    """What it cannot show is a question mark."""
    with top(page, env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}) as terminal:
        terminal.press("q")
        assert terminal.ended() == 0
        assert terminal.raw.isascii()


def test_lagmon_that_goes_is_said_to_be_gone() -> None:
    """The last values stay, with how old they are, and keys go on working."""
    with ExitStack() as serving, ExitStack() as looking:
        page = serving.enter_context(shown(night()))
        terminal = looking.enter_context(top(page))

        serving.close()

        terminal.sees("No answer for")
        terminal.sees("refuses the connection")
        terminal.press("/game-c")
        terminal.sees("search: game-c_")
        assert [each for each in terminal.lines() if each.startswith("P1  game-consumer")]


def test_a_terminal_that_is_not_known_is_refused(page: Shown) -> None:
    """In one line, which says what else there is."""
    command = [sys.executable, "-m", "lagmon", "top", page.url]
    with Terminal(command, env={"TERM": "nothing-like-it"}, columns=200) as terminal:
        assert terminal.ended() == 2
        assert "--once prints the table" in terminal.lines()[0]
        assert terminal.as_before


def test_the_emulator_knows_what_curses_uses() -> None:
    """Writing, moving, erasing, repeating and pushing, by the xterm's own sequences."""
    screen = Emulator(10, 3)

    screen.feed("\x1b[?1049h\x1b[Hab\x1b[2;3Hcd\x1b[3;1Hxyz\x1b[3;2H\x1b[K\x1b[1;3Hq\x1b[3b")
    screen.feed("\x1b[2;3H\x1b[2P\x1b[2@e\x1b[")
    screen.feed("1mf\x1b[m\b\bE")

    assert screen.lines() == ["abqqqq", "  Ef", "x"]
    assert screen.alternate
    screen.feed("\x1b[1;1H\x1b[2X\x1b[2;1H\x1b[J\x1b[?1049l")
    assert screen.lines() == ["  qqqq", "", ""]
    assert not screen.alternate
    with pytest.raises(ValueError, match="not known"):
        screen.feed("\x1b[3S")
