"""A producer whose client has lost every broker goes on with another."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from uuid import uuid4

from consumers.kafka.client_log import FORLORN_LOOKS, ClientLog
from consumers.kafka.lasting import LastingProducer
from consumers.metrics import Metrics
from propagation import Producer
from tests.fakes import FakeClock
from tests.infra.ports import free_port
from tests.infra.reading import records
from tests.infra.wait import until

if TYPE_CHECKING:
    from confluent_kafka import KafkaError
    from structlog.typing import EventDict

    from tests.infra.mock_kafka import MockKafka


def lose_every_broker(log: ClientLog) -> None:
    """Have the client say for long enough that it knows none."""
    for _ in range(FORLORN_LOOKS):
        log.statistics(json.dumps({"name": "producer-1", "rx": 0, "brokers": {}}))


def test_another_client_takes_over(mock_kafka: MockKafka) -> None:
    """What was queued is told to have failed, and what comes then is written."""
    topic = f"plays-{uuid4().hex[:8]}"
    mock_kafka.create_topic(topic)
    servers = iter([f"127.0.0.1:{free_port()}", mock_kafka.bootstrap_servers])
    log = ClientLog("api", Metrics(), FakeClock())
    producer = LastingProducer(
        lambda: Producer({"bootstrap.servers": next(servers), **log.callbacks()}), log
    )
    told: list[KafkaError | None] = []

    producer.produce(topic, b"lost", on_delivery=lambda error, _: told.append(error))
    lose_every_broker(log)
    until(lambda: (producer.poll(0.1), told)[1], what="the end of what was queued")
    producer.produce(topic, b"kept", on_delivery=lambda error, _: told.append(error))
    left = producer.flush(60)

    assert left == 0
    assert [error and error.name() for error in told] == ["_PURGE_QUEUE", None]
    assert [one.value() for one in records(mock_kafka.bootstrap_servers, topic, 1)] == [b"kept"]
    assert topic in producer.list_topics(timeout=60).topics
    assert topic in producer.list_topics(topic, 60).topics


def test_a_client_that_cannot_be_made_is_tried_again(
    mock_kafka: MockKafka, logged: list[EventDict]
) -> None:
    """The old one stays meanwhile, and polling raises nothing: its thread is the only one."""
    away = {"bootstrap.servers": f"127.0.0.1:{free_port()}"}
    there = {"bootstrap.servers": mock_kafka.bootstrap_servers}
    settings = iter([away, {"no.such.property": "x"}, there])
    log = ClientLog("api", Metrics(), FakeClock())
    producer = LastingProducer(lambda: Producer({**next(settings), **log.callbacks()}), log)

    for _ in range(2):
        lose_every_broker(log)
        producer.poll(0)

    assert [line["event"] for line in logged if "renewed" in line["event"]] == [
        "kafka_client_not_renewed",
        "kafka_client_renewed",
    ]
    assert producer.list_topics(timeout=60).brokers
