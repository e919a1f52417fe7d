"""Put a worker together: settings and a handler in, a runtime on Kafka out. Nothing is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka import KafkaException

from consumers.deadletters.queue import DeadLetterQueue
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
    dead_letters = DeadLetterQueue(
        make_producer(settings, ClientLog("dead-letters", metrics)),
        topic=settings.dlq_topic,
        group=settings.group,
        timeout_seconds=settings.produce_timeout.total_seconds(),
    )
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


def make_producer(settings: Settings, client_log: ClientLog) -> Producer:
    """Make a producer that carries the current trace. Whoever made it polls and flushes it.

    Raises `Fatal` when it refuses its properties.
    """
    try:
        return Producer({**producer_properties(settings), **client_log.callbacks()})
    except (KafkaException, ValueError, TypeError) as error:
        raise Fatal(f"the producer cannot be made: {error}") from error
