"""docs/reference/consumers-load.md against the code."""

from __future__ import annotations

import re
from pathlib import Path

from consumers.cli import parser
from consumers.commands import load as command
from consumers.game import load

PAGE = (Path(__file__).parents[2] / "docs/reference/consumers-load.md").read_text()


def test_every_option_is_listed_with_its_default() -> None:
    """The table has each option of the command, in its order, and what it is without being said."""
    shown = re.findall(r"^\| `(--[\w-]+)` \| (.+?) \|", PAGE, re.MULTILINE)
    said = parser().parse_args(["load", "--url", "http://api:8080"])

    defaults = {"--url": "required", "--duration": "none", "--port": "`8083`"}
    for option, name in (
        ("--rate", "rate"),
        ("--players", "players"),
        ("--in-flight", "in_flight"),
    ):
        defaults[option] = f"`{getattr(said, name):g}`"

    assert dict(shown) == defaults


def test_the_results_and_bounds_are_the_real_ones() -> None:
    """Each result has its row; the numbers in the text are those of the code."""
    assert tuple(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == load.RESULTS
    assert f"at most {command.MAX_RATE};" in PAGE
    assert f"late by more than {load.LATE_SECONDS} s" in PAGE
    assert f"`load_counted` every {command.TELL_SECONDS:g} s" in PAGE
    assert f"no answer in {command.ANSWER_SECONDS:g} s" in PAGE
