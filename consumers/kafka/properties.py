"""librdkafka properties: what this package sets, what a deployment adds, and which client takes it.

Pure. What the promises of the runtime hang on is set last and cannot be overridden: nothing is
committed before it is done, nothing counts as written before every in-sync replica has it. All
else is a default that ``client:`` in the settings may change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from consumers.configuration.common import ConsumerSettings, KafkaSettings

Properties = dict[str, Any]

# A broker that is away is asked once a second, then more slowly: 23 lines of log in 11 s, not 186.
SHARED: Properties = {"reconnect.backoff.ms": 1000, "reconnect.backoff.max.ms": 5000}

# A topic that is made after the worker started is found within ten seconds, not five minutes.
CONSUMER: Properties = {"topic.metadata.refresh.interval.ms": 10_000}
MAX_POLL_INTERVAL_MS = 300_000  # librdkafka's own
COOPERATIVE: Properties = {"partition.assignment.strategy": "cooperative-sticky"}

# librdkafka warns about a property that belongs to the other kind of client (CONFIGURATION.md,
# column C/P), and ``client:`` is read by both.
CONSUMER_ONLY = frozenset(
    """
    allow.auto.create.topics auto.commit.interval.ms auto.offset.reset check.crcs
    coordinator.query.interval.ms enable.auto.commit enable.auto.offset.store enable.partition.eof
    fetch.error.backoff.ms fetch.max.bytes fetch.message.max.bytes fetch.min.bytes
    fetch.queue.backoff.ms fetch.wait.max.ms group.id group.instance.id group.protocol
    group.protocol.type group.remote.assignor heartbeat.interval.ms isolation.level
    max.partition.fetch.bytes max.poll.interval.ms partition.assignment.strategy
    queued.max.messages.kbytes queued.min.messages session.timeout.ms
    """.split()  # noqa: SIM905 - a page of quotes and commas hides the names
)
PRODUCER_ONLY = frozenset(
    """
    acks batch.num.messages batch.size compression.codec compression.level compression.type
    delivery.report.only.error delivery.timeout.ms enable.gapless.guarantee enable.idempotence
    linger.ms message.send.max.retries message.timeout.ms partitioner
    queue.buffering.backpressure.threshold queue.buffering.max.kbytes queue.buffering.max.messages
    queue.buffering.max.ms queuing.strategy request.required.acks request.timeout.ms retries
    sticky.partitioning.linger.ms transaction.timeout.ms transactional.id
    """.split()  # noqa: SIM905 - a page of quotes and commas hides the names
)


def consumer_properties(settings: ConsumerSettings) -> Properties:
    """Give the properties of a worker's consumer."""
    member: Properties = {
        "client.id": settings.group,
        "auto.offset.reset": settings.offset_reset,
        "group.protocol": settings.group_protocol,
    }
    if settings.instance_id:
        member["group.instance.id"] = settings.instance_id
    wanted = {**member, **reader_properties(settings), "group.id": settings.group}
    # With the new protocol (KIP-848) the broker assigns, and librdkafka refuses a strategy.
    return {**(COOPERATIVE if wanted["group.protocol"] == "classic" else {}), **wanted}


def poll_interval_seconds(properties: Properties) -> float:
    """Give how long the group waits for the next poll of a consumer with *properties*."""
    return float(properties.get("max.poll.interval.ms", MAX_POLL_INTERVAL_MS)) / 1000


def reader_properties(settings: KafkaSettings) -> Properties:
    """Give the properties of any consumer; who it is and where it begins is left to the caller."""
    given = {key: value for key, value in settings.client.items() if key not in PRODUCER_ONLY}
    return {
        **SHARED,
        **CONSUMER,
        **given,
        "bootstrap.servers": settings.bootstrap_servers,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
    }


def producer_properties(settings: KafkaSettings) -> Properties:
    """Give the properties of a producer that is asked for one record and waits for its answer.

    A record is given up after ``produce_timeout``, so that none arrives long after its writer was
    told that it had failed.
    """
    given = {key: value for key, value in settings.client.items() if key not in CONSUMER_ONLY}
    return {
        **SHARED,
        "linger.ms": 0,  # whoever waits for one answer must not wait for company: 0.2 ms, not 5.2
        **given,
        "bootstrap.servers": settings.bootstrap_servers,
        "acks": "all",
        "enable.idempotence": True,
        "delivery.timeout.ms": max(1, round(settings.produce_timeout.total_seconds() * 1000)),
    }
