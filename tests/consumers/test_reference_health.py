"""The page on health says what the code does: paths, checks, fields and bounds."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from consumers.game import checks
from consumers.guard import Guard
from consumers.kafka import client_log
from consumers.metrics import Metrics
from consumers.runtime.loop import TURN_SECONDS
from consumers.runtime.report import KEPT_ERRORS
from consumers.runtime.status import Failure, InWork, PartitionStatus, RuntimeStatus
from consumers.serving import health, readiness
from consumers.serving.status import Status

PAGE = (Path(__file__).parents[2] / "docs/reference/consumers-health.md").read_text()
STATUS = json.loads(PAGE.split("## Status")[1].split("```json\n")[1].split("```")[0])


def test_every_path_is_listed() -> None:
    """The table has the routes in order."""
    routes = health.routes(Metrics().registry, ready={}, status=lambda: b"{}")
    table = PAGE.split("\n| path |")[1].split("\n\n")[0]

    assert sorted(re.findall(r"^\| `(/\w+)` \|", table, re.MULTILINE)) == sorted(
        route.path for route in routes
    )


def test_the_status_that_is_shown_has_the_real_fields() -> None:
    """Every object of the example has the keys that the code writes, in their order."""
    runtime = RuntimeStatus(
        turned_seconds=0,
        assignment=(PartitionStatus("plays", 0, 1, 1, 0),),
        in_work=(InWork("plays", 0, 1, 0),),
        last_errors=(Failure(0, "plays", 0, 1, "Poison", "dead_letter", None),),
    )
    guard = Guard("postgres", Metrics())
    real = json.loads(Status("game", "1", guards=[guard], runtime=lambda: runtime)())

    assert list(STATUS) == list(real)
    assert list(STATUS["runtime"]) == list(real["runtime"])
    assert list(STATUS["breakers"][0]) == list(real["breakers"][0])
    for name in ("assignment", "last_errors"):
        assert list(STATUS["runtime"][name][0]) == list(real["runtime"][name][0])


@pytest.mark.parametrize(
    "sentence",
    [
        f"has not turned for {TURN_SECONDS:.0f} s",
        f"has answered within {client_log.SILENT_SECONDS:.0f} s",
        f"has asked within {readiness.IDLE_SECONDS:.0f} s",
        f"plus {checks.FRESH_SECONDS:.0f} s for `database`",
        f"is told after {readiness.PATIENCE_SECONDS:.0f} s",
        f"the latest {KEPT_ERRORS}",
    ],
)
def test_a_bound_is_the_real_one(sentence: str) -> None:
    """Numbers on the page are those of the code."""
    assert sentence in PAGE
