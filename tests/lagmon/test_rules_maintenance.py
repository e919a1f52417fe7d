"""Maintenance, for lagmon and for its copy in Prometheus: what lagmon's pages make of a window.

A lag stands above its limit all the time. Every five seconds lagmon judges it, as `serve` does, and
Prometheus reads the page; a window opens and closes meanwhile.
"""

from __future__ import annotations

import re
import subprocess
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
import yaml

from lagmon.alerts.maintenance import AHEAD_SECONDS, Once, Window
from lagmon.alerts.rulefile import GROUPS, rule_file, text
from lagmon.alerts.rules import KAFKA_CLUSTER_BLIND, KAFKA_CONSUMER_LAG
from lagmon.board import Board, Cycle
from lagmon.exposition.page import render
from lagmon.judge.judging import Memory, Policy, judge
from lagmon.readings import Committed, GroupReading, PartitionOffsets, Snapshot
from tests.infra.require import need
from tests.lagmon.builders import CLUSTER, GROUP, NOON, at

if TYPE_CHECKING:
    from pathlib import Path

TICK_SECONDS = 5
TICKS = 72  # six minutes
RULES = (KAFKA_CONSUMER_LAG, KAFKA_CLUSTER_BLIND)
SERIES = re.compile(r"(lagmon_(?:group_lag_messages|groups|up|maintenance)\{.*\}) (\S+)")
TIME = re.compile(r"time: (?:(\d+)m)?(?:(\d+)s)?,")
OPENS, CLOSES = 100, 250  # seconds after the first tick


def window(groups: str = ".*") -> Window:
    """Build the window that is on from `OPENS` to `CLOSES`."""
    begins, ends = (
        datetime.fromtimestamp(NOON + seconds, UTC).replace(tzinfo=None)
        for seconds in (OPENS, CLOSES)
    )
    return Window("upgrade", Once(begins, ends, ZoneInfo("UTC")), groups=groups)


def behind(now: float) -> Snapshot:
    """Build the reading of a group that is 5,000 messages behind."""
    reading = GroupReading(GROUP, "stable", members=1, committed=(Committed(at(), 0),))
    return Snapshot(now, CLUSTER, (PartitionOffsets(at(), 0, 5000, 5000),), (reading,))


def silent(now: float) -> Snapshot:
    """Build a reading that did not come."""
    return Snapshot(now, CLUSTER, error="no broker answers")


class Watched:
    """What a whole story made of lagmon: when it would wake somebody, and each of its pages."""

    def __init__(self, *windows: Window, reads: bool = True, begins: int = 0) -> None:
        policy = Policy(RULES, TICK_SECONDS, 0, maintenance=windows)
        board, memory = Board("1.0", [CLUSTER]), Memory.of(policy)
        self.pages: list[str] = []
        self.waking: list[int] = []
        for tick in range(TICKS):
            now = NOON + tick * TICK_SECONDS
            is_bad = tick * TICK_SECONDS >= begins
            bad, good = (behind, fine) if reads else (silent, fine)
            snapshot = (bad if is_bad else good)(now)
            judged = judge(memory, snapshot, policy)
            memory = judged.memory
            opened = memory.state.opened
            board.put(Cycle(snapshot, judged.lag, incidents=opened, maintenance=judged.maintenance))
            self.pages.append(render(board.report).decode())
            if any(not each.held for each in opened):
                self.waking.append(tick)


def fine(now: float) -> Snapshot:
    """Build the reading of a group that has read everything."""
    reading = GroupReading(GROUP, "stable", members=1, committed=(Committed(at(), 5000),))
    return Snapshot(now, CLUSTER, (PartitionOffsets(at(), 0, 5000, 5000),), (reading,))


def in_prometheus(folder: Path, pages: list[str]) -> list[int]:
    """Give the ticks at which an alert of Prometheus fires that is given *pages*."""
    samples: dict[str, list[str]] = defaultdict(lambda: ["stale"] * TICKS)
    for tick, page in enumerate(pages):
        for name, value in SERIES.findall(page):
            samples[name][tick] = value
    (folder / "rules.yml").write_text(text(rule_file(RULES, {})))
    asked = [
        {
            "expr": 'count(ALERTS{alertstate="firing"})',
            "eval_time": f"{tick * TICK_SECONDS}s",
            "exp_samples": [],
        }
        for tick in range(TICKS)
    ]
    shown = [{"series": name, "values": " ".join(values)} for name, values in samples.items()]
    interval = f"{TICK_SECONDS}s"
    tests = [{"interval": interval, "input_series": shown, "promql_expr_test": asked}]
    content = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": interval,
        "group_eval_order": list(GROUPS),
        "tests": tests,
    }
    (folder / "tests.yml").write_text(yaml.safe_dump(content))
    program = need("promtool", "apt-get install prometheus")
    command = [program, "test", "rules", str(folder / "tests.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert ("SUCCESS" in said) != ("time:" in said), said[:2000]
    found = [TIME.search(part) for part in said.split("expr: ")[1:]]
    return [(int(each[1] or 0) * 60 + int(each[2] or 0)) // TICK_SECONDS for each in found if each]


def ticks(begins: float, ends: float = TICKS * TICK_SECONDS) -> list[int]:
    """Give the ticks from *begins* to before *ends*, in seconds."""
    return [tick for tick in range(TICKS) if begins <= tick * TICK_SECONDS < ends]


def test_without_a_window_both_page(tmp_path: Path) -> None:
    """At the same moment, and until the end."""
    watched = Watched()

    assert watched.waking == in_prometheus(tmp_path, watched.pages) == ticks(15)


@pytest.mark.parametrize(
    ("reads", "for_seconds", "groups"),
    [(True, 15, ".*"), (True, 15, "set.*"), (False, 120, ".*")],
    ids=["a lag, all groups", "a lag, its group", "a blind cluster"],
)
def test_what_begins_in_a_window_wakes_nobody_before_its_end(
    tmp_path: Path, *, reads: bool, for_seconds: int, groups: str
) -> None:
    """Then lagmon sends at once, and the copy has to hold for its time anew."""
    watched = Watched(window(groups), reads=reads, begins=OPENS + 10)

    assert watched.waking == ticks(max(CLOSES, OPENS + 10 + for_seconds))
    # Of what is unknown at the end the copy has begun anew as well.
    assert in_prometheus(tmp_path, watched.pages) == ticks(CLOSES + for_seconds)


def test_what_is_due_just_as_the_window_opens_wakes_nobody(tmp_path: Path) -> None:
    """The pages told Prometheus before; that of the opening comes too late for its alert."""
    watched = Watched(window(), begins=OPENS - 15)
    opening = OPENS // TICK_SECONDS
    # From then on each is scraped when the next is about to come.
    late = [*watched.pages[:opening], *watched.pages[opening - 1 : -1]]

    assert watched.waking == ticks(CLOSES)
    assert in_prometheus(tmp_path, late) == ticks(CLOSES + 5 + 15)


def test_what_opens_in_the_minute_before_a_window_is_told_by_lagmon_alone(tmp_path: Path) -> None:
    """The window is not on yet, so that somebody is woken; Prometheus is told of it already."""
    watched = Watched(window(), begins=OPENS - 40)

    assert watched.waking == ticks(OPENS - 40 + 15)
    assert in_prometheus(tmp_path, watched.pages) == ticks(CLOSES + 15)


def test_what_was_open_before_goes_on_in_lagmon_alone(tmp_path: Path) -> None:
    """The copy ends a minute before the window begins; Alertmanager holds it back anyway."""
    watched = Watched(window())

    assert watched.waking == ticks(15)
    assert in_prometheus(tmp_path, watched.pages) == [
        *ticks(15, OPENS - AHEAD_SECONDS),
        *ticks(CLOSES + 15),
    ]


def test_a_window_for_others_changes_nothing(tmp_path: Path) -> None:
    """Neither one for another group, nor one for a group does anything for the cluster."""
    watched = Watched(window("other"), begins=OPENS + 10)
    blind = Watched(window(GROUP), reads=False, begins=OPENS + 10)

    assert watched.waking == in_prometheus(tmp_path, watched.pages) == ticks(OPENS + 10 + 15)
    assert blind.waking == in_prometheus(tmp_path, blind.pages) == ticks(OPENS + 10 + 120)
