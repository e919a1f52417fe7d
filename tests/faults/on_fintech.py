"""Faults of the partner: gone, silent, slow, failing, talking nonsense, refusing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults.patience import awaited
from tests.faults.told import Told

if TYPE_CHECKING:
    from tests.faults.load import Load
    from tests.faults.stack import Stack

GONE_SECONDS = 3.0


def down(stack: Stack, load: Load) -> str:
    """Kill the partner, and start it again later."""
    told = Told(stack.one_worker()).here()
    stack.fintech.kill()
    load.stall(GONE_SECONDS)
    waited = awaited(lambda: told.events("dependency_unavailable"), what="records that wait")
    settled = len(told.events("play_settled"))
    load.stall(1)
    assert len(told.events("play_settled")) == settled, "plays were settled without the partner"
    stack.start_fintech()
    load.more(50)
    return f"killed for {GONE_SECONDS:g} s and more; {len(waited)} tries waited"


def hanging(stack: Stack, load: Load) -> str:
    """Let the partner take every order, write half of them down, and answer none."""
    told = Told(stack.one_worker()).here()
    before = stack.repeated()
    stack.fault("hang", settled=True)
    waited = awaited(lambda: told.events("dependency_unavailable"), what="calls that time out")
    load.stall(GONE_SECONDS)
    hits = stack.hits()
    stack.fault("none")
    load.more(50)
    repeated = awaited(lambda: stack.repeated() - before, what="orders sent again")
    return (
        f"{hits} orders were written down and not answered, {len(waited)} tries timed out first;"
        f" {repeated} orders found their settlement"
    )


def slow(stack: Stack, load: Load) -> str:
    """Let the partner answer late, and within the time-out."""
    told = Told(stack.one_worker()).here()
    stack.fault("slow", seconds=0.3)
    stack.hit(20)
    late = awaited(
        lambda: [one for one in told.events("play_settled") if one["latency_ms"] > 300],
        what="plays that took long",
    )
    stack.fault("none")
    load.more(50)
    return f"{len(late)} plays took more than 300 ms"


def failing(stack: Stack, load: Load) -> str:
    """Let the partner answer 503, for some of the orders after writing them down."""
    told = Told(stack.one_worker()).here()
    stack.fault("fail", status=503, ratio=0.5, settled=True)
    stack.hit(30)
    hits = stack.hits()
    stack.fault("none")
    load.more(50)
    waited = told.events("dependency_unavailable")
    assert waited
    return f"{hits} answers were 503; {len(waited)} tries waited"


def nonsense(stack: Stack, load: Load) -> str:
    """Let the partner answer 200 with what is no settlement."""
    told = Told(stack.one_worker()).here()
    stack.fault("garbage", settled=True)
    stack.hit(6)
    stack.fault("none")
    failed = awaited(lambda: told.events("record_failed"), what="tries that failed")
    load.more(50)
    return f"{len(failed)} tries failed and were repeated"


def refusing(stack: Stack, load: Load) -> str:
    """Let the partner refuse some orders for good: those are dead letters, and nothing else."""
    told = Told(stack.one_worker()).here()
    by_partner = Told(stack.fintech).here()
    stack.fault("reject", ratio=0.1)
    stack.hit(10)
    stack.fault("none")
    load.more(20)
    orders = {one["play_id"] for one in by_partner.events("fault_injected", mode="reject")}
    awaited(
        lambda: len(told.events("record_dead_lettered")) >= len(orders),
        what="a dead letter of each",
    )
    stack.refused(orders)
    kept = told.events("record_dead_lettered")
    return f"{len(kept)} orders were refused, and kept as dead letters"
