"""What is left out when a partition cannot begin where the group wants to."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from consumers.kafka.beginnings import Beginnings, Gap, gap
from consumers.kafka.client_log import ClientLog
from consumers.metrics import Metrics

LOW, HIGH = 7, 20
TIMED_OUT = KafkaException(KafkaError(KafkaError._TIMED_OUT))


@pytest.mark.parametrize(
    ("wanted", "earliest", "expected", "records"),
    [
        (3, True, Gap(begin=7, first=3), 4),
        (3, False, Gap(begin=20, first=3), 17),
        (25, True, Gap(begin=7, first=7), 0),
        (25, False, Gap(begin=20, first=7), 13),
    ],
)
def test_what_nobody_will_handle_is_known_by_its_offsets(
    wanted: int, expected: Gap, records: int, *, earliest: bool
) -> None:
    """Deleted records count, those that latest skips too; a log that was made anew is all new."""
    found = gap(wanted, LOW, HIGH, earliest=earliest)

    assert found == expected
    assert found.records == records


class SilentConsumer:
    """A consumer whose broker says *first* of the log, and only then what there is of it."""

    def __init__(self, first: Exception | None) -> None:
        self._first: list[Exception | None] = [first]
        self.assigned: list[tuple[int, int]] = []  # partition and offset

    def get_watermark_offsets(self, *_: Any, **__: Any) -> tuple[int, int] | None:
        """Give the ends of the log, or not."""
        if not self._first:
            return LOW, HIGH
        first = self._first.pop()
        if first is not None:
            raise first
        return None

    def incremental_unassign(self, _: list[TopicPartition]) -> None:
        """Let them go."""

    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        """Note where they begin."""
        self.assigned += [(one.partition, one.offset) for one in partitions]


@pytest.mark.parametrize("first", [None, TIMED_OUT], ids=["no answer", "an error"])
def test_a_partition_of_which_no_broker_tells_is_asked_for_again(first: Exception | None) -> None:
    """It waits, and those behind it, and all begin when somebody answers: none is forgotten."""
    given = {"auto.offset.reset": "earliest", "group.protocol": "consumer"}
    beginnings = Beginnings(given, ClientLog("consumer", Metrics()))
    consumer: Any = SilentConsumer(first)
    why = KafkaError(KafkaError._AUTO_OFFSET_RESET)
    for partition in (0, 1):
        beginnings.missing(Message(topic="plays", partition=partition, offset=3, error=why))

    beginnings.begin(consumer)
    before = list(consumer.assigned)
    beginnings.begin(consumer)

    assert before == []
    assert consumer.assigned == [(0, LOW), (1, LOW)]
