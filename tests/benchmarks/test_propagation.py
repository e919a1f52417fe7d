"""The benchmark of propagation: its work runs, and its report is in the agreed form."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent.parent / "benchmarks"

REPORT = """
from harness import Goal, report
report("x", [Goal("a", "<=", 0.2, 0.25), Goal("b", ">=", 0.6, None, "no client"),
             Goal("c", "<=", 1, 1.0)], rounds=5)
"""


def run(*arguments: str, folder: Path | None = None) -> list[str]:
    """Run Python with *arguments*; give its lines."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_report_is_a_table_and_one_json_line() -> None:
    """A missed goal is called so, one that was not measured says why."""
    lines = run("-c", REPORT, folder=FOLDER)

    told = json.loads(lines[-1])
    assert told["name"] == "x"
    assert told["goals"] == [
        {"goal": "a", "want": "<= 0.2", "got": 0.25},
        {"goal": "b", "want": ">= 0.6", "got": None, "why": "no client"},
        {"goal": "c", "want": "<= 1", "got": 1.0},
    ]
    assert {"cpu", "cores", "load", "system", "python"} <= set(told["machine"])
    words = [line.split()[-1] for line in lines if line[:1] in {"a", "b", "c"}]
    assert words == ["MISSED", "measured", "met"]


@pytest.mark.parametrize(
    ("variant", "scenario"),
    [("ours_recorded", "produce"), ("contrib_unsampled", "poll"), ("ours_encoded", "export")],
)
def test_a_measurement_gives_one_figure(variant: str, scenario: str) -> None:
    """In a process of its own, above nothing."""
    *_, last = run("-P", str(FOLDER / "propagation_work.py"), variant, scenario)

    assert json.loads(last)["figure"] > 0
