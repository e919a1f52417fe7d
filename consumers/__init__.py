"""A Kafka consumer runtime that loses nothing, and the game that is built on it.

Write a function ``handle(record)``; what it raises decides what becomes of the record::

    from consumers import Poison, Record

    def handle(record: Record) -> None:
        if record.value is None:
            raise Poison("a play has a value")
"""

from __future__ import annotations

from consumers.errors import (
    BindError,
    ConsumersError,
    DeadLetterFailed,
    Fatal,
    HandlerError,
    Poison,
    Retryable,
    SettingsError,
    Unavailable,
)
from consumers.types import Record, TopicPartition

try:
    from consumers.guard import Guard
    from consumers.instruments import observe_end_to_end
except ModuleNotFoundError as error:
    raise ImportError("consumers needs: pip install 'lagmon[consumers]'") from error

__all__ = [
    "BindError",
    "ConsumersError",
    "DeadLetterFailed",
    "Fatal",
    "Guard",
    "HandlerError",
    "Poison",
    "Record",
    "Retryable",
    "SettingsError",
    "TopicPartition",
    "Unavailable",
    "observe_end_to_end",
]
