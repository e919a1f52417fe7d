"""The consumer: the real one in all that it gives, with names to lend to its spans."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import confluent_kafka
import pytest
from opentelemetry import trace

from propagation import Consumer, Options, Producer, TopicPolicy, processing
from tests.propagation.builders import ids

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import ReadableSpan


@pytest.fixture
def settings(bootstrap_servers: str, topic: str) -> dict[str, Any]:
    """Give the configuration of a consumer whose group is named after the topic."""
    return {
        "bootstrap.servers": bootstrap_servers,
        "group.id": topic,
        "client.id": "worker-1",
        "group.protocol": "consumer",
        "auto.offset.reset": "earliest",
        "log_level": 0,
    }


@pytest.fixture
def consumer(settings: dict[str, Any], topic: str) -> Iterator[Consumer]:
    """Give a consumer that has subscribed to the topic."""
    with Consumer(settings) as one:
        one.subscribe([topic])
        yield one


@pytest.fixture
def sent(bootstrap_servers: str, topic: str, spans: list[ReadableSpan]) -> None:
    """Put two messages on the topic, each in a trace of its own; forget their send spans."""
    with Producer({"bootstrap.servers": bootstrap_servers, "log_level": 0}) as producer:
        producer.produce(topic, b"1", partition=0)
        producer.produce(topic, b"2", partition=0)
    spans.clear()


def first(consumer: confluent_kafka.Consumer) -> confluent_kafka.Message:
    """Poll until a message comes."""
    while (message := consumer.poll(60)) is None:
        """The timeout of the test bounds it."""
    return message


@pytest.mark.usefixtures("sent")
def test_poll_gives_the_untouched_message(consumer: Consumer) -> None:
    """The message is the client's own, and nothing becomes current by receiving it."""
    message = first(consumer)

    assert type(message) is confluent_kafka.Message
    assert message.value() == b"1"
    assert trace.get_current_span() is trace.INVALID_SPAN


@pytest.mark.usefixtures("sent")
def test_consume_gives_the_untouched_messages(consumer: Consumer) -> None:
    """A batch starts no span; each message keeps the trace it came with."""
    messages = [first(consumer), *consumer.consume(1, timeout=60)]

    assert [message.value() for message in messages] == [b"1", b"2"]
    assert [len(message.headers() or []) for message in messages] == [1, 1]


@pytest.mark.usefixtures("sent")
def test_the_process_span_names_group_and_client(
    consumer: Consumer, topic: str, spans: list[ReadableSpan]
) -> None:
    """What the consumer was configured with is on the spans it is named for."""
    message = first(consumer)

    with processing(message, consumer=consumer) as span:
        trace_id, _ = ids(span.get_span_context())

    [process] = spans
    told = process.attributes or {}
    assert told["messaging.consumer.group.name"] == topic
    assert told["messaging.client.id"] == "worker-1"
    assert f"{trace_id:032x}".encode() in dict(message.headers() or [])["traceparent"]  # type: ignore[operator]  # bytes


@pytest.mark.usefixtures("sent")
def test_the_consumers_options_hold_for_its_messages(
    settings: dict[str, Any], topic: str, spans: list[ReadableSpan]
) -> None:
    """Options given to the consumer need not be given to processing."""
    unrelated = Options(policies=(TopicPolicy(trust="ignore"),))

    with Consumer(settings, options=unrelated) as consumer:
        consumer.subscribe([topic])
        with processing(first(consumer), consumer=consumer):
            pass

    assert spans[-1].parent is None
    assert not spans[-1].links


@pytest.mark.usefixtures("sent")
def test_a_with_block_closes_the_consumer(settings: dict[str, Any], topic: str) -> None:
    """The block gives the consumer itself; afterwards it is closed."""
    with Consumer(settings) as consumer:
        assert isinstance(consumer, confluent_kafka.Consumer)
        consumer.subscribe([topic])
        first(consumer)

    with pytest.raises(RuntimeError, match="closed"):
        consumer.poll(0)


def test_settings_may_be_keywords(settings: dict[str, Any]) -> None:
    """Keywords go before the configuration, and a logger is taken, as by the real class."""
    log = logging.getLogger("librdkafka")
    other: dict[str, Any] = {"group.id": "other"}

    with (
        Consumer(settings, logger=log, **other) as one,
        Consumer(**settings) as two,
    ):
        assert one.consumer_group_metadata() is not None
        assert two.consumer_group_metadata() is not None


@pytest.mark.parametrize("wrong", [(), (None,), (5,), ({}, {})], ids=repr)
def test_wrong_configurations_raise_the_real_errors(wrong: tuple[Any, ...]) -> None:
    """A consumer needs a dict with a group, and says so as ever."""
    with pytest.raises(TypeError):
        confluent_kafka.Consumer(*wrong)
    with pytest.raises(TypeError):
        Consumer(*wrong)
