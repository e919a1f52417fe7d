"""Reads the runbooks: which there are, what each would have somebody ask and do first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.deploy.files import RUNBOOKS

if TYPE_CHECKING:
    from pathlib import Path

INDEX = RUNBOOKS / "index.md"
PAGES = sorted(path for path in RUNBOOKS.glob("*.md") if path != INDEX)
FIRST = "**First five minutes**"


def head(path: Path) -> str:
    """Give what stands above the first part of the page at *path*."""
    return path.read_text().partition("\n## Meaning\n")[0]


def steps(path: Path) -> list[str]:
    """Give the steps of the first five minutes on the page at *path*."""
    return re.findall(r"^\d\. (.+(?:\n   .+)*)", head(path).partition(FIRST)[2], re.MULTILINE)


def lead(path: Path) -> str:
    """Give the first thing that the page at *path* has somebody do; "" if none is marked."""
    found = re.match(r"\*\*(.+?)\*\*", steps(path)[0], re.DOTALL)
    return " ".join(found[1].split()) if found else ""


def queries(path: Path) -> list[str]:
    """Give the PromQL of the page at *path*, a query a line."""
    blocks = re.findall(r"```promql\n(.*?)```", path.read_text(), re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip()]
