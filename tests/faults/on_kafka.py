"""Faults of Kafka and of the way to it: restarted, gone, cut off, silent, slow, read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition

from tests.faults.stack import GROUP, PARTITIONS, POLL_SECONDS, SESSION_SECONDS, TOPIC
from tests.faults.told import Told
from tests.faults.writing import Written, a_play
from tests.infra.product import address
from tests.infra.wait import until

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

    from tests.faults.load import Load
    from tests.faults.stack import Stack

GONE_SECONDS = 2.5 * SESSION_SECONDS
ERRORS = "consumers_kafka_errors_total"
FOR_EVER_SECONDS = 3600.0
SLOW_SECONDS = 0.25  # in each direction


def broker_restart(stack: Stack, load: Load) -> str:
    """Restart the only broker in order."""
    worker = stack.one_worker()
    before = stack.metric(worker, ERRORS)
    stack.broker.restart()
    load.more(50)
    errors = until(
        lambda: stack.metric(worker, ERRORS) - before, timeout=30, what="the worker to notice"
    )
    return f"the worker met {errors:g} errors; {load.unsettled} requests got no yes"


def brokers_gone(stack: Stack, load: Load) -> str:
    """Kill the only broker, and start it again when every session has ended."""
    worker = stack.one_worker()
    before = stack.metric(worker, ERRORS)
    stack.broker.kill()
    load.stall(GONE_SECONDS)
    ready = httpx.get(f"{address(worker)}/readyz")
    stack.broker.start()
    load.more(50)
    errors = stack.metric(worker, ERRORS) - before
    assert errors
    assert ready.status_code == httpx.codes.SERVICE_UNAVAILABLE, ready.text
    assert worker.running
    return (
        f"no broker for {GONE_SECONDS:g} s and more: the worker met {errors:g} errors, was not"
        f" ready and went on; {load.unsettled} requests got no yes"
    )


def cut_off(stack: Stack, load: Load) -> str:
    """Cut a worker's connections to Kafka for longer than its session lasts."""
    worker = stack.one_worker()
    told = Told(worker).here()
    stack.kafka_proxy.cut()
    load.stall(GONE_SECONDS)
    stack.kafka_proxy.heal()
    lost = told.wait("partitions_lost")
    told.wait("partitions_assigned")
    return (
        f"after {GONE_SECONDS:g} s it lost {len(lost['partitions'])} partitions, and got them back"
    )


def half_open(stack: Stack, load: Load) -> str:
    """Let a worker's connections to Kafka stand open, with nothing coming through."""
    worker = stack.one_worker()
    told = Told(worker).here()
    stack.kafka_proxy.delay(FOR_EVER_SECONDS)
    load.stall(GONE_SECONDS)
    stack.kafka_proxy.delay(0)
    stack.kafka_proxy.cut()
    stack.kafka_proxy.heal()
    lost = told.wait("partitions_lost", timeout=60)
    told.wait("partitions_assigned", timeout=60)
    return (
        f"after {GONE_SECONDS:g} s it lost {len(lost['partitions'])} partitions, and got them back"
    )


def slow_network(stack: Stack, load: Load) -> str:
    """Delay every byte between a worker and Kafka."""
    worker = stack.one_worker()
    told = Told(worker).here()
    stack.kafka_proxy.delay(SLOW_SECONDS)
    load.more(100)
    new = stack.worker()
    assert not told.events("partitions_lost")
    assert stack.stop(new, 30) == 0
    stack.kafka_proxy.delay(0)
    return f"{2 * SLOW_SECONDS * 1000:g} ms a round trip; a second worker joined and left"


def offset_rewind(stack: Stack, load: Load) -> str:
    """Set the group back to the start of every partition while no worker runs."""
    load.more(100)
    assert stack.stop(stack.one_worker()) == 0
    back = [TopicPartition(TOPIC, number, 0) for number in range(PARTITIONS)]
    admin = stack.kafka.admin()
    wanted = [ConsumerGroupTopicPartitions(GROUP, back)]
    until(lambda: _reset(admin, wanted), timeout=30, what="the group to be empty")
    worker = stack.worker()
    told = Told(worker)
    until(lambda: len(told.events("play_known")) >= 100, timeout=60, what="plays to come again")
    load.more(20)
    return f"{len(told.events('play_known'))} plays were read again and found settled"


def duplicates(stack: Stack, load: Load) -> str:
    """Write each of a hundred plays twice, as a producer that retries without care would."""
    told = Told(stack.one_worker()).here()
    records = [Written(a_play(number), b"writer") for number in range(100)]
    stack.good(*records, *records)
    until(lambda: len(told.events("play_known")) >= 100, timeout=60, what="all to be known")
    load.more(20)
    return f"100 plays came twice; {len(told.events('play_known'))} were found settled"


def slow_handler(stack: Stack, _: Load) -> str:
    """Let a record take longer than ``max.poll.interval.ms``: the group must not notice."""
    stack.one_worker()
    worker = stack.worker(CONSUMERS_FINTECH_TIMEOUT="30s", CONSUMERS_SLOW_HANDLER="5s")
    stack.stop(stack.workers[0])
    told = Told(worker)
    stack.fault("slow", seconds=POLL_SECONDS + 3)
    slow = told.wait("handler_slow", timeout=60)
    until(lambda: stack.hits() >= 4, timeout=30, what="records in work")
    known = len(told.events("partitions_lost"))
    stack.fault("none")
    told.here().wait("play_settled", timeout=60)
    assert not known
    assert not told.events("partitions_lost"), "the group took it for dead"
    stack.worker()
    assert stack.stop(worker) == 0
    return (
        f"a record took {POLL_SECONDS + 3:g} s, with max.poll.interval.ms at {POLL_SECONDS:g} s;"
        f" warned of after {slow['seconds']:g} s; the worker stayed in the group"
    )


def _reset(admin: AdminClient, wanted: list[ConsumerGroupTopicPartitions]) -> bool:
    """Set the offsets; False while the group still has members."""
    answer = admin.alter_consumer_group_offsets(wanted)[GROUP]
    try:
        return all(one.error is None for one in answer.result(20).topic_partitions)
    except KafkaException:
        return False
