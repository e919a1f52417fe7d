"""Faults of Kafka and of the way to it: restarted, gone, cut off, silent, slow, read again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition

from tests.faults.asking import ANSWER_SECONDS
from tests.faults.patience import asked, awaited
from tests.faults.settings import GROUP, PARTITIONS, SHORT, TOPIC
from tests.faults.told import Told
from tests.faults.writing import Written, a_play
from tests.infra.product import address

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

    from tests.faults.load import Load
    from tests.faults.stack import Stack
    from tests.infra.process import Service

ERRORS = "consumers_kafka_errors_total"
FOR_EVER_SECONDS = 3600.0
REWOUND = 50  # records of each partition: going back to the start would only last longer
PATIENT_SECONDS = 12  # a member whose goodbye the proxy swallows is waited for as long
SLOW_SECONDS = 0.25  # in each direction
POLL_SECONDS = 10.0


def broker_restart(stack: Stack, load: Load) -> str:
    """Restart the only broker in order."""
    worker = stack.one_worker()
    before = stack.metric(worker, ERRORS)
    stack.broker.restart()
    load.more(50)
    errors = awaited(lambda: stack.metric(worker, ERRORS) - before, what="the worker to notice")
    return f"the worker met {errors:g} errors; {load.unsettled} requests got no yes"


def brokers_gone(stack: Stack, load: Load) -> str:
    """Kill the only broker, and start it again when every session has ended."""
    worker = stack.one_worker()
    before = stack.metric(worker, ERRORS)
    stack.broker.kill()
    load.stall(stack.times.gone_seconds)
    awaited(lambda: _unready(worker), what="the worker to be not ready")
    stack.broker.start()
    load.more(50)
    errors = awaited(
        lambda: stack.metric(worker, ERRORS) - before, what="the worker to count errors"
    )
    assert worker.running
    return (
        f"no broker for {stack.times.gone_seconds:g} s and more: the worker met {errors:g} errors,"
        f" was not ready and went on; {load.unsettled} requests got no yes"
    )


def _unready(worker: Service) -> bool:
    return asked(f"{address(worker)}/readyz").status_code == httpx.codes.SERVICE_UNAVAILABLE


def cut_off(stack: Stack, load: Load) -> str:
    """Cut a worker's connections to Kafka for longer than its session lasts."""
    worker = stack.one_worker()
    told = Told(worker).here()
    stack.kafka_proxy.cut()
    load.stall(stack.times.gone_seconds)
    stack.kafka_proxy.heal()
    lost = told.wait("partitions_lost")
    told.wait("partitions_assigned")
    return _lost_for_a_while(stack, lost)


def half_open(stack: Stack, load: Load) -> str:
    """Let a worker's connections to Kafka stand open, with nothing coming through."""
    worker = stack.one_worker()
    told = Told(worker).here()
    stack.kafka_proxy.delay(FOR_EVER_SECONDS)
    load.stall(stack.times.gone_seconds)
    stack.kafka_proxy.delay(0)
    stack.kafka_proxy.cut()
    stack.kafka_proxy.heal()
    lost = told.wait("partitions_lost")
    told.wait("partitions_assigned")
    return _lost_for_a_while(stack, lost)


def _lost_for_a_while(stack: Stack, lost: dict[str, Any]) -> str:
    return (
        f"after {stack.times.gone_seconds:g} s it lost {len(lost['partitions'])} partitions, and"
        " got them back"
    )


def slow_network(stack: Stack, load: Load) -> str:
    """Delay every byte between workers and Kafka: they go on polling, one comes and one leaves."""
    # Their session outlasts most of what a busy machine takes away beside the network.
    patient = replace(
        stack.times, session_seconds=max(stack.times.session_seconds, PATIENT_SECONDS),
        poll_seconds=max(stack.times.poll_seconds, 2 * PATIENT_SECONDS),
    )  # fmt: skip
    old, worker = stack.one_worker(), stack.worker(times=patient)
    assert stack.stop(old) == 0
    told = Told(worker).here()
    stack.kafka_proxy.delay(SLOW_SECONDS)
    load.more(100)
    new = stack.worker(times=patient)
    stack.shared(worker, new)
    assert told.polled()
    assert stack.stop(new) == 0
    stack.kafka_proxy.delay(0)
    stack.worker()
    assert stack.stop(worker) == 0
    return f"{2 * SLOW_SECONDS * 1000:g} ms a round trip; a second worker joined and left"


def offset_rewind(stack: Stack, load: Load) -> str:
    """Set the group back in every partition while no worker runs."""
    awaited(
        lambda: sum(stack.watch.committed.values()) >= PARTITIONS * REWOUND,
        what="plays to go back to",
    )
    assert stack.stop(stack.one_worker()) == 0
    committed = dict(stack.watch.committed)
    wanted = {number: max(0, offset - REWOUND) for number, offset in committed.items()}
    back = [TopicPartition(TOPIC, number, offset) for number, offset in wanted.items()]
    admin, asked_for = stack.kafka.admin(), [ConsumerGroupTopicPartitions(GROUP, back)]
    awaited(lambda: _reset(admin, asked_for), what="the group to be empty")
    plays = [
        play
        for at, play in stack.watch.records.copy().items()
        if play and wanted.get(at.partition, 0) <= at.offset < committed.get(at.partition, 0)
    ]
    settled = {*plays} - stack.truth.unsettled(plays)
    told = Told(stack.worker())
    awaited(lambda: settled <= _known(told), what="the plays to come again")
    load.more(20)
    return f"{len(settled)} plays were read again and found settled"


def _known(told: Told) -> set[str]:
    """Name the plays that came again and were found settled."""
    return {line["play_id"] for line in told.events("play_known")}


def duplicates(stack: Stack, load: Load) -> str:
    """Write each of a hundred plays twice, as a producer that retries without care would."""
    told = Told(stack.one_worker()).here()
    records = [Written(a_play(number), b"writer-%d" % number) for number in range(100)]
    stack.good(*records, *records)
    awaited(lambda: len(told.events("play_known")) >= 100, what="all to be known")
    load.more(20)
    return f"100 plays came twice; {len(told.events('play_known'))} were found settled"


def slow_handler(stack: Stack, _: Load) -> str:
    """Let a record take longer than ``max.poll.interval.ms``: the group must not notice."""
    stack.one_worker()
    # Also on a stack with production's times. Its session lasts as long as librdkafka lets it.
    times = replace(SHORT, session_seconds=POLL_SECONDS, poll_seconds=POLL_SECONDS)
    worker = stack.worker(times=times, CONSUMERS_FINTECH_TIMEOUT="30s", CONSUMERS_SLOW_HANDLER="5s")
    stack.stop(stack.workers[0])
    told = Told(worker)
    stack.fault("slow", seconds=POLL_SECONDS + 3)
    slow = told.wait("handler_slow")
    awaited(lambda: stack.hits() >= 4, what="records in work")
    stack.fault("none")
    awaited(
        lambda: [s for s in told.events("play_settled") if s["latency_ms"] > POLL_SECONDS * 1000],
        what="a record that took so long",
    )
    assert told.polled(), "the group took it for dead"
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
        return all(one.error is None for one in answer.result(ANSWER_SECONDS).topic_partitions)
    except KafkaException:
        return False
