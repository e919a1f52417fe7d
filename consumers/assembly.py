"""Put a worker together: settings and a handler in, a runtime on Kafka out. Nothing is started."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaException

from consumers.deadletters.cluster import KafkaCluster
from consumers.deadletters.queue import PROPERTIES, DeadLetterQueue
from consumers.deadletters.topic import TopicCheck
from consumers.errors import Fatal
from consumers.kafka.client_log import ClientLog
from consumers.kafka.properties import consumer_properties, producer_properties
from consumers.kafka.source import KafkaSource
from consumers.runtime.backoff import RetryPolicy
from consumers.runtime.executor import ThreadExecutor
from consumers.runtime.loop import Runtime, StopPolicy
from consumers.runtime.tries import Tries
from propagation import Producer, processing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from consumers.configuration.settings import Settings, WorkerSettings
    from consumers.metrics import Metrics
    from consumers.ports import Handler
    from consumers.types import Record


def make_worker(
    settings: WorkerSettings, handler: Handler, metrics: Metrics, client_log: ClientLog
) -> Runtime:
    """Make the runtime that calls *handler* with every record of the topic in *settings*.

    *client_log* hears the consumer, and knows whether a broker answers it. The runtime's thread and
    its clients end with its `Runtime.run`. Raises `Fatal` when a client refuses its properties.
    """
    source = KafkaSource(consumer_properties(settings), settings.topic, client_log)
    dead_letters = make_dead_letters(settings, metrics)
    retry = RetryPolicy(
        retries=settings.retries,
        initial_seconds=settings.backoff_initial.total_seconds(),
        max_seconds=settings.backoff_max.total_seconds(),
    )
    shutdown_seconds = settings.shutdown_timeout.total_seconds()

    def in_trace(record: Record) -> AbstractContextManager[object]:
        return processing(record.message, consumer=source.consumer)

    tries = Tries(
        handler, processing=in_trace, dead_letters=dead_letters, policy=retry, metrics=metrics
    )
    return Runtime(
        source,
        ThreadExecutor(tries),
        dead_letters,
        retry=retry,
        stop=StopPolicy(shutdown_seconds=shutdown_seconds, revoke_seconds=shutdown_seconds),
        metrics=metrics,
    )


def make_dead_letters(settings: Settings, metrics: Metrics) -> DeadLetterQueue:
    """Make the queue of the records that are given up; it looks at its topic when it is served."""
    producer = make_producer(settings, ClientLog("dead-letters", metrics), PROPERTIES)
    check = TopicCheck(
        KafkaCluster(producer, producer_properties(settings)),
        topic=settings.dlq_topic,
        origin=settings.topic,
        servers=settings.bootstrap_servers,
        create=settings.dlq_create,
    )
    return DeadLetterQueue(
        producer,
        topic=settings.dlq_topic,
        group=settings.group,
        timeout_seconds=settings.produce_timeout.total_seconds(),
        check=check,
    )


def make_producer(
    settings: Settings, client_log: ClientLog, more: Mapping[str, Any] | None = None
) -> Producer:
    """Make a producer that carries the current trace. Whoever made it polls and flushes it.

    *more* are properties that go before those of *settings*. Raises `Fatal` when it refuses them.
    """
    wanted = {**producer_properties(settings), **(more or {}), **client_log.callbacks()}
    try:
        return Producer(wanted)
    except (KafkaException, ValueError, TypeError) as error:
        raise Fatal(f"the producer cannot be made: {error}") from error
