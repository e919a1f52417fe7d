"""Many futures as one."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from lagmon.collector.futures import gathered, is_sound

TIMED_OUT = KafkaException(KafkaError(KafkaError._TIMED_OUT))


def test_gathered_answers_come_together() -> None:
    """One future for many: each with its answer or its failure, and sound only if all are."""
    first: Future[Any] = Future()
    second: Future[Any] = Future()
    whole = gathered({"a": first, "b": second})

    first.set_result(1)
    early = whole.done()
    second.set_exception(TIMED_OUT)

    found = whole.result(timeout=0)
    assert not early
    assert found["a"] == 1
    assert not found["b"].sound
    assert not is_sound(found)
