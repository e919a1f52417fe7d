"""Write records to a topic around the API, as other programs and other releases would."""

from __future__ import annotations

import json
import secrets
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from confluent_kafka import Producer

from tests.faults.account import Place
from tests.faults.patience import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from confluent_kafka import KafkaError, Message

MOST_BYTES = 10_000_000  # the broker is to say what is too large


@dataclass(frozen=True, slots=True)
class Written:
    """One record to be written. Without *partition* its key decides."""

    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    partition: int = -1


def a_play(number: int) -> bytes:
    """Make the value of a record that holds a new play."""
    play = {
        "v": 1,
        "play_id": str(uuid.uuid4()),
        "player_id": f"writer-{number}",
        "game": "sevens",
        "bet": 100,
        "seed": secrets.token_hex(16),
        "accepted_at": int(time.time() * 1000),
    }
    return json.dumps(play).encode()


def written(servers: str, topic: str, records: Iterable[Written]) -> list[Place]:
    """Write *records* and give their places in the same order; raise unless all are safe."""
    places: dict[int, Place] = {}
    errors: list[object] = []

    def write(number: int, one: Written) -> None:
        def delivered(error: KafkaError | None, message: Message) -> None:
            partition, offset = message.partition(), message.offset()
            if error or partition is None or offset is None:
                errors.append(error)
            else:
                places[number] = Place(partition, offset)

        headers: list[tuple[str, str | bytes | None]] = [*one.headers]
        producer.produce(
            topic, one.value, one.key, one.partition, on_delivery=delivered, headers=headers
        )

    producer = Producer(
        {"bootstrap.servers": servers, "linger.ms": 5, "message.max.bytes": MOST_BYTES}
    )
    for number, one in enumerate(records):
        write(number, one)
    waiting = producer.flush(PATIENCE_SECONDS)
    if waiting or errors:
        raise RuntimeError(f"{topic}: {waiting} records without an answer, errors {errors}")
    return [places[number] for number in sorted(places)]
