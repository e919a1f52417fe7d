"""Print the demo: steps, evidence, checks. Count the checks that failed; decide nothing."""

from __future__ import annotations

import sys
import textwrap
import time

WIDTH = 100  # columns; longer evidence goes on below
LABEL = 17  # columns of the label before a piece of evidence


class Console:
    """Print the story with the seconds since it began, and remember how many checks failed."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._in_progress = False
        self.passed = 0
        self.failed: list[str] = []

    @property
    def seconds(self) -> float:
        """Seconds since the story began."""
        return time.monotonic() - self._began

    def step(self, title: str) -> None:
        """Begin a new part of the story."""
        self._line(f"\n[{self.seconds:5.1f} s] {title}")

    def show(self, label: str, text: str) -> None:
        """Print one piece of evidence as it was found."""
        lines = textwrap.wrap(text, WIDTH - LABEL - 5, break_on_hyphens=False) or [""]
        for head, line in zip([label, *[""] * len(lines)], lines, strict=False):
            self._line(f"    {head:<{LABEL}} {line}")

    def say(self, text: str) -> None:
        """Print a sentence."""
        self._line(f"    {text}")

    def check(self, claim: str, *, holds: bool, found: object = "") -> bool:
        """Print whether *claim* holds; *found* says what was there when it does not."""
        if holds:
            self.passed += 1
            self._line(f"  ✓ {claim}")
        else:
            self.failed.append(claim)
            self._line(f"  ✗ {claim}; found: {found}")
        return holds

    def progress(self, text: str) -> None:
        """Show that something is under way: on a terminal one line that is written over."""
        if sys.stdout.isatty():
            print(f"\r    {text:<{WIDTH}}", end="", flush=True)
            self._in_progress = True
        else:
            print(f"    {text}", flush=True)

    def _line(self, text: str) -> None:
        if self._in_progress:
            print()
            self._in_progress = False
        print(text, flush=True)
