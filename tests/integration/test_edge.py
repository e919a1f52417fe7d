"""The API decides what is recorded: for itself, and for everybody behind Kafka."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from tests.infra import plain_http
from tests.infra.product import Product, address
from tests.infra.reading import header, records

if TYPE_CHECKING:
    from tests.infra.mock_kafka import MockKafka

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
NOWHERE = "postgresql://127.0.0.1:1/game"
PLAY = {"player_id": "ada", "game": "sevens", "bet": 250}


@pytest.mark.parametrize("flags", ["00", "01", None])
@pytest.mark.parametrize(
    ("sampler", "sampled"), [("parentbased_always_off", 0), ("parentbased_always_on", 1)]
)
def test_the_record_carries_the_decision_of_the_api(
    mock_kafka: MockKafka, sampler: str, sampled: int, flags: str | None
) -> None:
    """Whatever flag a client sends, the record's traceparent has its trace id and our decision."""
    topic = f"plays-{uuid.uuid4().hex[:8]}"
    mock_kafka.create_topic(topic)
    sent = {"traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-{flags}"} if flags else {}

    with Product(kafka=mock_kafka.bootstrap_servers, database=NOWHERE) as product:
        api = product.api(CONSUMERS_TOPIC=topic, OTEL_TRACES_SAMPLER=sampler)
        answer = plain_http.post(
            f"{address(api)}/game/slots/play", json=PLAY, headers=sent, timeout=30
        )

    assert answer.status_code == 202
    [record] = records(mock_kafka.bootstrap_servers, topic, 1)
    _, trace_id, _, decided = (header(record, "traceparent") or "").split("-")
    assert trace_id == answer.headers["x-trace-id"]
    assert (trace_id == TRACE_ID) == bool(sent)
    assert int(decided, 16) & 1 == sampled
