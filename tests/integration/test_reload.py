"""A real lagmon reads its configuration anew: what holds then, what stays, and what is said."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import yaml
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.infra import plain_http
from tests.infra.product import Product, address
from tests.infra.reading import samples
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.infra.mock_kafka import MockKafka
    from tests.infra.process import Service

SECONDS = 60
RECORDS = 20
RELOADED = "lagmon_config_last_reload_successful"


class Lagmon:
    """A lagmon on one group that is 20 messages behind, and the file that it reads."""

    def __init__(self, product: Product, mock_kafka: MockKafka) -> None:
        topic, self.group = f"plays-{uuid4().hex[:8]}", f"group-{uuid4().hex[:8]}"
        servers = {"bootstrap.servers": mock_kafka.bootstrap_servers}
        with Producer(servers) as producer:
            producer.list_topics(topic, 60)
            for _ in range(RECORDS):
                producer.produce(topic, b"play", partition=0)
            assert producer.flush(30) == 0
        consumer = Consumer(servers | {"group.id": self.group})
        consumer.commit(offsets=[TopicPartition(topic, 0, 0)], asynchronous=False)
        consumer.close()
        self._product, self._watched = product, {"static": {self.group: [topic]}}

    def start(self, **settings: Any) -> Service:
        """Start it with *settings*."""
        settings = {"rules": self.paging_above(10), **settings}
        self.service = self._product.lagmon(
            cluster={"groups": self._watched}, poll_interval="300ms", **settings
        )
        self.file = Path(self.service.command[-1])
        self.url = address(self.service)
        return self.service

    @staticmethod
    def paging_above(threshold: int) -> dict[str, Any]:
        """Write the rule for a group that is behind."""
        return {"KafkaConsumerLag": {"threshold": threshold, "for": "500ms"}}

    def change(self, **settings: Any) -> None:
        """Have *settings* in the file."""
        self.file.write_text(yaml.safe_dump(yaml.safe_load(self.file.read_text()) | settings))

    def hang_up(self) -> None:
        """Send SIGHUP."""
        os.kill(self.service.pid, signal.SIGHUP)

    def count(self, event: str) -> int:
        """Count the lines that tell of *event*."""
        return sum(line["event"] == event for line in self.service.logs())

    def reload(self) -> None:
        """Send SIGHUP and wait until what is in the file holds."""
        before = self.count("config_reloaded")
        self.hang_up()
        until(lambda: self.count("config_reloaded") > before, timeout=SECONDS, what="the reloading")

    def shows(self, name: str, value: float) -> None:
        """Wait until the metrics show *value*."""
        until(lambda: samples(self.url, name) == [value], timeout=SECONDS, what=f"{name} {value}")


@pytest.fixture
def lagmon(mock_kafka: MockKafka) -> Iterator[Lagmon]:
    """Give a lagmon that is yet to be started."""
    with Product(kafka=mock_kafka.bootstrap_servers) as product:
        yield Lagmon(product, mock_kafka)


def test_an_incident_outlives_a_reload(lagmon: Lagmon) -> None:
    """It is neither opened a second time nor resolved, though nothing is kept in a file."""
    lagmon.start()
    lagmon.service.wait_for_log("incident_opened", timeout=SECONDS)

    lagmon.reload()

    until(lambda: lagmon.count("collector_started") == 2, timeout=SECONDS, what="the new collector")
    cycles = samples(lagmon.url, "lagmon_cycles_total")
    until(
        lambda: sum(samples(lagmon.url, "lagmon_cycles_total")) > sum(cycles) + 3,
        timeout=SECONDS,
        what="cycles of the new watch",
    )
    assert (lagmon.count("incident_opened"), lagmon.count("incident_resolved")) == (1, 0)
    assert samples(lagmon.url, "lagmon_incident_open", {"group": lagmon.group}) == [1]


def test_a_changed_rule_holds_after_a_reload(lagmon: Lagmon) -> None:
    """The incident ends with a threshold that is not passed."""
    lagmon.start()
    lagmon.service.wait_for_log("incident_opened", timeout=SECONDS)
    lagmon.change(rules=lagmon.paging_above(1000))

    lagmon.reload()

    ended = lagmon.service.wait_for_log("incident_resolved", timeout=SECONDS)
    assert ended["group"] == lagmon.group
    assert lagmon.count("incident_opened") == 1


def test_a_broken_file_keeps_what_was(lagmon: Lagmon) -> None:
    """Every problem is told and no secret, nothing is restarted, and a good one is taken again."""
    lagmon.start()
    lagmon.shows(RELOADED, 1)
    good = lagmon.file.read_text()
    broken = {"clusters": [{"name": "x", "client": {"sasl.passwrd": "hunter2"}}], "fan_out": 0}
    lagmon.change(**broken)

    lagmon.hang_up()

    said = lagmon.service.wait_for_log("config_not_reloaded", timeout=SECONDS)
    assert len(said["why"]) == 2
    lagmon.shows(RELOADED, 0)
    assert lagmon.count("collector_started") == 1
    assert "hunter2" not in "\n".join([*lagmon.service.lines(), *lagmon.service.errors()])
    lagmon.file.write_text(good)
    lagmon.reload()
    lagmon.shows(RELOADED, 1)


def test_what_librdkafka_refuses_is_not_begun_with(lagmon: Lagmon) -> None:
    """A watch that could never connect does not take the place of one that does."""
    lagmon.start()
    (cluster,) = yaml.safe_load(lagmon.file.read_text())["clusters"]
    lagmon.change(clusters=[cluster | {"client": {"security.protocl": "hunter2"}}])

    lagmon.hang_up()

    said = lagmon.service.wait_for_log("config_not_reloaded", timeout=SECONDS)
    assert "security.protocl" in str(said["why"])
    assert "hunter2" not in str(said)
    assert lagmon.count("collector_started") == 1


def test_what_is_read_at_the_start_alone_is_named(lagmon: Lagmon) -> None:
    """The rest of the change holds, and the pages stay where they are."""
    lagmon.start()
    lagmon.change(web={"host": "127.0.0.1", "port": 1}, rules=lagmon.paging_above(1000))

    lagmon.reload()

    said = lagmon.service.wait_for_log("config_needs_restart", timeout=SECONDS)
    assert said["keys"] == ["web.port"]
    assert plain_http.get(f"{lagmon.url}/-/healthy", timeout=30).status_code == 200


def test_reloading_over_http_is_off(lagmon: Lagmon) -> None:
    """Whoever reaches the page may not restart the watch."""
    lagmon.start()

    assert plain_http.post(f"{lagmon.url}/-/reload", timeout=30).status_code == 403


def test_reloading_over_http_says_what_came_of_it(lagmon: Lagmon) -> None:
    """200 for a good file and 500 for a broken one, without its problems; no page may ask."""
    lagmon.start(web={"host": "127.0.0.1", "port": 0, "lifecycle": True})
    url = f"{lagmon.url}/-/reload"

    assert plain_http.get(url, timeout=30).status_code == 405
    assert (
        plain_http.post(url, headers={"Origin": "http://evil.example"}, timeout=30).status_code
        == 403
    )
    assert plain_http.post(url, timeout=SECONDS).status_code == 200
    lagmon.change(fan_out=0)
    refused = plain_http.post(url, timeout=SECONDS)
    assert refused.status_code == 500
    assert "fan_out" not in refused.text
    assert lagmon.count("config_reloaded") == 1


def test_it_stops_in_time_while_it_is_reloading(lagmon: Lagmon) -> None:
    """Exit code 0 in the grace that Kubernetes gives, whichever watch is up."""
    lagmon.start()
    lagmon.service.wait_for_log("collector_started", timeout=SECONDS)
    lagmon.hang_up()
    lagmon.hang_up()

    assert lagmon.service.stop() == 0
