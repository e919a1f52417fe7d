"""The pages on the command line have every command, argument and option of the parsers."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

import pytest

import consumers.cli
import lagmon.cli
from tests.docs.pages import text

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGES = {
    "reference/lagmon-commands.md": lagmon.cli.parser,
    "reference/consumers-commands.md": consumers.cli.parser,
}


def commands(
    parser: argparse.ArgumentParser, does: str = ""
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Give each command below *parser*, in words, and its parser; those that do something."""
    below = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    if not below:
        yield does, parser
    for action in below:
        told = {choice.dest: choice.help or "" for choice in action._choices_actions}
        for name, command in action.choices.items():
            yield from commands(command, told[name])


def written(does: str, parser: argparse.ArgumentParser) -> str:
    """Write the part of the page on *parser*'s command: what it *does*, a row for each argument."""
    rows = [row(action) for action in parser._actions if action.dest != "help"]
    table = "\n".join(["| | |", "|---|---|", *rows])
    return f"## {parser.prog}\n\n{does[0].upper()}{does[1:]}.\n\n{table}\n"


def row(action: argparse.Action) -> str:
    """Write the row of one argument: its names, its value, and what it is for."""
    names = ", ".join(action.option_strings)
    choices = "/".join(map(str, action.choices or ())) if not action.metavar else ""
    value = choices or str(action.metavar or action.dest.upper()) if action.nargs != 0 else ""
    needed = "required; " if action.required and names else ""
    told = (action.help or "") % {"default": action.default}
    return f"| `{f'{names} {value}'.strip()}` | {needed}{told} |"


@pytest.mark.parametrize("page", PAGES)
def test_every_command_is_on_the_page_as_the_parser_has_it(page: str) -> None:
    """Each command's part, with every argument, stands on the page word for word; and no other."""
    parsers = list(commands(PAGES[page]()))

    assert re.findall(r"^## (.+)$", text(page), re.MULTILINE) == [one.prog for _, one in parsers]
    for does, parser in parsers:
        assert written(does, parser) in text(page), written(does, parser)


@pytest.mark.parametrize("page", PAGES)
def test_every_argument_says_what_it_is_for(page: str) -> None:
    """No argument of any command is left without a word of help."""
    mute = [
        f"{parser.prog} {action.dest}"
        for _, parser in commands(PAGES[page]())
        for action in parser._actions
        if not action.help
    ]

    assert mute == []
