"""The catalogue of errors: complete, consistent, and what the reference page says."""

from __future__ import annotations

import ast
import inspect
import json
import re
from datetime import datetime
from pathlib import Path

import pytest

from consumers.game import catalogue, events
from consumers.game.catalogue import BY_CODE, CATALOGUE, Kind
from consumers.game.limits import MAX_PLAYERS
from consumers.game.request_ids import SANE

PAGE = (Path(__file__).parents[3] / "docs/reference/consumers-errors.md").read_text()

# Where the code stands among the arguments of what raises it, or makes what raises it.
PLACES = {"InvalidPlayError": 0, "_text": 1, "_number": 2}
# Codes of a record's value, or of a path, alone: no body of a request is refused with them.
ELSEWHERE = {"invalid_seed", "invalid_time", "unknown_version", "invalid_play_id"}

NOT_OF_PLAYS = {"refused", "not_found", "play_not_found", "method_not_allowed"}


def codes_of_events() -> set[str]:
    """Collect the codes that the source of the play raises."""
    found = set()
    for node in ast.walk(ast.parse(inspect.getsource(events))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            place = PLACES.get(node.func.id, len(node.args))
            if place < len(node.args) and isinstance(node.args[place], ast.Constant):
                found.add(ast.literal_eval(node.args[place]))
    return found


def rows() -> list[str]:
    """Give the rows of the page's table of codes."""
    return re.findall(r"^\| `[a-z_]+` \| [a-z-]+ \| \d{3} \|.*$", PAGE, re.MULTILINE)


def test_the_table_is_the_catalogue() -> None:
    """Every entry is a row of the page, in order, with class, status and both reactions."""
    assert rows() == [
        f"| `{e.code}` | {e.kind.value} | {e.status} | {e.client} | {e.ours} |" for e in CATALOGUE
    ]


def test_every_entry_is_in_the_catalogue() -> None:
    """No entry of the module is left out of the list, and no code stands for two."""
    entries = [one for one in vars(catalogue).values() if isinstance(one, catalogue.Entry)]

    assert sorted(map(id, entries)) == sorted(map(id, CATALOGUE))
    assert len(BY_CODE) == len(CATALOGUE)


def test_what_a_body_is_refused_with_is_in_the_catalogue() -> None:
    """Each code with which a play is refused has an entry of status 400."""
    codes = codes_of_events() - ELSEWHERE

    assert len(codes) > 5
    assert {BY_CODE[code].status for code in codes} == {400}


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.code)
def test_class_and_status_agree(entry: catalogue.Entry) -> None:
    """What may be sent again is a 5xx, or says that the client was too slow or too fast."""
    assert entry.retryable == (entry.status >= 500 or entry.status in {408, 429})
    assert (entry.kind is Kind.NON_RETRYABLE) == (not entry.retryable)
    assert entry.retry_after_seconds >= 1


def test_the_classes_are_listed() -> None:
    """The page explains each class that there is."""
    explained = re.findall(r"^- ([a-z-]+):", PAGE, re.MULTILINE)

    assert explained == [kind.value for kind in Kind]


def test_the_example_is_an_error() -> None:
    """The body that the page shows has the fields of an error, in order, and a known code."""
    (shown,) = re.findall(r"^\{.*\}$", PAGE, re.MULTILINE)
    error = json.loads(shown)["error"]
    entry = BY_CODE[error["code"]]

    assert list(error) == re.findall(r"^\| `(\w+)` \| (?:always|sometimes) \|", PAGE, re.MULTILINE)
    assert (error["message"], error["retryable"]) == (entry.message, entry.retryable)
    assert error["retry_after"] == entry.retry_after_seconds
    assert SANE.fullmatch(error["request_id"])
    assert datetime.fromisoformat(error["time"]).tzinfo


def test_the_bounds_are_the_real_ones() -> None:
    """Numbers of the page are those of the code."""
    assert f"{MAX_PLAYERS:,} players" in PAGE
    assert "1 to 64 of `A-Z a-z 0-9 . _ ~ -`" in PAGE
    assert SANE.pattern.endswith("{0,63}")
