"""The reference pages of settlement and migrations against the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from consumers.errors import Poison, Retryable, Unavailable
from consumers.fintech.ledger import Order
from consumers.game import answers
from consumers.game.answers import MOST_SECONDS, Refused, settlement_id
from consumers.game.schema import REVISIONS

REFERENCE = Path(__file__).parents[3] / "docs/reference"
SETTLEMENT = (REFERENCE / "consumers-settlement.md").read_text()
MIGRATIONS = (REFERENCE / "consumers-migrations.md").read_text()


def rows(page: str, first: str) -> dict[str, str]:
    """Give the first two cells of the rows of the table whose first heading is *first*."""
    table = page.split(f"\n| {first} |")[1].split("\n\n", maxsplit=1)[0].splitlines()[2:]
    cells = ([cell.strip() for cell in row.strip("|").split(" | ")] for row in table)
    return {name.strip("`"): second for name, second in cells}


def listed(reaction: str) -> set[int]:
    """Give the statuses, from 400 on, of the row whose reaction begins with *reaction*."""
    (cell,) = [
        cell for cell, what in rows(SETTLEMENT, "answer").items() if what.startswith(reaction)
    ]
    return {int(status) for status in re.findall(r"\b4\d\d\b", cell)}


def raised(kind: type[Exception]) -> set[int]:
    """Give the statuses, from 400 to 499, that end in just this *kind*."""
    found = set()
    for status in range(400, 500):
        with pytest.raises((Poison, Retryable, Unavailable)) as error:
            settlement_id(status, b"")
        found |= {status} if type(error.value) is kind else set()
    return found


def test_the_statuses_are_listed() -> None:
    """Those that are waited for and those that are refused; the others are dead letters."""
    assert listed("waits and is tried") == answers.LATER
    assert listed("waits too") == answers.MISCONFIGURED
    assert listed("dead letter, unless") == answers.REFUSED == raised(Refused)
    assert raised(Unavailable) == answers.LATER | answers.MISCONFIGURED
    assert not raised(Retryable)


def test_the_order_is_the_real_one() -> None:
    """The example is what the partner's stand-in takes."""
    (order,) = re.findall(r"^\{.*\}$", SETTLEMENT, re.MULTILINE)

    assert Order.model_validate_json(order).model_dump() == json.loads(order)


def test_the_bounds_are_the_real_ones() -> None:
    """Numbers on the pages are those of the code."""
    env = (Path(__file__).parents[3] / "consumers/game/migrations/env.py").read_text()

    assert f"{MOST_SECONDS:.0f} s at most" in SETTLEMENT
    assert f"1 to {answers.SETTLEMENT_ID.pattern[:-1].split(',')[-1]} visible" in SETTLEMENT
    assert re.findall(r"lock_timeout = '(\d+)s'", env) == re.findall(r"for (\d+) s,", MIGRATIONS)


def test_every_revision_is_listed() -> None:
    """The table has the revisions in order."""
    assert list(rows(MIGRATIONS, "revision")) == list(REVISIONS)
