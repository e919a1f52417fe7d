"""Where the pages find Kafka: each runs on librdkafka's mock cluster, and on a real broker."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from tests.docs.clusters import Cluster
from tests.docs.pages import mock_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.infra.kafka import KafkaBroker

# What the pages send to, with as many partitions as the mock cluster gives it.
TOPICS = {"orders": 4, "orders.retry.2": 1, "orders.retry.3": 1, "orders.dlq": 1}


@pytest.fixture(params=["mock", "real"])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Give a Kafka where the topics of the pages are empty."""
    if request.param == "mock":
        with mock_cluster("orders") as servers:
            yield Cluster(servers, protocol="consumer")
        return
    kafka: KafkaBroker = request.getfixturevalue("kafka")
    there = Cluster(kafka.bootstrap_servers, suffix=f"-{uuid.uuid4().hex[:8]}")
    for topic, partitions in TOPICS.items():
        kafka.create_topic(there.name(topic), partitions)
    yield there
    for topic in TOPICS:
        kafka.delete_topic(there.name(topic))
