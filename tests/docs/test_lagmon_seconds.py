"""The reference of ages: its example gives what the page says."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.docs.pages import blocks, table

if TYPE_CHECKING:
    from pathlib import Path

NAME = "reference/lagmon-seconds.md"


def test_the_example_gives_what_the_page_shows(tmp_path: Path) -> None:
    """The three lines, replayed, have the ages and methods of the table."""
    (lines,) = [block.text for block in blocks(NAME) if block.language == "json"]
    path = tmp_path / "ages.jsonl"
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
        found = report["groups"]["settle"]["partitions"]["plays"]["0"]
        assert row == [str({"at": report["at"], **found}[key]) for key in head]
