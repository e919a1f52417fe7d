"""``lagmon once`` as somebody calls it: a report of a real broker, and an exit code to act on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer

from lagmon import cli
from propagation.integrations import logs
from tests.infra.ports import free_port
from tests.infra.records import produce
from tests.integration.meaning import commit, new_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.infra.kafka import KafkaBroker

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Put the logging back after a command that ran inside this process."""
    yield
    logs.restore()


@pytest.fixture
def config(kafka: KafkaBroker, tmp_path: Path) -> Path:
    """Give a file of settings that watches the groups of this test alone."""
    path = tmp_path / "lagmon.yml"
    path.write_text(
        "clusters:\n"
        f"  - {{name: night, bootstrap_servers: '{kafka.bootstrap_servers}',"
        " groups: {include: ['once-.*']}}\n"
        "rules: {KafkaConsumerLag: {threshold: 3}}\n"
        "request_timeout: 20s\n"
        "cycle_deadline: 60s\n"
    )
    return path


@pytest.fixture
def group(kafka: KafkaBroker) -> Iterator[str]:
    """Give the name of a group, which is gone after the test."""
    name = new_name("once")
    yield name
    admin = kafka.admin()
    admin.delete_consumer_groups([name])[name].result(20)


def test_a_quiet_cluster_is_a_table_and_exit_code_0(
    kafka: KafkaBroker, topic: str, group: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Within its limits a group is a row, and nothing pages."""
    produce(kafka.bootstrap_servers, topic, b"a", b"b", b"c")
    commit(kafka.bootstrap_servers, group, topic, 0)

    code = cli.main(["once", "--config", str(config)])

    head, row, verdict = capsys.readouterr().out.splitlines()
    assert (code, verdict) == (0, "nothing pages")
    assert head.split()[:4] == ["CLUSTER", "GROUP", "STATE", "LAG"]
    assert row.split()[:2] == ["night", group]
    assert row.split()[3] == "3"


def test_what_is_over_its_limit_now_is_exit_code_1(
    kafka: KafkaBroker, topic: str, group: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rule's time is not waited for; the oldest uncommitted record is named with its trace."""
    header = ("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01".encode())
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for _ in range(4):
        producer.produce(topic, b"play", partition=0, headers=[header])
    assert producer.flush(20) == 0
    commit(kafka.bootstrap_servers, group, topic, 0)

    code = cli.main(["once", "--config", str(config)])

    out, err = capsys.readouterr()
    assert (code, err) == (1, "")
    assert f"P1 KafkaConsumerLag: Consumer group {group} on night is 4 messages behind" in out
    assert f"oldest uncommitted record: {topic}[0] at offset 0" in out
    assert f"trace {TRACE}" in out
    assert out.splitlines()[-1] == "1 page"


def test_json_is_a_line_as_replay_writes_it(
    kafka: KafkaBroker, topic: str, group: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One object a cluster, in the keys of a replayed line, with what pages as opened."""
    produce(kafka.bootstrap_servers, topic, *[b"play"] * 5)
    commit(kafka.bootstrap_servers, group, topic, 1)

    code = cli.main(["once", "--json", "--config", str(config)])

    (line,) = capsys.readouterr().out.splitlines()
    said = json.loads(line)
    labels = {"kafka_cluster": "night", "group": group}
    assert code == 1
    assert said["groups"][group]["partitions"][topic]["0"]["committed"] == 1
    assert said["alerts"] == [
        {"rule": "KafkaConsumerLag", "change": "opened", "labels": labels, "value": 4}
    ]


def test_a_cluster_that_does_not_answer_is_exit_code_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing known is no good news: its words stand in the report, and no group at all."""
    monkeypatch.setenv("LAGMON_REQUEST_TIMEOUT", "1s")
    monkeypatch.setenv("LAGMON_CYCLE_DEADLINE", "1s")

    code = cli.main(["once", "--bootstrap-servers", f"127.0.0.1:{free_port()}"])

    out = capsys.readouterr().out
    assert code == 1
    assert out.startswith("default did not answer: ")
    assert out.splitlines()[-1].endswith("1 cluster not answering")
