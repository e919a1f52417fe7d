"""What the admin client's answers mean, on the library's own objects."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import TopicPartition as Answered

from lagmon.collector import answers
from lagmon.collector.answers import Failure
from lagmon.readings import Committed, PartitionOffsets, TopicPartition

AT = TopicPartition("plays", 3)
FORBIDDEN = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)


class Refused(Answered):
    """What the coordinator says of a partition that we may not see: only the client can make it."""

    error = FORBIDDEN


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        (Answered("plays", 3, 5), Committed(AT, 5)),
        (Answered("plays", 3, 0), Committed(AT, 0)),
        (Answered("plays", 3, -1001), Committed(AT, None)),
        (Answered("plays", 3, -1), Committed(AT, None, "the coordinator answered with offset -1")),
        (
            Refused("plays", 3),
            Committed(AT, None, "TOPIC_AUTHORIZATION_FAILED: Broker: Topic authorization failed"),
        ),
    ],
)
def test_a_commit_is_read(answer: Answered, meaning: Committed) -> None:
    """An error counts before the offset; only -1001 without one means never committed."""
    assert answers.committed([answer]) == (meaning,)


@pytest.mark.parametrize("given", [-1001, -1, -2])
def test_an_offset_below_nothing_is_unknown(given: int) -> None:
    """With the leader gone a call succeeds with -1001: that is no offset to count with."""
    assert answers.offset(given) == Failure(answers.SILENT)


def test_an_offset_of_nothing_is_one() -> None:
    """Offset 0 is an answer."""
    assert answers.offset(0) == 0


@pytest.mark.parametrize(
    ("code", "sound"),
    [
        (KafkaError.GROUP_AUTHORIZATION_FAILED, True),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, True),
        (KafkaError._UNSUPPORTED_FEATURE, True),
        (KafkaError.LEADER_NOT_AVAILABLE, True),
        (KafkaError._TIMED_OUT, False),
        (KafkaError._TRANSPORT, False),
        (KafkaError.FENCED_LEADER_EPOCH, False),
        (KafkaError.NOT_COORDINATOR, False),
        (KafkaError.COORDINATOR_LOAD_IN_PROGRESS, False),
        (KafkaError._NOENT, False),
    ],
)
def test_an_error_tells_whether_the_client_is_sound(code: int, *, sound: bool) -> None:
    """A refusal is an answer; a coordinator or leader that was not reached spoils the client."""
    failure = answers.failure(KafkaException(KafkaError(code)))

    assert failure.sound is sound
    assert failure.words.startswith(f"{KafkaError(code).name()}: ")


def test_a_refused_argument_is_no_fault_of_the_client() -> None:
    """What Python raises for a wrong argument becomes words as well."""
    assert answers.failure(ValueError("no group")) == Failure("ValueError: no group", sound=True)


@pytest.mark.parametrize(
    ("start", "high", "stable", "meaning"),
    [
        (0, 9, 9, PartitionOffsets(AT, 0, 9, 9)),
        (None, None, Failure("late"), PartitionOffsets(AT, error="late")),
        (None, Failure("gone"), 9, PartitionOffsets(AT, stable=9, error="gone")),
        (Failure("no start"), 9, 8, PartitionOffsets(AT, None, 9, 8, "no start")),
        (Failure("last"), Failure("then"), Failure("first"), PartitionOffsets(AT, error="first")),
    ],
)
def test_the_offsets_of_a_partition_are_put_together(
    start: int | Failure | None,
    high: int | Failure | None,
    stable: int | Failure | None,
    meaning: PartitionOffsets,
) -> None:
    """What came is kept, and the first call that failed says why the rest is missing."""
    assert answers.offsets(AT, start=start, high=high, stable=stable) == meaning
