"""Faults of the workers themselves: killed, frozen, stopped, more of them and fewer."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.faults.patience import PATIENCE_SECONDS, awaited
from tests.faults.told import Told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.faults.load import Load
    from tests.faults.stack import Stack
    from tests.infra.process import Service

SLOW_SECONDS = 1.0  # that a settlement takes, so that records are in work for sure


def nothing(_: Stack, load: Load) -> str:
    """Play without a fault: what the other rows are compared with."""
    load.more(20)
    return "no fault"


def kill_9(stack: Stack, load: Load) -> str:
    """Kill a worker while its records are paid and not written, and start another."""
    worker, _ = stack.two_workers()
    before = stack.repeated()
    stack.fault("slow", seconds=SLOW_SECONDS, settled=True)
    stack.hit(4)
    # Those may have been the other one's.
    paid = awaited(lambda: _caught(stack, worker), what="plays paid and not written")
    stack.kill(worker)
    stack.fault("none")
    load.more(50)
    stack.worker()
    repeated = awaited(lambda: stack.repeated() - before, what="a settlement asked for again")
    return (
        f"exit code -9 with {len(paid)} plays paid and not written; {repeated} settlements were"
        " asked for again"
    )


def _caught(stack: Stack, worker: Service) -> list[str]:
    """Freeze *worker* and name the plays it has paid and not written; none: let it go on."""
    held = stack.partitions(worker)
    os.kill(worker.pid, signal.SIGSTOP)
    partition = {play: at.partition for at, play in stack.watch.records.copy().items()}
    paid = [play for play in stack.truth.unwritten() if partition.get(play) in held]
    if not paid:
        os.kill(worker.pid, signal.SIGCONT)
    return paid


def zombie(stack: Stack, load: Load) -> str:
    """Freeze a worker for longer than its session lasts, and let it go on where it was."""
    frozen, other = stack.two_workers()
    taken, told = Told(other), Told(frozen)

    def caught() -> list[str]:
        taken.here()
        told.here()
        return _caught(stack, frozen)

    stack.fault("slow", seconds=SLOW_SECONDS, settled=True)
    paid = awaited(caught, what="plays paid and not written")
    began = time.monotonic()
    try:
        stack.fault("none")
        taken.wait("partitions_assigned", timeout=PATIENCE_SECONDS + stack.times.session_seconds)
        load.more(50)
        load.stall(max(began + stack.times.frozen_seconds - time.monotonic(), 0))
    finally:
        os.kill(frozen.pid, signal.SIGCONT)
    frozen_seconds = time.monotonic() - began
    lost = told.wait("partitions_lost")
    told.wait("partitions_assigned")
    return (
        f"frozen for {frozen_seconds:.0f} s with {len(paid)} plays paid and not written; its"
        f" {len(lost['partitions'])} partitions were another's after"
        f" {stack.times.session_seconds:g}; it lost them when it woke, and joined again"
    )


def rebalance_in_record(stack: Stack, load: Load) -> str:
    """Let workers come and go while records are in work."""
    stack.fault("slow", seconds=SLOW_SECONDS)
    with _moved(stack) as told:
        stack.hit(4)
    hits = stack.hits()
    stack.fault("none")
    load.more(20)
    return f"with {hits} slow records 2 workers came and went; {told[0]}"


def rebalance_in_backoff(stack: Stack, load: Load) -> str:
    """Let workers come and go while records wait for another try."""
    stack.fault("fail", status=503)
    with _moved(stack) as told:
        stack.hit(4)
    hits = stack.hits()
    stack.fault("none")
    load.more(20)
    return f"{hits} tries had failed when 2 workers came and went; {told[0]}"


@contextmanager
def _moved(stack: Stack) -> Iterator[list[str]]:
    """Start two workers when the body has ended, and stop them again; tell what it did."""
    stayed = stack.one_worker()
    told, found = Told(stayed).here(), list[str]()
    yield found
    second = stack.worker()
    third = stack.worker()
    for worker in (second, third):
        assert (code := stack.stop(worker)) == 0, f"it left with {code}"
    taken = told.wait("partitions_revoked")
    back = awaited(lambda: told.events("partitions_assigned"), what="all of them back")
    found.append(
        f"the one that stayed gave up {len(taken['partitions'])} partitions and more later,"
        f" and was given some {len(back)} times"
    )


def stopped_in_record(stack: Stack, load: Load) -> str:
    """Stop a worker by SIGTERM while records are in work: it finishes and commits them."""
    stack.fault("slow", seconds=SLOW_SECONDS)
    words = _stopped(stack, lambda: stack.hit(4))
    load.more(20)
    return f"in mid-record: {words}"


def stopped_in_backoff(stack: Stack, load: Load) -> str:
    """Stop a worker by SIGTERM while records wait for another try: they are handed back."""
    stack.fault("fail", status=503)
    words = _stopped(stack, lambda: stack.hit(4))
    load.more(20)
    return f"in mid-backoff: {words}"


def stopped_while_idle(stack: Stack, load: Load) -> str:
    """Stop a worker by SIGTERM between records, and one that has just been started."""
    words = _stopped(stack, lambda: load.more(20))
    early = stack.worker(wait=False)
    early.wait_for_log("service_started", PATIENCE_SECONDS)
    code = stack.stop(early)
    assert code == 0, f"one that was joining ended with {code}"
    return f"between records: {words}; one that was joining ended with {code}"


def stopped_twice(stack: Stack, load: Load) -> str:
    """Send a second SIGTERM while a worker waits for its records: it ends at once."""
    worker = stack.one_worker()
    stack.fault("hang")
    stack.hit(4)
    stack.workers.remove(worker)

    def ended() -> bool:
        os.kill(worker.pid, signal.SIGTERM)
        return not worker.running

    awaited(ended, what="its end")
    assert worker.returncode == -signal.SIGTERM, worker.returncode
    stack.fault("none")
    stack.worker()
    load.more(20)
    return f"in mid-record, twice: ended with {worker.returncode}"


def _stopped(stack: Stack, reached: Callable[[], object]) -> str:
    worker = stack.one_worker()
    told = Told(worker)
    reached()
    code = stack.stop(worker)
    assert code == 0, f"it ended with {code}"
    given_up = len(told.events("record_not_finished_in_time"))
    told.wait("service_stopped")
    stack.fault("none")
    stack.worker()
    return f"exit code 0, {given_up} records handed back unfinished"
