"""What every benchmark has in common: the machine, goals, a table for people and one JSON line.

A benchmark measures, makes a `Goal` of each claim and calls `report`. A missed goal is printed as
missed; the exit code stays 0, because a noisy machine is no defect of the product.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence


# Benchmarks are named after what they measure: propagation.py would hide the package of that name
# from whatever is imported after this module.
sys.path.sort(key=lambda entry: Path(entry).resolve() == Path(__file__).resolve().parent)


@dataclass(frozen=True, slots=True)
class Goal:
    """One claim: *want* a *limit*. Where *got* is None it was not measured, and *why* says so."""

    goal: str
    want: Literal["<=", ">="]
    limit: float
    got: float | None
    why: str = ""

    @property
    def verdict(self) -> str:
        """Say in one word how it went."""
        if self.got is None:
            return "not measured"
        met = self.got <= self.limit if self.want == "<=" else self.got >= self.limit
        return "met" if met else "MISSED"

    def as_json(self) -> dict[str, Any]:
        """Give the form of the last line."""
        got = None if self.got is None else round(self.got, 3)
        line: dict[str, Any] = {"goal": self.goal, "want": f"{self.want} {self.limit:g}"}
        return line | {"got": got} | ({"why": self.why} if self.why else {})


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Align *rows* in columns; the first is the head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def report(name: str, goals: list[Goal], **more: Any) -> None:
    """Print the goals for people and, last, everything as one JSON line."""
    rows = [("goal", "want", "got", "")]
    for goal in goals:
        got = goal.why if goal.got is None else f"{goal.got:.3g}"
        rows.append((goal.goal, f"{goal.want} {goal.limit:g}", got, goal.verdict))
    print(f"\n{table(rows)}\n")
    line = {"name": name, "machine": machine(), "goals": [goal.as_json() for goal in goals]}
    print(json.dumps(line | more))


def machine() -> dict[str, Any]:
    """Describe what the figures were measured on."""
    model = "unknown"
    info = Path("/proc/cpuinfo")
    if info.exists():
        named = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = named[0].partition(":")[2].strip() if named else model
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "system": platform.platform(),
        "python": platform.python_version(),
    }
