"""The commands of an alert, run by a shell with Kafka's own tools on a real broker."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from lagmon.alerts.rules import KAFKA_CLUSTER_BLIND, KAFKA_CONSUMER_STUCK
from lagmon.model import Change, Incident, IncidentChange, IncidentKey, State
from lagmon.notify.commands import commands
from lagmon.readings import TopicPartition
from lagmon.report import Notice, OldestRecord, Reach
from tests.infra.kafka_jars import jars, java
from tests.infra.reading import commit, committed
from tests.infra.records import produce
from tests.infra.require import need, required
from tests.lagmon.builders import CLUSTER, NOON, group, part

if TYPE_CHECKING:
    from pathlib import Path

    from tests.infra.kafka import KafkaBroker

pytestmark = pytest.mark.timeout(240)

TOOL_SECONDS = 90
TOOLS = {
    "kafka-consumer-groups.sh": "consumer.group.ConsumerGroupCommand",
    "kafka-console-consumer.sh": "consumer.ConsoleConsumer",
    "kafka-transactions.sh": "TransactionsCommand",
    "kafka-broker-api-versions.sh": "BrokerApiVersionsCommand",
}
# As a stranger might call it who hopes that somebody pastes it at night.
HOSTILE = "it's $(touch pwned) `touch pwned`;\ntouch pwned # \x1b[2J\u202e!"


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with Kafka's tools under the names that its distribution gives them."""
    folder = tmp_path_factory.mktemp("kafka")
    with required():
        start = f"{java()} -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp '{jars()}/*'"
    for name, main in TOOLS.items():
        tool = folder / name
        tool.write_text(f'#!/bin/sh\nexec {start} org.apache.kafka.tools.{main} "$@"\n')
        tool.chmod(0o700)
    return folder


def typed(line: str, folder: Path) -> str:
    """Run *line* as somebody would who pasted it; give what it prints."""
    bash = need("bash", "install the Debian package bash")
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        [bash, "-c", line],
        cwd=folder,
        env=os.environ | {"PATH": path, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=TOOL_SECONDS,
        check=False,
    )
    assert ran.returncode == 0, f"{line}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


def told(servers: str, name: str, topic: str, state: State) -> dict[str, str]:
    """Give the commands of the alert on a group that stands at offset 5 of 10."""
    key = IncidentKey(KAFKA_CONSUMER_STUCK.name, CLUSTER, name)
    row = replace(part(0, 5, topic=topic, committed=5), judged=state, start=0)
    behind = replace(group(5, name, row), judged=state)
    opened = IncidentChange(Change.OPENED, Incident(key, NOON, NOON, 5.0, NOON))
    record = OldestRecord(TopicPartition(topic, 0), 5)
    return commands(
        Notice(opened, KAFKA_CONSUMER_STUCK, NOON, behind, record), Reach(CLUSTER, servers)
    )


def test_the_record_of_a_group_with_a_hostile_name_is_skipped(
    kafka: KafkaBroker, topic: str, shell: Path
) -> None:
    """Describe, look, say what a skip would do, do it: the commit is behind the record, no more."""
    servers, name = kafka.bootstrap_servers, f"{HOSTILE}{uuid4().hex}"
    produce(servers, topic, *(f"play-{number}".encode() for number in range(10)))
    commit(servers, name, topic, 5)
    lines = told(servers, name, topic, State.BLOCKED)

    described = typed(lines["command_describe"], shell)
    record = typed(lines["command_record"], shell)
    typed(lines["command_skip"], shell)
    before = committed(servers, name, topic)
    typed(lines["command_skip"].replace("--dry-run", "--execute"), shell)

    assert topic in described
    assert "Offset:5\t" in record
    assert record.strip().endswith("play-5")
    assert (before, committed(servers, name, topic)) == (5, 6)
    assert not (shell / "pwned").exists()


def test_the_other_commands_are_known_to_kafkas_tools(
    kafka: KafkaBroker, topic: str, shell: Path
) -> None:
    """Who holds a transaction is answered, which brokers there are, and which groups."""
    servers = kafka.bootstrap_servers
    key = IncidentKey(KAFKA_CLUSTER_BLIND.name, CLUSTER)
    blind = IncidentChange(Change.OPENED, Incident(key, NOON, NOON, 0.0, NOON))
    lines = told(servers, "settle", topic, State.HANGING_TRANSACTION)
    lines |= commands(Notice(blind, KAFKA_CLUSTER_BLIND, NOON), Reach(CLUSTER, servers))

    typed(lines["command_groups"], shell)
    assert "ProducerId" in typed(lines["command_transactions"], shell)
    assert servers in typed(lines["command_brokers"], shell)
