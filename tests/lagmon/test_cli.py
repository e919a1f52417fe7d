"""The command ``lagmon`` as a process: what it refuses, how it serves, how it ends."""

from __future__ import annotations

import os
import socket
import sys
from functools import partial
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

import httpx
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from lagmon import cli
from lagmon.commands import wiring
from lagmon.configuration.sources import load
from tests.infra.ports import free_port
from tests.infra.process import Service
from tests.infra.product import Product, address
from tests.infra.reading import samples
from tests.infra.wait import until
from tests.lagmon.as_it_was import process_as_it_was

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.infra.alertmanager import Alertmanager, WebhookReceiver
    from tests.infra.mock_kafka import MockKafka

GOOD = """
clusters: [{name: local, bootstrap_servers: "127.0.0.1:9092"}]
alertmanagers: [{url: "http://127.0.0.1:9093"}]
"""


class Said(NamedTuple):
    """What a run of the command came to."""

    code: object
    out: str
    err: str


class Command:
    """Runs ``lagmon`` inside this process, with settings files of the test's own."""

    def __init__(self, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self._capsys = capsys
        self.file = folder / "lagmon.yml"

    def __call__(self, *arguments: str, config: str = "") -> Said:
        """Run with *arguments*, the settings file holding *config*."""
        self.file.write_text(config)
        try:
            code: object = cli.main(arguments)
        except SystemExit as ended:  # argparse ends by itself
            code = ended.code
        captured = self._capsys.readouterr()
        return Said(code, captured.out, captured.err)


@pytest.fixture
def lagmon(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Command]:
    """Give a way to run the command, and put the process back as it was."""
    with process_as_it_was():
        yield Command(capsys, tmp_path)


def test_version_is_that_of_the_distribution(lagmon: Command) -> None:
    """`--version` names the command and its version, and nothing is started."""
    assert lagmon("--version") == Said(0, f"lagmon {wiring.VERSION}\n", "")


def test_a_good_file_is_called_good(lagmon: Command) -> None:
    """`check-config` says what the file would watch and page."""
    said = lagmon("check-config", str(lagmon.file), config=GOOD)

    assert said == Said(0, f"{lagmon.file}: good, clusters: local; Alertmanagers: 1\n", "")


def test_every_problem_of_a_file_is_listed(lagmon: Command) -> None:
    """Two mistakes are two lines, each with its path, and the exit code is 2."""
    said = lagmon("check-config", str(lagmon.file), config="{poll_interval: often, web: {prot: 1}}")

    lines = said.err.splitlines()
    assert (said.code, said.out) == (2, "")
    assert {line.split(": ")[1] for line in lines} == {"clusters", "poll_interval", "web.prot"}


def test_properties_that_librdkafka_refuses_are_listed(lagmon: Command) -> None:
    """Each with the cluster that it is of; those that lagmon sets are refused without asking."""
    client = "client: {sasl.passwrd: hunter2, security.protocl: SSL}"
    config = GOOD.replace("bootstrap_servers:", f"{client}, bootstrap_servers:", 1)

    said = lagmon("check-config", str(lagmon.file), config=config)

    why = "librdkafka has no such property"
    assert (said.code, said.out) == (2, "")
    assert said.err.splitlines() == [
        f"lagmon: clusters[0].client.sasl.passwrd: {why}; is it sasl.password?",
        f"lagmon: clusters[0].client.security.protocl: {why}; is it security.protocol?",
    ]


@pytest.mark.parametrize("command", ["check-config", "serve"])
def test_a_rule_that_does_not_exist_is_a_problem(lagmon: Command, command: str) -> None:
    """A misspelt rule must not go without a word, and stands in the list with all the rest."""
    option = ["--config"] if command == "serve" else []
    config = GOOD + "rules: {KafkaLag: {threshold: 5}}\nfan_out: 0"

    said = lagmon(command, *option, str(lagmon.file), config=config)

    assert said.code == 2
    assert said.err.splitlines() == [
        (
            "lagmon: rules.KafkaLag: no rule is called so; there is: KafkaConsumerLag, "
            "KafkaConsumerStuck, KafkaLagUnknown, KafkaClusterBlind; "
            "one of your own needs a condition"
        ),
        "lagmon: fan_out: input should be greater than or equal to 1",
    ]


def test_without_any_setting_it_says_what_it_needs(lagmon: Command) -> None:
    """`serve` alone has nothing to watch, and names both ways to tell it what."""
    assert lagmon("serve") == Said(
        2,
        "",
        "lagmon: nothing to watch: name it with --bootstrap-servers HOST:PORT or --config FILE\n",
    )


@pytest.mark.parametrize(
    ("times", "seconds"),
    [({}, 240), ({"POLL_INTERVAL": "5m"}, 1200), ({"CYCLE_DEADLINE": "10m"}, 4 * 605)],
)
def test_an_alert_outlives_slow_cycles(
    monkeypatch: pytest.MonkeyPatch, times: dict[str, str], seconds: float
) -> None:
    """However rarely a cycle ends, an open alert is sent again before it would end by itself."""
    for name, value in times.items():
        monkeypatch.setenv(f"LAGMON_{name}", value)

    assert wiring.holds_seconds(load(bootstrap_servers="kafka:1")) == seconds


def test_a_command_is_needed(lagmon: Command) -> None:
    """Without a command the usage is shown and the exit code is 2."""
    said = lagmon()

    assert (said.code, said.out) == (2, "")
    assert "usage: lagmon" in said.err


def test_a_port_that_is_taken_is_said(lagmon: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """It exits with 1 and a log line that names the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("LAGMON_WEB__PORT", str(port))

        said = lagmon("serve", "--bootstrap-servers", "127.0.0.1:1")

    assert said.code == 1
    assert '"event":"service_failed"' in said.out
    assert f"127.0.0.1:{port}" in said.out


def test_it_serves_and_says_so_while_nobody_answers() -> None:
    """Without a broker the pages answer and say so: up is 0, and there is no lag at all."""
    with Product(kafka=f"127.0.0.1:{free_port()}") as product:
        url = address(
            product.lagmon(poll_interval="200ms", request_timeout="1s", cycle_deadline="1s")
        )

        until(lambda: samples(url, "lagmon_up") == [0], timeout=30, what="lagmon_up 0")

        assert httpx.get(f"{url}/-/healthy", timeout=30).status_code == 200
        assert httpx.get(f"{url}/-/ready", timeout=30).status_code == 200
        assert "1 cluster not answering" in httpx.get(url, timeout=30).text
        assert samples(url, "lagmon_groups") == []


def test_the_flag_alone_is_enough() -> None:
    """`serve --bootstrap-servers` needs no file, and calls its cluster default."""
    port = str(free_port())
    line = [sys.executable, "-m", "lagmon", "serve", "--bootstrap-servers", "127.0.0.1:1"]
    with Service(line, env={**os.environ, "LAGMON_WEB__PORT": port}, name="lagmon") as service:
        started = service.wait_for_log("service_started", timeout=30)
        collector = service.wait_for_log("collector_started", timeout=30)

        code = service.stop()

    assert started["address"] == f"http://127.0.0.1:{port}"
    assert collector["kafka_cluster"] == "default"
    assert code == 0


def test_on_sigterm_it_ends_with_its_collector() -> None:
    """Exit code 0 in the time that Kubernetes gives, a last line, and no child left behind."""
    with Product(kafka="127.0.0.1:1") as product:
        service = product.lagmon(poll_interval="200ms")
        child = service.wait_for_log("collector_started", timeout=30)["pid"]

        code = service.stop()

        assert code == 0
        assert service.logs()[-1]["event"] == "service_stopped"
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)


@pytest.fixture
def backlog(mock_kafka: MockKafka) -> tuple[str, str]:
    """Leave 1001 records behind a group's commit; give topic and group."""
    topic, group = f"plays-{uuid4().hex[:8]}", f"group-{uuid4().hex[:8]}"
    servers = {"bootstrap.servers": mock_kafka.bootstrap_servers}
    with Producer(servers) as producer:
        producer.list_topics(topic, 10)
        for number in range(1001):
            trace = f"00-{number + 1:032x}-{number + 1:016x}-01"
            producer.produce(topic, b"play", partition=0, headers=[("traceparent", trace)])
        assert producer.flush(30) == 0
    consumer = Consumer(servers | {"group.id": group})
    consumer.commit(offsets=[TopicPartition(topic, 0, 0)], asynchronous=False)
    consumer.close()
    return topic, group


def test_a_backlog_pages_with_the_trace_of_its_oldest_record(
    mock_kafka: MockKafka,
    backlog: tuple[str, str],
    alertmanager: Alertmanager,
    webhook: WebhookReceiver,
) -> None:
    """The whole way through both processes: 1001 behind, one page, the first record's trace."""
    topic, group = backlog
    with Product(kafka=mock_kafka.bootstrap_servers) as product:
        lagmon = product.lagmon(
            cluster={"groups": {"static": {group: [topic]}}},
            poll_interval="300ms",
            rules={"KafkaConsumerLag": {"for": "1s"}},
            alertmanagers=[{"url": alertmanager.url}],
        )
        (note,) = until(webhook.notifications, what="the page")
        url = address(lagmon)

        (alert,) = note["alerts"]
        assert alert["labels"]["group"] == group
        assert alert["annotations"]["trace_id"] == f"{1:032x}"
        is_open = partial(samples, url, "lagmon_incident_open", {"group": group})
        until(lambda: is_open() == [1], what="the incident on the page of metrics")
        assert f"{1:032x}" in httpx.get(url, timeout=30).text
        opened = lagmon.wait_for_log("incident_opened")
        assert (opened["group"], opened["trace_id"]) == (group, f"{1:032x}")
