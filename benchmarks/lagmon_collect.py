"""What lagmon's cycle costs on a real broker, from collecting to incidents, and how late it pages.

A real broker of its own runs here, without Docker or beside it, as the tests start one. Other
exporters are measured in the same run where ``KMINION_BIN`` and ``KAFKA_EXPORTER_BIN`` name them.
``ROWS=cycle,judge`` runs some rows alone, ``ROUNDS=1`` is for a quick look, ``CYCLES=100`` shortens
the row that looks for growth. All of it takes a quarter of an hour at most.

Steady figures are medians of cycles that begin a poll interval apart. Before each of them every
partition has got a record and every active group has committed.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import harness  # first: see there
import lagmon_collect_live as live
import structlog
from harness import Goal

from tests.infra.kafka import KafkaBroker

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS: Final = int(os.environ.get("ROUNDS", "5"))
CYCLES: Final = int(os.environ.get("CYCLES", "1000"))
LIMIT_SECONDS: Final = 900
JUDGED_A_ROUND: Final = 4
FULL_CYCLES: Final = 120  # 90 fill the history

# Row: what it claims and the limits. A row that is judged by several figures gives them in order.
WANTED: Final = {
    "judge": (("judging alone, lag to incidents, 20,000 group partitions, CPU s", 0.25),),
    "race": (
        ("100,000 samples, producer and consumers racing: raw negative differences", 0),
        ("the same: lagmon_lag_clamped_total", 0),
    ),
    "alert": (("threshold crossed until Alertmanager has it, defaults, s", 30),),
    "cycle": (
        ("2,000 groups x 10 of 2,000 partitions: a steady cycle, s", 1.0),
        ("the same against one kminion scrape", 2.5),
        ("the same against one kafka_exporter scrape", 0.25),
        ("the first cycle, with the start of the child, s", 2.5),
    ),
    "memory": (
        ("parent and child, 20,000 group partitions with history, MB", 200),
        (f"growth of both within {CYCLES:,} cycles after the history is full, MB", 5),
    ),
    "many": (("65,000 groups, 2,000 of them active: a steady cycle, s", 8),),
    "hang": (("one group hangs: delay of the others' values, s", 0.5),),
}


class Bench:
    """What rows share: one broker and the groups on it, made when first asked for."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def close(self) -> None:
        """End the broker."""
        self._stack.close()

    @cached_property
    def servers(self) -> str:
        """The address of a broker."""
        broker = KafkaBroker(own=True, settings=live.OFFSETS_PARTITIONS)
        return self._stack.enter_context(broker).bootstrap_servers

    @cached_property
    def world(self) -> Any:
        """2,000 groups on that broker."""
        began = time.monotonic()
        world = live.populated(self.servers)
        print(f"made 2,000 groups on 2,000 partitions in {time.monotonic() - began:.1f} s")
        return world


def main() -> None:
    """Measure, print, judge."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    began = time.monotonic()
    chosen = os.environ.get("ROWS", ",".join(WANTED)).split(",")
    if unknown := set(chosen) - set(WANTED):
        sys.exit(f"ROWS: there is no {min(unknown)!r}; there are {', '.join(WANTED)}")
    goals: list[Goal] = []
    loads: dict[str, float] = {}
    bench = Bench()
    try:
        for row in WANTED:
            loads[row] = round(os.getloadavg()[0], 1)
            goals += measured(row, bench) if row in chosen else []
    finally:
        bench.close()
    harness.report(
        "lagmon_collect",
        goals,
        rounds=ROUNDS,
        load_before=loads,
        seconds=round(time.monotonic() - began),
    )


def measured(row: str, bench: Bench) -> list[Goal]:
    """Run one *row*; where it fails, say why there is no figure."""
    print(f"\n{row}:", flush=True)
    began = time.monotonic()
    try:
        figures = ROWS[row](bench)
    except Exception as error:  # noqa: BLE001 - the other rows go on
        figures = [f"{type(error).__name__}: {error}"] * len(WANTED[row])
        print(figures[0])
    print(f"{time.monotonic() - began:.0f} s in all", flush=True)
    return [
        Goal(name, "<=", limit, None, got) if isinstance(got, str) else Goal(name, "<=", limit, got)
        for (name, limit), got in zip(WANTED[row], figures, strict=True)
    ]


def work(*arguments: str) -> dict[str, Any]:
    """Have one measurement made in a process of its own; give its figures."""
    # -P: beside the work lies propagation.py, which must not be taken for the package of its name.
    command = [sys.executable, "-P", str(live.WORK), *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS
    )
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no output"])[-1])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(*(f"{name} {value}" for name, value in found.items()), sep=", ")
    return found


def judging(_: Bench) -> list[live.Figure]:
    """Judge recorded snapshots."""
    return [work("judge", str(JUDGED_A_ROUND * ROUNDS))["cpu_seconds"]]


def memory(bench: Bench) -> list[live.Figure]:
    """Weigh a parent that judges recorded snapshots and a child that collects real ones.

    At full size until the history is full; that nothing grows is looked for with a tenth of the
    groups, and what is found counts ten times.
    """
    servers, groups = bench.world.servers, live.GROUPS
    full = work("memory", servers, str(FULL_CYCLES), str(groups), "0")
    tenth = work("memory", servers, str(CYCLES), str(groups // 10), str(CYCLES))
    for found in (full, tenth):
        if found["error"] or not found["child_cycles"]:
            return [f"nothing to weigh: {found['error'] or 'the child never answered'}"] * 2
    growth = tenth["parent_growth_mb"] + tenth["child_growth_mb"]
    return [full["parent_mb"] + full["child_mb"], growth * 10]


ROWS: Final[dict[str, Callable[[Bench], list[live.Figure]]]] = {
    "judge": judging,
    "race": lambda bench: live.race(bench.servers),
    "alert": lambda bench: live.alert(bench.servers),
    "cycle": lambda bench: live.cycle(bench.world, ROUNDS),
    "memory": memory,
    "many": lambda bench: live.many(bench.world, ROUNDS),
    "hang": lambda _: live.hang(ROUNDS),
}


if __name__ == "__main__":
    main()
