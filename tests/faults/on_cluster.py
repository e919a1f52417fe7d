"""Faults that need several brokers: the group's coordinator dies, rights are taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka.admin import ResourceType  # type: ignore[attr-defined] # documented there

from tests.faults.cluster import WRITE
from tests.faults.stack import PARTITIONS, TOPIC
from tests.faults.told import Told
from tests.faults.writing import Written
from tests.infra.wait import until

if TYPE_CHECKING:
    from tests.faults.load import Load
    from tests.faults.stack import Stack


def coordinator_moved(stack: Stack, load: Load) -> str:
    """Kill the broker that coordinates the group: another one takes over."""
    cluster = stack.cluster
    worker = stack.one_worker()
    old = cluster.coordinator(stack.group)
    assert old
    cluster.kill(old)
    try:
        new = until(
            lambda: (
                cluster.coordinator(stack.group) not in (None, old)
                and cluster.coordinator(stack.group)
            ),
            timeout=60,
            what="another coordinator",
        )
        load.more(100)
        stack.committed_more()
    finally:
        cluster.restart(old)
    assert worker.running
    return f"broker {old} died, {new} coordinates; {load.unsettled} requests got no yes"


def letters_forbidden(stack: Stack, load: Load) -> str:
    """Take away the right to write dead letters, and give it back: poison waits."""
    cluster = stack.cluster
    told = Told(stack.one_worker()).here()
    cluster.withdraw(ResourceType.TOPIC, f"{TOPIC}.dlq", WRITE)
    stack.poison(*(Written(b"no play", partition=number) for number in range(PARTITIONS)))
    failed = told.wait("dead_letter_failed", timeout=60)
    assert "AUTHORIZATION" in failed["reason"], failed
    load.stall(2)
    assert not told.events("record_dead_lettered")
    cluster.allow(ResourceType.TOPIC, f"{TOPIC}.dlq", WRITE)
    until(
        lambda: len(told.events("record_dead_lettered")) >= PARTITIONS,
        timeout=60,
        what="the dead letters",
    )
    load.more(20)
    return (
        f"{len(told.events('dead_letter_failed'))} failed: {failed['reason']}; then all were kept"
    )
