"""Meaning, cases 44 and 45: groups that are no consumer groups to Kafka.

Each case is made on a real broker and read by lagmon's own cycle. ``docs/reference/
lagmon-values.md`` lists them under the same numbers.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import confluent_kafka
import pytest

from lagmon.alerts.rules import SHIPPED
from lagmon.judge.judging import Memory, Policy, judge
from lagmon.model import State
from tests.infra.joining import join_streams, leave_streams
from tests.infra.records import produce
from tests.infra.shares import share_from_start
from tests.infra.wait import until
from tests.integration.meaning import WAIT_SECONDS, Watched, commit, new_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lagmon.judge.judging import Judgement
    from tests.infra.kafka import KafkaBroker
    from tests.integration.meaning import Seen

pytestmark = pytest.mark.timeout(180)

NIGHT_SECONDS = 8 * 3600
TURN_SECONDS = 30


def test_a_share_group(kafka: KafkaBroker, topic: str) -> None:
    """44. A share group (KIP-932) has no commits: it is not listed, and by its name never measured.

    Named in the configuration it has no lag, neither a 0 nor an unknown one, and pages nobody.
    """
    group, servers = new_name("share"), kafka.bootstrap_servers
    share_from_start(kafka, group)
    produce(servers, topic, *[b"play"] * 3)

    with sharing(servers, group, topic, count=3):
        produce(servers, topic, *[b"play"] * 2)
        listed = Watched(servers).look()
        named = Watched(servers, groups={"static": {group: [topic]}}).look()

    assert not listed.has(group)
    assert listed.lag.complete
    found = named.group(group)
    assert (found.lag, found.unknown, found.uncommitted) == (None, 0, 1)
    night = a_night_of(named, group)
    assert [one.notices for one in night if one.notices] == []
    last = night[-1].lag.groups[0]
    assert (last.lag, last.age, last.judged) == (None, None, State.PENDING)


def test_a_streams_group(kafka: KafkaBroker, topic: str) -> None:
    """45. A streams group (KIP-1071) is not listed; by its name it has its lag, members unknown.

    Kafka describes it as a dead group without members, which it is not: it is never "stopped".
    """
    group, servers = new_name("streams"), kafka.bootstrap_servers
    member = new_name("member")
    produce(servers, topic, *[b"play"] * 3)
    join_streams(servers, group, member, topic)
    leave_streams(servers, group, member)  # an empty group lets others commit for it
    commit(servers, group, topic, 1)
    join_streams(servers, group, member, topic)

    listed = Watched(servers).look()
    named = Watched(servers, groups={"static": {group: [topic]}}).look()
    leave_streams(servers, group, member)

    assert not listed.has(group)
    assert listed.lag.complete
    assert named.reading(group).state == "dead"
    assert (named.group(group).lag, named.group(group).members) == (2, None)
    states = [one.lag.groups[0].judged for one in a_night_of(named, group)]
    assert State.STOPPED not in states
    assert states[-1] is State.STALLED


@contextmanager
def sharing(servers: str, group: str, topic: str, *, count: int) -> Iterator[None]:
    """Be a member of the share group *group* that has read *count* records."""
    consumer = confluent_kafka.ShareConsumer({"bootstrap.servers": servers, "group.id": group})
    consumer.subscribe([topic])
    came: list[confluent_kafka.Message] = []

    def all_of_them() -> bool:
        came.extend(consumer.poll(1))
        return len(came) >= count

    try:
        until(all_of_them, timeout=WAIT_SECONDS, every=0, what=f"{count} records")
        yield
    finally:
        consumer.close()


def a_night_of(seen: Seen, group: str) -> list[Judgement]:
    """Judge what was *seen* as if it stood like that for a night, *group* in the settings."""
    policy = Policy(
        SHIPPED,
        poll_interval_seconds=TURN_SECONDS,
        peeks_per_cycle=20,
        named={seen.lag.cluster: frozenset({group})},
    )
    memory, said = Memory.of(policy), []
    for passed in range(0, NIGHT_SECONDS, TURN_SECONDS):
        snapshot = replace(seen.snapshot, at=seen.snapshot.at + passed)
        said.append(judge(memory, snapshot, policy))
        memory = said[-1].memory
    return said
