"""Faults of the workers themselves: killed, stopped, frozen, more of them and fewer."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from tests.faults.told import Told
from tests.infra.wait import until

if TYPE_CHECKING:
    from tests.faults.load import Load
    from tests.faults.stack import Stack

SLOW_SECONDS = 1.0  # that a settlement takes, so that records are in work for sure


def nothing(_: Stack, load: Load) -> str:
    """Play without a fault: what the other rows are compared with."""
    load.more(20)
    return "no fault"


def kill_9(stack: Stack, load: Load) -> str:
    """Kill a worker while it has records in work, and start another."""
    worker, _ = stack.two_workers()
    before = stack.repeated()
    stack.fault("slow", seconds=SLOW_SECONDS, settled=True)
    until(lambda: stack.hits() >= 4, timeout=20, what="records in work")
    stack.kill(worker)
    stack.fault("none")
    load.more(50)
    stack.worker()
    repeated = until(
        lambda: stack.repeated() - before, timeout=30, what="a settlement asked for again"
    )
    return f"exit code -9 with records in work; {repeated} settlements asked for again"


def zombie(stack: Stack, load: Load) -> str:
    """Freeze a worker for longer than its session lasts, and let it go on where it was."""
    frozen, other = stack.two_workers()
    taken = Told(other).here()
    told = Told(frozen).here()
    stack.fault("slow", seconds=SLOW_SECONDS)
    until(lambda: stack.hits() >= 4, timeout=20, what="records in work")
    os.kill(frozen.pid, signal.SIGSTOP)
    try:
        stack.fault("none")
        taken.wait("partitions_assigned")
        load.more(50)
    finally:
        os.kill(frozen.pid, signal.SIGCONT)
    lost = told.wait("partitions_lost")
    told.wait("partitions_assigned")
    return f"it lost {len(lost['partitions'])} partitions to the other worker and came back"


def rebalance_in_record(stack: Stack, load: Load) -> str:
    """Let workers come and go while records are in work."""
    first, second = stack.two_workers()
    told = Told(first).here()
    stack.fault("slow", seconds=0.5)
    until(lambda: stack.hits() >= 4, timeout=20, what="records in work")
    third = stack.worker()
    left = stack.stop(second)
    stack.fault("none")
    load.more(20)
    assert left == 0, f"it left with {left}"
    stack.stop(third)
    moved = until(
        lambda: len(told.events("partitions_revoked")) + len(told.events("partitions_assigned")),
        timeout=20,
        what="a rebalance",
    )
    return f"3 workers, then 1; the one that stayed was told {moved} times"
