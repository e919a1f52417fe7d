"""What librdkafka says by the way: connections, versions, the cause of an error."""

from __future__ import annotations

import json
import logging

import pytest
from confluent_kafka import KafkaError

from lagmon.collector.heard import Heard

PREFIX = "APIVERSION [rdkafka#producer-1] [thrd:x]: "


def statistics(**states: str) -> str:
    """Write the statistics of brokers by their state, ``b1="UP"``."""
    brokers = {name: {"nodeid": int(name[1:]), "state": one} for name, one in states.items()}
    return json.dumps({"brokers": brokers})


@pytest.fixture
def heard() -> Heard:
    """Give a listener that has heard nothing."""
    return Heard()


def test_brokers_are_up_as_the_last_statistics_say(heard: Heard) -> None:
    """One that went away is not up any more."""
    heard.callbacks["stats_cb"](statistics(b1="UP", b2="UP", b3="TRY_CONNECT"))
    heard.callbacks["stats_cb"](statistics(b1="UP", b2="DOWN"))

    assert heard.up == {1}


@pytest.mark.parametrize("name", ["ssl://kafka:9092/1", "kafka:9092/bootstrap"])
def test_versions_are_known_by_the_address(heard: Heard, name: str) -> None:
    """A broker is asked under its first name, and perhaps under its number again."""
    heard.logger.debug("%s%s:   ApiKey ListOffsets (2) Versions 1..11", PREFIX, name)
    heard.logger.debug("%s%s:   ApiKey Unknown-74? (74) Versions 0..1", PREFIX, name)
    heard.logger.debug("%s%s: Broker API support:", PREFIX, name)

    assert heard.speaks("kafka:9092") == {"ListOffsets": (1, 11)}
    assert heard.speaks("a.kafka:9092") == {}
    assert heard.speaks("kafka:90") == {}
    assert heard.one_speaks("ListOffsets", 11)
    assert not heard.one_speaks("ListOffsets", 12)
    assert not heard.one_speaks("Metadata", 0)


def test_the_most_telling_error_is_the_one_to_tell(heard: Heard) -> None:
    """The vaguer ones follow upon every cause."""
    assert heard.telling is None
    for code, text in (
        (KafkaError._AUTHENTICATION, "sasl_ssl://kafka:9092/bootstrap: Invalid password"),
        (KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down"),
    ):
        heard.callbacks["error_cb"](KafkaError(code, text))

    assert heard.telling == "_AUTHENTICATION: sasl_ssl://kafka:9092/bootstrap: Invalid password"


def test_an_error_belongs_to_its_broker(heard: Heard) -> None:
    """By the address in it."""
    heard.callbacks["error_cb"](KafkaError(KafkaError._TRANSPORT, "kafka-2:9092/2: refused"))

    assert heard.error_of("kafka-2:9092") == "_TRANSPORT: kafka-2:9092/2: refused"
    assert heard.error_of("kafka-1:9092") is None


def test_no_other_logger_hears_of_it(heard: Heard, caplog: pytest.LogCaptureFixture) -> None:
    """Sixty lines a broker are nobody's to read."""
    with caplog.at_level(logging.DEBUG):
        heard.logger.debug("anything")

    assert "anything" not in caplog.messages
