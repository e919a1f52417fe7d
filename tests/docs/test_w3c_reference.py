"""The table of what W3C asks for is complete, and each entry is proven or has its reason."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "reference" / "w3c.md").read_text()
REASON = "does not concern us: "

# How often the specifications say each word, counted in their sources at w3c/trace-context
# (branches level-1 and level-2) and w3c/baggage, all sections but the status and the examples.
SAID = {
    "level 1": {"MUST": 28, "MUST NOT": 9, "SHOULD": 33, "SHOULD NOT": 4},
    "level 2": {"MUST": 33, "MUST NOT": 11, "SHOULD": 37, "SHOULD NOT": 5},
    "baggage": {"MUST": 8, "MUST NOT": 2, "SHOULD": 7},
}


def rows(heading: str) -> list[list[str]]:
    """Give the cells of each row of the table under *heading*, without its head."""
    _, _, after = PAGE.partition(f"## {heading}\n")
    section = after.partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def words(cells: list[str]) -> Counter[str]:
    """Count the words in *cells*: ``MUST``, ``SHOULD x2``, or ``-`` for none."""
    count: Counter[str] = Counter()
    for cell in cells:
        if cell != "-":
            word, _, times = cell.partition(" x")
            count[word] += int(times or 1)
    return count


TRACE_CONTEXT, BAGGAGE = rows("Trace context"), rows("Baggage")


@pytest.fixture(scope="module")
def tests() -> set[str]:
    """Give the names of all tests."""
    return {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)\(", path.read_text(), re.MULTILINE)
    }


def test_no_requirement_is_left_out() -> None:
    """The table has each word as often as the specification it goes through."""
    counted = {
        "level 1": words([row[1] for row in TRACE_CONTEXT]),
        "level 2": words([row[2] for row in TRACE_CONTEXT]),
        "baggage": words([row[1] for row in BAGGAGE]),
    }

    assert counted == SAID


@pytest.mark.parametrize("row", TRACE_CONTEXT + BAGGAGE, ids=lambda row: f"{row[0]}: {row[-2]}")
def test_a_requirement_is_proven_or_explained(row: list[str], tests: set[str]) -> None:
    """It names tests that exist, or says why it does not concern us."""
    shown = row[-1]
    named = re.findall(r"`(test_\w+)`", shown)

    assert named or len(shown) > len(REASON)
    assert named or shown.startswith(REASON)
    assert set(named) <= tests
