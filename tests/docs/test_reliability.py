"""The page on reliability tells of every row of the fault matrix, and of no other."""

from __future__ import annotations

import re

from tests.docs.pages import text
from tests.faults.table import CLUSTER, ROWS

PAGE = text("explanation/reliability.md")
SHORT, LONG = (part.split("\n## ")[0] for part in re.split(r"\n### The \w+ form\n", PAGE)[1:])


def rows(part: str) -> list[str]:
    """Name the rows of the tables in *part*."""
    names = re.findall(r"^\| ([^|]+?) \|.*\d \|$", part, re.MULTILINE)
    assert names
    return names


def test_every_row_of_the_matrix_is_told_once() -> None:
    """Whoever adds a row shows what became of it."""
    assert sorted(rows(SHORT)) == sorted(ROWS)


def test_the_rows_of_the_long_form_are_real() -> None:
    """None is told that has gone."""
    assert set(rows(LONG)) <= set(ROWS)


def test_how_many_rows_have_three_brokers_is_true() -> None:
    """The last ones of the table."""
    number = sum(row.series == CLUSTER for row in ROWS.values())

    assert {ROWS[name].series for name in rows(SHORT)[-number:]} == {CLUSTER}
    assert f"The last {['no', 'one', 'two', 'three', 'four', 'five'][number]} rows" in PAGE
