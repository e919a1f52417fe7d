"""Meaning, cases 39 to 42: one of two brokers does not answer, and what it missed meanwhile.

Read by a collector in a child process, as lagmon does it: brokers that fall silent are what makes
librdkafka abort. ``docs/reference/lagmon-values.md`` lists the cases under the same numbers.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from lagmon.model import State, Why
from tests.conftest import running
from tests.infra.kafka_nodes import KafkaNodes
from tests.infra.records import produce
from tests.infra.wait import until
from tests.integration.meaning import ANSWER_SECONDS, WatchedFromAside, commit, new_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lagmon.model import GroupLag

pytestmark = pytest.mark.timeout(300)

FIRM, FRAIL = 1, 2  # the first is the controller and stays
SPREAD = {"offsets.topic.num.partitions": "8"}  # both coordinate groups
FENCED_SOON = {"broker.session.timeout.ms": "3000", "broker.heartbeat.interval.ms": "500"}


@pytest.fixture(scope="module")
def nodes() -> Iterator[KafkaNodes]:
    """Give two brokers, shared by the cases of this file; each is whole again at its end."""
    yield from running(KafkaNodes(2, SPREAD | FENCED_SOON))


def test_a_dead_leader(nodes: KafkaNodes) -> None:
    """39. The leader of one partition killed: unknown there, the sum of the others beside it."""
    topic = new_topic(nodes)
    group = coordinated(nodes, FIRM, topic, (3, 4))

    with watching(nodes, group) as watched:
        before = watched.until(lambda s: s.has(group) and s.group(group).lag == 13, "a lag of 13")
        with killed(nodes):
            during = watched.until(
                lambda s: s.has(group) and (s.group(group).lag, s.group(group).unknown) == (7, 1),
                "the outage of one partition",
            )
        after = watched.until(lambda s: s.has(group) and s.group(group).lag == 13, "its return")

    row = during.row(group, topic, 1)
    assert (row.lag, row.why, row.committed) == (None, Why.NO_END_OFFSET, 4)
    assert row.detail
    assert before.group(group).unknown == after.group(group).unknown == 0
    assert (row.judged, during.states(group)) == (State.PENDING, [State.PENDING])
    later = during.in_an_hour()
    assert [row.judged for row in later.group(group).partitions] == [State.STOPPED, State.UNKNOWN]


def test_a_silent_leader(nodes: KafkaNodes) -> None:
    """40. The leader stands still: the client's answer is -1001 or a time-out, and both unknown."""
    topic = new_topic(nodes)
    group = coordinated(nodes, FIRM, topic, (3, 4))

    with watching(nodes, group) as watched:
        watched.until(lambda s: s.has(group) and s.group(group).lag == 13, "a lag of 13")
        with paused(nodes):
            during = watched.until(
                lambda s: s.has(group) and (topic, 1) in unknown_of(s.group(group)), "the outage"
            )
        after = watched.until(lambda s: s.has(group) and s.group(group).lag == 13, "its return")

    for row in during.group(group).partitions:
        assert row.lag in {7, None}
        assert (row.lag is None) == (row.why is Why.NO_END_OFFSET)
    assert after.group(group).unknown == 0
    assert State.OK not in {row.judged for row in during.group(group).partitions}
    assert during.in_an_hour().row(group, topic, 1).judged is State.UNKNOWN


def test_a_partial_list(nodes: KafkaNodes) -> None:
    """41. A coordinator stands still: its groups miss from the list, and stay, as unknown."""
    topic = new_topic(nodes)
    here, there = coordinated(nodes, FIRM, topic, (3,)), coordinated(nodes, FRAIL, topic, (4,))

    with watching(nodes, here, there) as watched:
        watched.until(lambda s: len(s.lag.groups) == 2, "two groups")
        with paused(nodes):
            # A cycle that it fell silent in had a whole list.
            during = watched.until(
                lambda s: (
                    not s.lag.complete
                    and s.has(here)
                    and s.has(there)
                    and (s.group(here).lag, s.group(there).lag) == (7, None)
                ),
                "one group of two, on a list that is not whole",
            )
        after = watched.until(
            lambda s: s.lag.complete and (s.group(here).lag, s.group(there).lag) == (7, 6),
            "its return",
        )

    assert during.group(there).why is Why.GROUP_UNREADABLE
    assert during.group(there).detail
    assert after.group(there).why is None
    assert State.OK not in during.states(here, there)
    assert during.in_an_hour().states(here, there) == [State.STOPPED, State.UNKNOWN]


def test_commits_left_of_a_deleted_topic(nodes: KafkaNodes) -> None:
    """42. A topic deleted while a coordinator was down: its commits are left, and mean nothing."""
    topic, doomed = new_topic(nodes), new_topic(nodes)
    group = coordinated(nodes, FRAIL, doomed, (3,))
    commit(nodes.bootstrap_servers, group, topic, 3)

    with killed(nodes):
        delete_without(nodes, doomed)
    with watching(nodes, group) as watched:
        seen = watched.until(lambda s: s.has(group) and s.group(group).lag == 7, "a lag of 7")

    left = seen.row(group, doomed)
    assert (left.lag, left.why, left.committed) == (None, Why.TOPIC_DELETED, 3)
    assert (seen.group(group).unknown, seen.group(group).uncommitted) == (0, 1)
    assert left.judged is None
    assert (*seen.states(group), *seen.in_an_hour().states(group)) == (State.PENDING, State.STOPPED)


def unknown_of(group: GroupLag) -> list[tuple[str, int]]:
    """List the partitions of which the lag is not known."""
    return [(row.at.topic, row.at.partition) for row in group.partitions if row.lag is None]


def new_topic(nodes: KafkaNodes) -> str:
    """Make a topic with ten records on a partition of each broker."""
    name, spread = new_name("plays"), [[FIRM], [FRAIL]]
    admin = nodes.admin()
    wanted = NewTopic(name, num_partitions=len(spread), replica_assignment=spread)
    admin.create_topics([wanted])[name].result(ANSWER_SECONDS)
    for partition, _ in enumerate(spread):
        produce(nodes.bootstrap_servers, name, *[b"play"] * 10, partition=partition)
    return name


def coordinated(nodes: KafkaNodes, node: int, topic: str, offsets: tuple[int, ...]) -> str:
    """Commit *offsets* for a group that broker *node* coordinates."""
    admin = nodes.admin()

    def found() -> str | None:
        name = new_name()
        try:
            answer = admin.describe_consumer_groups([name])[name].result(ANSWER_SECONDS)
        except KafkaException:
            return None  # that broker is still coming up
        return name if answer.coordinator and answer.coordinator.id == node else None

    name = until(found, timeout=60, every=0, what=f"a group that broker {node} coordinates")
    commit(nodes.bootstrap_servers, name, topic, *offsets)
    return name


def delete_without(nodes: KafkaNodes, topic: str) -> None:
    """Delete *topic* once the cluster knows that the frail broker is not there."""
    admin = AdminClient({"bootstrap.servers": nodes.server(FIRM)})
    until(
        lambda: list(admin.list_topics(timeout=ANSWER_SECONDS).brokers) == [FIRM],
        timeout=60,
        what="the frail broker to be given up",
    )
    admin.delete_topics([topic])[topic].result(ANSWER_SECONDS)


@contextmanager
def watching(nodes: KafkaNodes, *groups: str) -> Iterator[WatchedFromAside]:
    """Watch *groups* from a child process."""
    with WatchedFromAside(nodes.bootstrap_servers, *groups, request_timeout=2) as watched:
        yield watched


@contextmanager
def paused(nodes: KafkaNodes) -> Iterator[None]:
    """Let the frail broker stand still."""
    nodes.pause(FRAIL)
    try:
        yield
    finally:
        nodes.resume(FRAIL)


@contextmanager
def killed(nodes: KafkaNodes) -> Iterator[None]:
    """Have the frail broker dead; it comes back with its data."""
    nodes.kill(FRAIL)
    try:
        yield
    finally:
        nodes.restart(FRAIL)
