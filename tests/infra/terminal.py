"""A terminal with a program in it: a pseudo-terminal, and as much of an xterm as curses uses.

`Terminal` starts a program with the terminal as its own, types, resizes, and tells what is to be
seen on the screen. `Emulator` alone takes bytes and keeps the screen.
"""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
from typing import TYPE_CHECKING

from tests.infra.process import LEASH
from tests.infra.wait import until

if TYPE_CHECKING:
    import signal
    from collections.abc import Mapping, Sequence
    from typing import Self

NAME = "xterm"
END_SECONDS = 60  # a loaded machine needs a part of it
READ_BYTES = 1 << 16

# Makes the terminal that is named the controlling one of what it becomes.
_CONTROL = (
    "import fcntl, os, sys, termios; os.setsid(); fd = os.open(sys.argv[1], os.O_RDWR); "
    "fcntl.ioctl(fd, termios.TIOCSCTTY, 0); [os.dup2(fd, to) for to in (0, 1, 2)]; "
    "os.execvp(sys.argv[2], sys.argv[2:])"
)
_TOKEN = re.compile(
    r"\x1b\[(?P<private>[?>]?)(?P<numbers>[\d;]*)(?P<final>[@-~])"
    r"|\x1b(?P<other>[()][0-9A-B]|[=>78M])|(?P<control>[\x00-\x1a\x1c-\x1f\x7f])|(?P<letter>[^\x1b])"
)


class Emulator:
    """A screen of *columns* by *rows* letters."""

    def __init__(self, columns: int, rows: int) -> None:
        self._rest = ""
        self.alternate = False
        self.resize(columns, rows)

    def resize(self, columns: int, rows: int) -> None:
        """Take another size, and forget what was on the screen: curses draws it anew."""
        self.columns, self.rows = columns, rows
        self._grid = [[" "] * columns for _ in range(rows)]
        self._row = self._column = 0
        self._last = " "

    def lines(self) -> list[str]:
        """Give what is to be seen."""
        return ["".join(row).rstrip() for row in self._grid]

    def feed(self, text: str) -> None:
        """Take what a program has written; an unfinished sequence waits for its rest."""
        text, at = self._rest + text, 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                if len(text) - at > 32:
                    raise ValueError(f"a sequence that is not known: {text[at : at + 32]!r}")
                break
            self._take(found)
            at = found.end()
        self._rest = text[at:]

    def _take(self, token: re.Match[str]) -> None:
        if letter := token["letter"]:
            self._write(letter)
        elif control := token["control"]:
            self._move(control)
        elif token["final"] and not token["private"]:
            self._obey(token["final"], [int(each or 0) for each in token["numbers"].split(";")])
        elif token["final"] in {"h", "l"} and token["numbers"] == "1049":
            self.alternate = token["final"] == "h"

    def _write(self, letter: str) -> None:
        if self._column >= self.columns:
            self._row, self._column = min(self._row + 1, self.rows - 1), 0
        self._grid[self._row][self._column] = self._last = letter
        self._column += 1

    def _move(self, control: str) -> None:
        if control == "\r":
            self._column = 0
        elif control == "\n":
            self._row = min(self._row + 1, self.rows - 1)
        elif control == "\b":
            self._column = max(0, self._column - 1)
        elif control == "\t":
            self._column = min(self.columns - 1, self._column // 8 * 8 + 8)

    def _obey(self, final: str, numbers: list[int]) -> None:
        count = max(1, numbers[0])
        if final in "Hf":
            self._go(count - 1, max(1, [*numbers, 1][1]) - 1)
        elif final in "ABCDGd":
            self._go(*self._to(final, count))
        elif final in "JK":
            self._erase(final, numbers[0])
        elif final in "X@P":
            self._edit(final, count)
        elif final == "b":
            for _ in range(count):
                self._write(self._last)
        elif final not in "mrlht":
            raise ValueError(f"CSI {numbers} {final} is not known")

    def _erase(self, final: str, part: int) -> None:
        if final == "J":
            for row in range(self._row + 1 if part == 0 else 0, self.rows):
                self._grid[row] = [" "] * self.columns
            part = min(part, 1) and 2
        start = 0 if part else self._column
        self._blank(start, self._column + 1 if part == 1 else self.columns)

    def _edit(self, final: str, count: int) -> None:
        line = self._grid[self._row]
        if final == "X":
            self._blank(self._column, self._column + count)
        elif final == "@":
            line[self._column : self._column] = [" "] * count
            del line[self.columns :]
        else:
            del line[self._column : self._column + count]
            line += [" "] * (self.columns - len(line))

    def _to(self, final: str, count: int) -> tuple[int, int]:
        row, column = self._row, self._column
        return {
            "A": (row - count, column),
            "B": (row + count, column),
            "C": (row, column + count),
            "D": (row, column - count),
            "G": (row, count - 1),
            "d": (count - 1, column),
        }[final]

    def _go(self, row: int, column: int) -> None:
        self._row = min(max(0, row), self.rows - 1)
        self._column = min(max(0, column), self.columns - 1)

    def _blank(self, start: int, end: int) -> None:
        for column in range(start, min(end, self.columns)):
            self._grid[self._row][column] = " "


class Terminal:
    """*command* in a terminal of its own. A context manager; it ends the program.

    *env* goes beside this process's environment; what is None there is left out.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        columns: int = 80,
        rows: int = 24,
        env: Mapping[str, str | None] | None = None,
    ) -> None:
        self._command = list(command)
        environment = {**os.environ, "TERM": NAME, "LC_ALL": "C.UTF-8", "NO_COLOR": None}
        # Whoever has these exported has curses believe them more than the terminal.
        environment |= {"COLUMNS": None, "LINES": None, **(env or {})}
        self._env = {name: each for name, each in environment.items() if each is not None}
        self._screen = Emulator(columns, rows)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.raw = b""

    def __enter__(self) -> Self:
        self._ours, self._theirs = pty.openpty()
        self._set_size()
        self.before = termios.tcgetattr(self._theirs)
        leash = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), "-"]
        control = [sys.executable, "-I", "-S", "-c", _CONTROL, os.ttyname(self._theirs)]
        self._process = subprocess.Popen([*leash, *control, *self._command], env=self._env)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)
        os.close(self._theirs)

    def lines(self) -> list[str]:
        """Give what is to be seen now, line by line."""
        while select.select([self._ours], [], [], 0)[0]:
            read = os.read(self._ours, READ_BYTES)
            self.raw += read
            self._screen.feed(self._decoder.decode(read))
        return self._screen.lines()

    def sees(self, words: str) -> list[str]:
        """Wait until *words* are to be seen; give all the lines then."""

        def found() -> list[str]:
            lines = self.lines()
            return lines if any(words in each for each in lines) else []

        try:
            return until(found, timeout=END_SECONDS, what=f"{words!r} on the terminal")
        except TimeoutError as error:
            shown = "\n".join(self.lines())
            raise TimeoutError(f"{error}\n{shown}") from None

    def press(self, keys: str) -> None:
        """Type *keys*."""
        os.write(self._ours, keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size; whoever is in it is told by SIGWINCH."""
        self.lines()
        self._screen.resize(columns, rows)
        self._set_size()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program."""
        self._process.send_signal(number)

    def ended(self) -> int:
        """Wait for the program's end; give its exit code."""

        def over() -> bool:
            self.lines()
            return self._process.poll() is not None

        until(over, timeout=END_SECONDS, what="the end of the program")
        self.lines()
        return self._process.returncode

    @property
    def as_before(self) -> bool:
        """Whether the terminal's settings are those of the beginning, and its screen the usual."""
        return termios.tcgetattr(self._theirs) == self.before and not self._screen.alternate

    def _set_size(self) -> None:
        size = struct.pack("HHHH", self._screen.rows, self._screen.columns, 0, 0)
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, size)
