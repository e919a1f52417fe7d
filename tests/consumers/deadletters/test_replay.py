"""As what a record comes back, and what a replay does about refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from consumers.deadletters.envelope import envelope
from consumers.deadletters.replay import (
    BATCH_BYTES,
    BATCH_RECORDS,
    Replayer,
    batches,
    returned,
)
from consumers.errors import Fatal, Poison
from propagation.forwarding import FIRST_SENT
from propagation.testing import message
from tests.builders import record
from tests.consumers.deadletters.builders import TRACED, dead

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_record_goes_back_with_its_own_headers_and_a_count() -> None:
    """What the dead-letter queue added is gone, all else is as it was, in order and doubled."""
    original = [("b", b"\xff"), ("a", None), ("b", b""), *TRACED]

    headers = returned(dead(headers=original), 1)

    assert headers == [*original, (FIRST_SENT, b"1700000000000"), ("dlq.replays", b"1")]


def test_a_second_replay_counts_on() -> None:
    """The count stands once, however often the record goes round."""
    again = record(9, headers=returned(dead(), 1))
    second = message(headers=envelope(again, Poison("no"), group="g", attempts=1), timestamp=1)

    headers = returned(second, 2)

    assert [value for name, value in headers if name.startswith("dlq.")] == [b"2"]


def test_a_transaction_takes_a_bounded_number_of_records_and_bytes() -> None:
    """Batches hold everything, in order, and end at either bound."""
    small = [dead(offset) for offset in range(BATCH_RECORDS + 1)]
    big = [dead(offset, value=b"v" * (BATCH_BYTES // 2)) for offset in range(3)]

    assert [len(batch) for batch in batches(small)] == [BATCH_RECORDS, 1]
    assert [len(batch) for batch in batches(big)] == [2, 1]
    assert [one for batch in batches(small) for one in batch] == small
    assert list(batches([])) == []


class RefusingProducer:
    """A producer whose broker refuses *refused*; it tells first what followed from that."""

    def __init__(self, refused: bytes) -> None:
        self._refused = refused
        self._begun: list[tuple[bytes | None, Callable[[KafkaError | None, Any], None]]] = []
        self.committed: list[bytes | None] = []
        self._has_refused = False
        self.upset = 0  # how many transactions after a refusal still fail by what it left behind

    def begin_transaction(self) -> None:
        """Forget what was undone."""
        self._begun = []

    def produce(self, _: str, value: bytes | None = None, *_1: Any, **more: Any) -> None:
        """Keep it."""
        self._begun.append((value, more["on_delivery"]))

    def poll(self, _: float) -> None:
        """Report nothing yet."""

    def commit_transaction(self, _: float) -> None:
        """Fail as librdkafka does, without a report."""
        if any(value == self._refused for value, _ in self._begun):
            follows = KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER
            raise KafkaException(KafkaError(follows, "skipped sequence numbers"))
        if self.upset and self._has_refused:
            self.upset -= 1
            raise KafkaException(KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "still"))
        self.committed += [value for value, _ in self._begun]

    def abort_transaction(self, _: float) -> None:
        """Report what became of each."""
        for value, on_delivery in self._begun:
            big = value == self._refused
            self._has_refused |= big
            why = KafkaError.MSG_SIZE_TOO_LARGE if big else KafkaError._PURGE_QUEUE
            on_delivery(KafkaError(why), None)


def test_a_refusal_that_is_heard_of_late_concerns_its_record_alone() -> None:
    """A broker refuses one; the transaction fails with what followed, and reports it when undone.

    So it goes with real brokers when records stood behind the one that was refused.
    """
    producer = RefusingProducer(b"big")
    replayer = Replayer(producer, "plays.dlq", {"plays": 1})  # type: ignore[arg-type] # a stand-in
    letters = [dead(0, value=b"a"), dead(1, at=8, value=b"big"), dead(2, at=9, value=b"c")]

    assert list(replayer.replay(letters)) == [2]
    assert [value for value in producer.committed if value] == [b"a", b"c"]
    assert [(one.place.offset, why) for one, why in replayer.failures] == [
        (1, "its topic refuses it: MSG_SIZE_TOO_LARGE")
    ]


@pytest.mark.parametrize("upset", [1, 2])
def test_what_a_refusal_leaves_behind_is_tried_again(upset: int) -> None:
    """The transactions after it may fail, too, until the client has its order: nothing is lost."""
    producer = RefusingProducer(b"big")
    producer.upset = upset
    replayer = Replayer(producer, "plays.dlq", {"plays": 1})  # type: ignore[arg-type] # a stand-in

    assert list(replayer.replay([dead(0, value=b"big"), dead(1, at=8, value=b"c")])) == [1]
    assert [value for value in producer.committed if value] == [b"c"]


def test_a_client_that_stays_upset_ends_the_replay() -> None:
    """After three tries of one record it is said why; nothing is written."""
    producer = RefusingProducer(b"big")
    producer.upset = 3
    replayer = Replayer(producer, "plays.dlq", {"plays": 1})  # type: ignore[arg-type] # a stand-in

    with pytest.raises(Fatal, match="cannot go on: OUT_OF_ORDER_SEQUENCE_NUMBER: still"):
        list(replayer.replay([dead(0, value=b"big"), dead(1, at=8, value=b"c")]))
    assert producer.committed == []
