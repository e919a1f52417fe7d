"""The reference of states: its table is the code's, and its example gives what the page says."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from lagmon.judge.evaluate import BADNESS
from lagmon.model import State
from tests.docs.pages import blocks, table

if TYPE_CHECKING:
    from pathlib import Path

NAME = "reference/lagmon-states.md"


def test_every_state_stands_in_the_table_with_its_number() -> None:
    """No state is missing, none is invented, and each is as bad as groups are compared by."""
    _, *rows = table(NAME, "Table")

    assert {row[0].strip("`"): int(row[1]) for row in rows} == {
        state.value: BADNESS[state] for state in State
    }


def test_the_example_gives_what_the_page_shows(tmp_path: Path) -> None:
    """The three lines, replayed, have the states of the table."""
    (lines,) = [block.text for block in blocks(NAME) if block.language == "json"]
    path = tmp_path / "states.jsonl"
    path.write_text(lines)

    done = subprocess.run(
        [sys.executable, "-m", "lagmon", "replay", str(path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    reports = [json.loads(line) for line in done.stdout.splitlines()]
    head, *rows = table(NAME, "Three cycles")
    for row, report in zip(rows, reports, strict=True):
        found = {"at": report["at"], **report["groups"]["settle"]}
        assert row == [str(found[key]) for key in head]
