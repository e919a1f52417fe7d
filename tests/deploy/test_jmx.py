"""deploy/kafka/jmx.yml, read by the real agent inside a real broker that has something to tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from confluent_kafka import Consumer, Producer
from prometheus_client.parser import text_string_to_metric_families

from tests.infra.kafka import KafkaBroker
from tests.infra.kafka_jmx import options, page_url
from tests.infra.ports import free_port
from tests.infra.require import required
from tests.infra.wait import until

if TYPE_CHECKING:
    from prometheus_client import Metric

TOPIC, PARTITIONS, RECORDS = "plays", 2, 30
REQUESTS = {
    "Produce",
    "FetchConsumer",
    "FetchFollower",
    "OffsetCommit",
    "OffsetFetch",
    "Metadata",
}


@pytest.fixture(scope="module")
def page() -> dict[str, Metric]:
    """Give what a broker prints that took records, gave them and has a group that committed."""
    port = free_port()
    with required(), KafkaBroker(own=True, java_options=options(port)) as broker:
        broker.create_topic(TOPIC, PARTITIONS)
        produce(broker.bootstrap_servers)
        consume(broker.bootstrap_servers)
        text = httpx.get(page_url(port), timeout=30).raise_for_status().text
    return {family.name: family for family in text_string_to_metric_families(text)}


def produce(servers: str) -> None:
    """Write RECORDS records, in turn to each partition."""
    producer = Producer({"bootstrap.servers": servers})
    for number in range(RECORDS):
        producer.produce(TOPIC, b"x" * 100, partition=number % PARTITIONS)
    assert producer.flush(30) == 0
    del producer  # a client that is still there complains when its broker goes


def consume(servers: str) -> None:
    """Read every record in a group, and commit."""
    read = 0
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "readers",
            "group.protocol": "consumer",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([TOPIC])

    def all_read() -> bool:
        nonlocal read
        read += sum(message.error() is None for message in consumer.consume(RECORDS, timeout=0.5))
        return read >= RECORDS

    until(all_read, timeout=60, what="every record")
    consumer.commit(asynchronous=False)
    consumer.close()


def values(page: dict[str, Metric], name: str, *labels: str) -> dict[tuple[str, ...], float]:
    """Give the samples called *name* by the values of *labels*; fails if one has others."""
    family = page[name.removesuffix("_total")]
    samples = [sample for sample in family.samples if sample.name == name]
    assert {tuple(sorted(sample.labels)) for sample in samples} == {tuple(sorted(labels))}
    return {tuple(sample.labels[label] for label in labels): sample.value for sample in samples}


def test_traffic_is_counted_by_topic(page: dict[str, Metric]) -> None:
    """Records and bytes are counted for each topic, and no other series would double their sum."""
    prefix = "kafka_server_brokertopicmetrics"

    messages = values(page, f"{prefix}_messagesin_total", "topic")
    written = values(page, f"{prefix}_bytesin_total", "topic")
    read = values(page, f"{prefix}_bytesout_total", "topic")

    assert messages[(TOPIC,)] == RECORDS
    assert written[(TOPIC,)] > RECORDS * 100
    assert read[(TOPIC,)] >= written[(TOPIC,)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kafka_controller_kafkacontroller_activecontrollercount", 1),
        ("kafka_controller_kafkacontroller_activebrokercount", 1),
        ("kafka_controller_kafkacontroller_offlinepartitionscount", 0),
        ("kafka_controller_kafkacontroller_fencedbrokercount", 0),
        ("kafka_server_replicamanager_partitioncount", PARTITIONS + 1),  # with the groups' topic
        ("kafka_server_replicamanager_leadercount", PARTITIONS + 1),
        ("kafka_server_replicamanager_underreplicatedpartitions", 0),
        ("kafka_server_replicamanager_underminisrpartitioncount", 0),
        ("kafka_server_replicamanager_offlinereplicacount", 0),
        ("kafka_server_replicamanager_isrshrinks_total", 0),
        ("kafka_log_logmanager_offlinelogdirectorycount", 0),
    ],
)
def test_a_healthy_broker_says_so(page: dict[str, Metric], name: str, value: float) -> None:
    """Each count by which a broker's health is judged is there, once, and that of a healthy one."""
    assert values(page, name) == {(): value}


def test_idleness_is_a_share(page: dict[str, Metric]) -> None:
    """What Kafka calls percent is a ratio, and is named so."""
    for name in (
        "kafka_server_kafkarequesthandlerpool_requesthandleravgidle_ratio",
        "kafka_network_socketserver_networkprocessoravgidle_ratio",
    ):
        # A percentage would be near 100; a meter that began while Java stood still is above 1.
        assert 0 <= values(page, name)[()] < 10


def test_each_request_has_its_quantiles(page: dict[str, Metric]) -> None:
    """How long an answer takes is there by request and quantile, and how many there were."""
    name = "kafka_network_requestmetrics_totaltime_milliseconds"

    took = values(page, name, "request", "quantile")
    answered = values(page, "kafka_network_requestmetrics_requests_total", "request")

    quantiles = ("0.50", "0.95", "0.99", "0.999")
    assert set(took) == {(request, at) for request in REQUESTS for at in quantiles}
    assert all(took[request, "0.50"] <= took[request, "0.999"] for request in REQUESTS)
    assert answered[("Produce",)] > 0


def test_each_partition_has_its_size(page: dict[str, Metric]) -> None:
    """The bytes on disk are there for each partition."""
    sizes = values(page, "kafka_log_log_size_bytes", "topic", "partition")

    assert all(sizes[TOPIC, str(partition)] > 0 for partition in range(PARTITIONS))


def test_java_itself_is_watched(page: dict[str, Metric]) -> None:
    """The page has Java's memory, its collector and the process, under their usual names."""
    assert {
        "jvm_memory_used_bytes",
        "jvm_gc_collection_seconds",
        "process_cpu_seconds",
        "process_open_fds",
    } <= page.keys()
