"""Put a worker together: settings and a handler in, a runtime on Kafka out. Nothing is started."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaException

from consumers.deadletters.cluster import KafkaCluster
from consumers.deadletters.limit import Limit
from consumers.deadletters.queue import PROPERTIES, DeadLetterQueue
from consumers.deadletters.topic import TopicCheck
from consumers.errors import Fatal, reaction_to
from consumers.kafka.client_log import ClientLog
from consumers.kafka.lasting import LastingProducer
from consumers.kafka.properties import (
    consumer_properties,
    poll_interval_seconds,
    producer_properties,
)
from consumers.kafka.source import KafkaSource
from consumers.runtime.backlog import QueuePolicy
from consumers.runtime.backoff import RetryPolicy
from consumers.runtime.flight import WorkPolicy
from consumers.runtime.kinds import Surroundings, make_executor
from consumers.runtime.loop import Runtime, StopPolicy
from consumers.traces import trace_id_of
from propagation import Producer, processing, processing_batch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from consumers.configuration.common import ConsumerSettings, KafkaSettings
    from consumers.errors import Reacting
    from consumers.kafka.properties import Properties
    from consumers.metrics import Metrics
    from consumers.ports import AnyHandler, DeadLetters
    from consumers.types import Record


def make_worker(
    settings: ConsumerSettings,
    handler: AnyHandler,
    metrics: Metrics,
    client_log: ClientLog,
    *,
    batch: bool = False,
    reaction: Reacting = reaction_to,
) -> Runtime:
    """Make the runtime that calls *handler* with every record of the topic in *settings*.

    With *batch* it is called with several records at once. A handler that is an ``async def`` is
    awaited. *client_log* hears the consumer, and knows whether a broker answers it. *reaction*
    decides what an exception of the handler leads to: `consumers.errors.reactions` makes one that
    knows classes of your own. The runtime's threads and its clients end with its `Runtime.run`.
    Raises `Fatal` when a client refuses its properties.
    """
    properties = consumer_properties(settings)
    source = KafkaSource(properties, settings.topic, client_log)
    dead_letters = make_dead_letters(settings, metrics)
    around = _surroundings(settings, source, dead_letters, metrics, reaction)
    return Runtime(
        source,
        make_executor(handler, settings.lanes, around, batch=batch),
        dead_letters,
        retry=around.policy,
        stop=_patience(settings, properties),
        metrics=metrics,
        work=WorkPolicy(
            by_key=settings.lanes > 1,
            batch_records=settings.batch_records if batch else 0,
            batch_seconds=settings.batch_wait.total_seconds(),
            slow_seconds=settings.slow_handler.total_seconds(),
        ),
        queue=QueuePolicy(
            max_records=settings.max_queued_records, max_bytes=settings.max_queued_bytes
        ),
        trace_of=lambda record: trace_id_of(record.message),
    )


def _patience(settings: ConsumerSettings, properties: Properties) -> StopPolicy:
    seconds = settings.shutdown_timeout.total_seconds()
    # Partitions go inside of a poll: half of its interval is kept, for the group to hear of us
    # again before it takes us for dead.
    return StopPolicy(seconds, min(seconds, poll_interval_seconds(properties) / 2))


def _surroundings(
    settings: ConsumerSettings,
    source: KafkaSource,
    dead_letters: DeadLetters,
    metrics: Metrics,
    reaction: Reacting,
) -> Surroundings:
    def in_trace(record: Record) -> AbstractContextManager[object]:
        return processing(record.message, consumer=source.consumer)

    def in_batch(records: Sequence[Record]) -> AbstractContextManager[object]:
        messages = [record.message for record in records]
        return processing_batch(messages, consumer=source.consumer)

    return Surroundings(
        processing=in_trace,
        processing_batch=in_batch,
        dead_letters=dead_letters,
        policy=RetryPolicy(
            retries=settings.retries,
            initial_seconds=settings.backoff_initial.total_seconds(),
            max_seconds=settings.backoff_max.total_seconds(),
            jitter=settings.backoff_jitter,
        ),
        metrics=metrics,
        limit=Limit(settings.dlq_limit_consecutive, settings.dlq_limit_ratio),
        reaction=reaction,
    )


def make_dead_letters(settings: ConsumerSettings, metrics: Metrics) -> DeadLetterQueue:
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
    settings: KafkaSettings, client_log: ClientLog, more: Mapping[str, Any] | None = None
) -> LastingProducer:
    """Make a producer that carries the current trace. Whoever made it polls and flushes it.

    *more* are properties that go before those of *settings*. Raises `Fatal` when it refuses them.
    """
    heard = {**client_log.callbacks(), **client_log.listening()}
    wanted = {**producer_properties(settings), **(more or {}), **heard}
    try:
        return LastingProducer(lambda: Producer(wanted), client_log)
    except (KafkaException, ValueError, TypeError) as error:
        raise Fatal(f"the producer cannot be made: {error}") from error
