"""The benchmark of serving: small, it gives a figure for each of its rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.infra.alertmanager import INSTALL
from tests.infra.require import need

BENCHMARK = Path(__file__).parent.parent.parent / "benchmarks/lagmon_serve.py"


def run(**environment: str) -> subprocess.CompletedProcess[str]:
    """Run the benchmark."""
    return subprocess.run(
        [sys.executable, str(BENCHMARK)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def test_each_row_has_a_figure() -> None:
    """Of a small page, short scrapes, alone, without Kafka and in a crowd, and a few pages."""
    need("prometheus-alertmanager|alertmanager", INSTALL)
    rows = "render,scrape,stopped,crowd,pages"
    done = run(ROWS=rows, SCRAPED="1", WATCHED="40", SERIES="3000", INCIDENTS="300")

    assert done.returncode == 0, done.stderr
    goals = json.loads(done.stdout.splitlines()[-1])["goals"]
    assert [goal.get("why") for goal in goals] == [None] * 5
    assert all(goal["got"] > 0 for goal in goals)
    assert "error no broker answers" in done.stdout
    assert "idle 500, sending 25, taking 25" in done.stdout
    assert "requests 2, listed 300" in done.stdout


def test_a_row_that_does_not_exist_is_refused_with_those_that_do() -> None:
    """Before anything is measured."""
    done = run(ROWS="render,tea")

    assert done.returncode == 1
    assert done.stderr == (
        "ROWS: there is no 'tea'; there are render, scrape, stopped, partners, crowd, pages\n"
    )
