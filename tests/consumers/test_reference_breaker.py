"""The page on breakers says what the code does: states, bounds, events and metrics."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from consumers.breaker import BreakerPolicy, State
from consumers.configuration.common import DatabaseSettings
from consumers.metrics import REGISTER

PAGE = (Path(__file__).parents[2] / "docs/reference/consumers-breaker.md").read_text()


def test_the_states_are_listed() -> None:
    """The table has each state once, in order."""
    table = PAGE.split("\n| state |")[1].split("\n\n")[0]

    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(State)


def test_the_lines_are_those_of_each_change() -> None:
    """Every state that a breaker comes into has its event, and all name breaker, reason, trace."""
    block = PAGE.split("```json\n")[1].split("```")[0]
    lines = [json.loads(line) for line in block.splitlines()]

    assert {line["event"] for line in lines} == {f"breaker_{state}" for state in State}
    assert all({"breaker", "reason", "trace_id"} <= line.keys() for line in lines)


@pytest.mark.parametrize(
    "name", [one.name for one in REGISTER if one.name.startswith("consumers_breaker_")]
)
def test_the_metrics_are_named(name: str) -> None:
    """All metrics of breakers."""
    assert f"`{name}`" in PAGE


def test_the_bounds_are_the_real_ones() -> None:
    """The settings' defaults are the policy's, and a probe has the time that the page gives it."""
    policy, fields = BreakerPolicy(), DatabaseSettings.model_fields

    assert fields["breaker_failures"].default == policy.failures
    assert fields["breaker_open"].default.total_seconds() == policy.open_seconds
    assert fields["breaker_ratio"].default == policy.ratio
    assert fields["breaker_window"].default == policy.window
    part = f"{policy.ratio * policy.window:.0f} failures among the last {policy.window} calls"
    assert part in PAGE
    assert f"older than {policy.window_seconds:.0f} s count" in PAGE
    assert f"not ended after {policy.probe_seconds:.0f} s" in PAGE
