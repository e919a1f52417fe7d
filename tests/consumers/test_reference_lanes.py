"""The page on lanes says what the code does: settings, bounds, the fields of a status."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from consumers.configuration.settings import WorkerSettings
from consumers.runtime.flight import RECALL_SECONDS
from consumers.runtime.loop import HOLD_SECONDS, STATUS_SECONDS
from consumers.runtime.pace import RUN_SECONDS
from consumers.runtime.report import KEPT_ERRORS
from consumers.runtime.status import Failure, InWork, PartitionStatus, RuntimeStatus

PAGE = (Path(__file__).parents[2] / "docs/reference/consumers-lanes.md").read_text()
STATUS = PAGE.split("## Status")[1]


def row(name: str) -> list[str]:
    """Give what stands in code marks behind *name* in the table of the status."""
    (line,) = re.findall(rf"\| `{name}` \|(.*)\|", STATUS)
    return re.findall(r"`([^`]+)`", line)


def test_every_value_of_the_status_is_listed() -> None:
    """The table has the fields of the status in their order."""
    assert re.findall(r"^\| `(\w+)` \|", STATUS, re.MULTILINE) == [
        one.name for one in fields(RuntimeStatus)
    ]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("assignment", PartitionStatus), ("in_work", InWork), ("last_errors", Failure)],
)
def test_what_a_value_is_made_of_is_listed(name: str, kind: type) -> None:
    """Partitions, records in work and errors with their fields."""
    assert row(name) == [one.name for one in fields(kind)]


def test_the_settings_on_the_page_exist() -> None:
    """Every variable that is named is one of the worker's."""
    named = set(re.findall(r"CONSUMERS_(\w+)", PAGE))

    assert {name.lower() for name in named} <= set(WorkerSettings.model_fields)


@pytest.mark.parametrize(
    "sentence",
    [
        f"as many as take about {RUN_SECONDS * 1000:.0f} ms",
        f"and after {RECALL_SECONDS} s",
        f"no lane is free for {HOLD_SECONDS:.0f} s",
        f"the last {KEPT_ERRORS}, latest first",
        f"at most {'a second' if STATUS_SECONDS == 1 else STATUS_SECONDS} old",
    ],
)
def test_a_bound_is_the_real_one(sentence: str) -> None:
    """Numbers on the page are those of the code."""
    assert sentence in PAGE
