"""The reference of `lagmon top` shows what it really draws, and has every key and option."""

from __future__ import annotations

import argparse
import re
from dataclasses import replace

from lagmon.commands import top
from lagmon.top.page import printed, screen
from lagmon.top.showing import Showing
from lagmon.web.choice import Choice
from tests.docs.pages import blocks, options, table, text
from tests.lagmon.builders import CLUSTER
from tests.lagmon.top.answers import seen
from tests.lagmon.web.stories import night

PAGE = "reference/lagmon-top.md"
NIGHT = replace(seen(night(hostile=False), "game-consumer"), where=top.URL)
DRAWN = [each.text for each in blocks(PAGE) if each.language == "text"]


def test_the_screens_are_real() -> None:
    """The list and a group, on an ordinary terminal, line by line."""
    shown = (Showing(), Showing(opened=(CLUSTER, "game-consumer")))
    for drawn, showing in zip(DRAWN[:2], shown, strict=True):
        made = screen(NIGHT, showing, 80, 24).lines
        assert drawn.splitlines() == [each.text.rstrip() for each in made]


def test_the_table_is_real() -> None:
    """As it is printed for a pipe."""
    assert DRAWN[2].partition("\n")[2] == printed(NIGHT, Choice())


def test_every_option_stands_on_the_page() -> None:
    """And none that there is not."""
    told = " ".join(row[0] for row in table(PAGE, "Options")[1:])
    assert set(re.findall(r"--[\w-]+", told)) == options(top)


def test_the_commands_are_parsed() -> None:
    """Each line that the page shows can be typed."""
    parser = argparse.ArgumentParser()
    top.add(parser.add_subparsers())

    lines = re.findall(r"^\$ lagmon (top.*)$", text(PAGE), re.MULTILINE)
    assert len(lines) == 4
    for line in lines:
        parser.parse_args(line.split())
