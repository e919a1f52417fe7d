"""The reference of lagmon's values: its cases are those that are proved, under their numbers."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "reference" / "lagmon-values.md"
PROOFS = (
    *sorted((ROOT / "tests" / "integration").glob("test_meaning_*.py")),
    ROOT / "tests" / "lagmon" / "collector" / "test_assemble.py",
)
NUMBER = re.compile(r"(\d+)\. ")


def proved() -> list[int]:
    """List the numbers with which the docstrings of the proofs begin."""
    functions = (
        node
        for path in PROOFS
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )
    found = (NUMBER.match(ast.get_docstring(function) or "") for function in functions)
    return sorted(int(number[1]) for number in found if number)


def test_each_case_is_proved_once() -> None:
    """The rows of the page are numbered through, and each number is one test's."""
    rows = [int(number) for number in re.findall(r"^\| (\d+) \|", PAGE.read_text(), re.MULTILINE)]

    assert rows == list(range(1, len(rows) + 1))
    assert proved() == rows
