"""Faults that need several brokers: the group's coordinator dies, rights are taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from confluent_kafka.admin import ResourceType  # type: ignore[attr-defined] # documented there

from tests.faults.cluster import NODES, READ, WRITE
from tests.faults.patience import awaited
from tests.faults.settings import PARTITIONS, TOPIC
from tests.faults.told import Told
from tests.faults.writing import Written

if TYPE_CHECKING:
    from tests.faults.account import Place
    from tests.faults.cluster import Cluster
    from tests.faults.load import Load
    from tests.faults.stack import Stack

NOBODY = -1  # the leader of a partition that has none


def coordinator_moved(stack: Stack, load: Load) -> str:
    """Kill the broker that coordinates the group: another one takes over."""
    cluster = stack.cluster
    worker = stack.one_worker()
    old = cluster.coordinator(stack.group)
    assert old
    cluster.kill(old)
    try:
        new = awaited(
            lambda: (
                cluster.coordinator(stack.group) not in (None, old)
                and cluster.coordinator(stack.group)
            ),
            what="another coordinator",
        )
        load.more(100)
        stack.committed_more()
    finally:
        cluster.restart(old)
    assert worker.running
    return f"broker {old} died, {new} coordinates; {load.unsettled} requests got no yes"


def leaders_moved(stack: Stack, load: Load) -> str:
    """Kill a broker that leads partitions, and elect it again when it is back: nobody dies then."""
    cluster, worker = stack.cluster, stack.one_worker()
    victim = next(
        node for node in NODES[1:] if node != cluster.coordinator(stack.group)
    )  # the first one is the controller
    # Whoever died in a row before got none of its partitions back.
    before = awaited(lambda: _led_by(cluster, victim), every=1, what=f"{victim} to lead")
    led = {number for number, leader in before.items() if leader == victim}
    cluster.kill(victim)
    try:
        awaited(lambda: _led(cluster, victim) == set(), what="other leaders")
        load.more(100)
    finally:
        cluster.restart(victim)
    awaited(lambda: _moved_back(cluster, before), every=1, what="the leaders of before")
    load.more(100)
    stack.committed_more()
    assert worker.running
    return (
        f"{len(led)} partitions of broker {victim} were led by others when it died, and by it"
        f" again by an election; {load.unsettled} requests got no yes"
    )


def _led(cluster: Cluster, node: int) -> set[int]:
    found = cluster.leaders(TOPIC)
    return {number for number, leader in found.items() if leader in (node, NOBODY)}


def _led_by(cluster: Cluster, node: int) -> dict[int, int] | None:
    cluster.lead_as_preferred(TOPIC)
    found = cluster.leaders(TOPIC)
    return found if node in found.values() else None


def _moved_back(cluster: Cluster, before: dict[int, int]) -> bool:
    """Ask for the election until the broker has caught up and may be elected."""
    cluster.lead_as_preferred(TOPIC)
    return cluster.leaders(TOPIC) == before


def reading_forbidden(stack: Stack, load: Load) -> str:
    """Take away the rights to read the topic and to be in the group, and give them back."""
    cluster, worker = stack.cluster, stack.one_worker()
    words = []
    for kind, name in ((ResourceType.TOPIC, TOPIC), (ResourceType.GROUP, stack.group)):
        told = Told(worker).here()
        cluster.withdraw(kind, name, READ)
        error = awaited(
            lambda told=told: [  # type: ignore[misc] # how a loop's variable is kept
                line["error_name"]
                for line in told.events("kafka_error")
                if "AUTHORIZATION" in line["error_name"]
            ],
            what=f"the worker to miss its right to read the {kind.name.lower()}",
        )[0]
        load.stall(2)
        assert worker.running, worker.tail()
        cluster.allow(kind, name, READ)
        stack.committed_more()
        words.append(error)
    load.more(20)
    return f"{' and '.join(words)}: the worker stayed, and went on when it might again"


def letters_forbidden(stack: Stack, load: Load) -> str:
    """Take away the right to write dead letters, and give it back: poison waits."""
    cluster = stack.cluster
    told = Told(stack.one_worker()).here()
    cluster.withdraw(ResourceType.TOPIC, f"{TOPIC}.dlq", WRITE)
    written: list[Place] = []

    def refused() -> list[dict[str, Any]]:
        # Some are kept before the broker has heard of it: then others are to be refused.
        if len(told.events("record_dead_lettered")) == len(written):
            poison = (Written(b"no play", partition=number) for number in range(PARTITIONS))
            written.extend(stack.poison(*poison))
        return told.events("dead_letter_failed")

    failed = awaited(refused, every=0.5, what="a dead letter that is refused")[0]
    assert "AUTHORIZATION" in failed["reason"], failed
    load.stall(2)
    place = {name: failed[name] for name in ("partition", "offset")}
    assert not told.events("record_dead_lettered", **place)
    cluster.allow(ResourceType.TOPIC, f"{TOPIC}.dlq", WRITE)
    awaited(
        lambda: len(told.events("record_dead_lettered")) >= len(written),
        what="the dead letters",
    )
    load.more(20)
    return (
        f"{len(told.events('dead_letter_failed'))} failed: {failed['reason']}; then all were kept"
    )
