"""The product's services on real Kafka and Postgres, one set of topics and tables a test."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from tests.infra import plain_http
from tests.infra.product import Product, address

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    import httpx

    from tests.infra.kafka import KafkaBroker
    from tests.infra.otlp import OtlpReceiver
    from tests.infra.process import Service


ANSWER_SECONDS = 60


class Game:
    """API, worker and tables on topics of their own."""

    def __init__(self, product: Product, topic: str) -> None:
        self.product = product
        self.topic = topic
        self.dlq = f"{topic}.dlq"
        self.group = f"consumer-of-{topic}"
        self.url = ""
        product.environment |= {
            "CONSUMERS_TOPIC": topic,
            "CONSUMERS_GROUP": self.group,
            "CONSUMERS_RATE_LIMIT": "unlimited",  # one player plays for everybody
            # So much that a machine which stands still costs no play.
            "CONSUMERS_PRODUCE_TIMEOUT": "30s",
            "CONSUMERS_REQUEST_TIMEOUT": "50s",
        }

    def start_api(self, **extra: str) -> Service:
        """Start the API and remember its address."""
        service = self.product.api(**extra)
        self.url = address(service)
        return service

    def start_worker(self, **extra: str) -> Service:
        """Start a worker."""
        return self.product.worker(**extra)

    def post(
        self, body: dict[str, Any] | bytes | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """Post one play; *body* replaces a good one."""
        good = {"player_id": "ada", "game": "sevens", "bet": 250}
        url = f"{self.url}/game/slots/play"
        if isinstance(body, bytes):
            json_type = {"content-type": "application/json"}
            return plain_http.post(
                url, content=body, headers=json_type | (headers or {}), timeout=ANSWER_SECONDS
            )
        return plain_http.post(
            url, json=good if body is None else body, headers=headers, timeout=ANSWER_SECONDS
        )

    def play(self, headers: dict[str, str] | None = None) -> dict[str, str]:
        """Post one good play and give the answer; it must have been accepted."""
        answer: dict[str, str] = self.post(headers=headers).raise_for_status().json()
        return answer


@pytest.fixture
def game(kafka: KafkaBroker, database: str, otlp: OtlpReceiver) -> Iterator[Game]:
    """Give a migrated game on fresh topics of the shared broker; nothing is started yet."""
    topic = f"plays-{uuid.uuid4().hex[:8]}"
    kafka.create_topic(topic, partitions=2)
    kafka.create_topic(f"{topic}.dlq", partitions=1)
    with Product(kafka=kafka.bootstrap_servers, database=database, otlp=otlp.endpoint) as product:
        product.migrate()
        yield Game(product, topic)
