"""What a Kafka client says is heard, counted, and not repeated a thousand times."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError

from consumers.kafka.client_log import (
    FORLORN_LOOKS,
    QUIET_SECONDS,
    SILENT_SECONDS,
    ClientLog,
)
from consumers.metrics import Metrics
from tests.fakes import FakeClock

if TYPE_CHECKING:
    from structlog.typing import EventDict

DOWN = KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down")


def refused(log: ClientLog, facility: str = "FAIL") -> None:
    """Say what librdkafka says when a broker is away."""
    log.log(logging.ERROR, "%s [%s] %s", facility, "rdkafka#consumer-1", "Connection refused")


def test_the_same_line_passes_once_a_minute(logged: list[EventDict]) -> None:
    """Of many lines of a kind the first passes, and the next one says how many were left out."""
    clock = FakeClock()
    log = ClientLog("consumer", Metrics(), clock)

    for _ in range(100):
        refused(log)
    clock.advance(QUIET_SECONDS)
    refused(log)

    assert [event["more"] for event in logged] == [0, 99]


def test_another_line_is_not_kept_back(logged: list[EventDict]) -> None:
    """Each kind of line has its own minute."""
    log = ClientLog("consumer", Metrics(), FakeClock())

    refused(log)
    refused(log, "SESSTMOUT")

    assert [event["facility"] for event in logged] == ["FAIL", "SESSTMOUT"]


def test_an_outage_is_a_warning(logged: list[EventDict]) -> None:
    """What librdkafka calls an error is not one of this service: it goes on by itself."""
    refused(ClientLog("consumer", Metrics(), FakeClock()))

    (event,) = logged
    assert event["log_level"] == "warning"
    assert event["client"] == "consumer"


def test_every_error_is_counted(logged: list[EventDict]) -> None:
    """Errors are counted by name even when they are not logged."""
    metrics = Metrics()
    log = ClientLog("consumer", metrics, FakeClock())

    for _ in range(3):
        log.error(DOWN)

    count = metrics.registry.get_sample_value(
        "consumers_kafka_errors_total", {"error": "_ALL_BROKERS_DOWN"}
    )
    assert count == 3
    assert [event["event"] for event in logged] == ["kafka_error"]
    assert log.fatal is None


def test_an_error_for_good_is_remembered(logged: list[EventDict]) -> None:
    """The first fatal error is kept for whoever owns the client."""
    log = ClientLog("consumer", Metrics(), FakeClock())
    fatal = KafkaError(KafkaError._FENCED, "somebody else has our name", True)

    log.error(fatal)
    log.error(DOWN)

    assert log.fatal is fatal
    assert len(logged) == 2


def test_a_client_that_has_failed_is_remembered() -> None:
    """Librdkafka says so by a code of its own, without marking the error as fatal."""
    log = ClientLog("consumer", Metrics(), FakeClock())
    failed = KafkaError(KafkaError._FATAL, "fenced by another with the same name")

    log.error(failed)

    assert failed.fatal() is False
    assert log.fatal is failed


def answered(
    log: ClientLog, answers: int, source: str = "learned", name: str = "consumer-1"
) -> None:
    """Hand in statistics of client *name* with *answers* in all, of one broker from *source*."""
    brokers = {"kafka:9092/1": {"source": source}}
    log.statistics(json.dumps({"name": name, "rx": answers, "brokers": brokers}))


def test_a_broker_that_answers_is_not_silent() -> None:
    """As long as the number of answers grows there is nothing to say."""
    clock = FakeClock()
    log = ClientLog("consumer", Metrics(), clock)

    for answers in range(1, 20):
        clock.advance(2)
        answered(log, answers)

        assert log.silent() is None


def test_a_broker_that_hangs_is_silent() -> None:
    """Statistics without a new answer do not count; the first answer afterwards does."""
    clock = FakeClock()
    log = ClientLog("consumer", Metrics(), clock)
    answered(log, 7)

    clock.advance(SILENT_SECONDS)
    answered(log, 7)
    just_in_time = log.silent()
    clock.advance(1)
    answered(log, 7)
    late = log.silent()
    answered(log, 8)

    assert just_in_time is None
    assert late == "no broker has answered for 9 s"
    assert log.silent() is None


def test_a_client_that_lost_every_broker_is_forlorn() -> None:
    """What it knows of a coordinator helps nobody; a broker from anywhere else would."""
    log = ClientLog("consumer", Metrics(), FakeClock())

    said = []
    for source in ["logical"] * FORLORN_LOOKS + ["configured"]:
        answered(log, 7, source)
        said.append(log.forlorn())

    assert said == [*[False] * (FORLORN_LOOKS - 1), True, False]


def test_what_a_client_says_that_was_replaced_counts_no_more(logged: list[EventDict]) -> None:
    """It speaks on while it is closed, and its place is taken."""
    log = ClientLog("consumer", Metrics(), FakeClock())
    for _ in range(FORLORN_LOOKS):
        answered(log, 7, "logical")

    log.renewed()
    for _ in range(FORLORN_LOOKS):
        answered(log, 7, "logical")
    old = log.forlorn()
    for _ in range(FORLORN_LOOKS):
        answered(log, 7, "logical", name="consumer-2")

    assert [event["event"] for event in logged] == ["kafka_client_renewed"]
    assert old is False
    assert log.forlorn()
