"""What is asked of a cluster about topics ends in time, whether it answers or not."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaException, Producer

from consumers.deadletters import cluster
from consumers.deadletters.cluster import KafkaCluster, described
from consumers.deadletters.topic import TopicFacts

if TYPE_CHECKING:
    from collections.abc import Iterable


class SilentAdmin:
    """An AdminClient whose futures never end: librdkafka's own timeout may come later than ours."""

    def __init__(self, _properties: dict[str, Any]) -> None:
        """Ask nobody."""

    def describe_topics(self, topics: Any, **_: Any) -> dict[str, Future[Any]]:
        """Promise the rights."""
        return {name: Future() for name in topics.topic_names}

    def describe_configs(self, resources: Iterable[Any], **_: Any) -> dict[Any, Future[Any]]:
        """Promise the properties."""
        return {resource: Future() for resource in resources}

    def create_topics(self, topics: Iterable[Any]) -> dict[str, Future[Any]]:
        """Promise the topics."""
        return {topic.topic: Future() for topic in topics}


@pytest.fixture(autouse=True)
def silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no answer come, and nobody wait for it for long."""
    monkeypatch.setattr(cluster, "AdminClient", SilentAdmin)
    monkeypatch.setattr(cluster, "ANSWER_SECONDS", 0.01)


def test_what_is_not_answered_in_time_is_unknown() -> None:
    """Rights and properties that nobody gives stay unknown; the question raises nothing."""
    assert described({}, {"plays"}) == {"plays": TopicFacts()}


def test_a_topic_that_is_not_made_in_time_is_an_error_of_kafka() -> None:
    """Its caller catches those of Kafka, and no other."""
    with pytest.raises(KafkaException, match="Timed out"):
        KafkaCluster(Producer({}), {}).create("plays.dlq", 1, {})
