"""Asking for records by their time: what one request asks, and what each answer means."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import ListOffsetsResultInfo  # type: ignore[attr-defined] # there

from lagmon.collector import offsets as asking
from lagmon.collector import patience, probes
from lagmon.collector.calls import Calls, Deadline
from lagmon.collector.probes import probe
from lagmon.collector.questions import Questions
from lagmon.readings import PartitionOffsets, Probe, ProbeRequest
from tests.lagmon.builders import NOON, at, offsets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from confluent_kafka import TopicPartition as Asked

    from lagmon.collector.client import Client

FORBIDDEN = KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
TIMED_OUT = KafkaException(KafkaError(KafkaError._TIMED_OUT))


@pytest.fixture(autouse=True)
def enough_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a cycle's time for probes last longer than a machine stands still."""
    monkeypatch.setattr(probes, "PROBE_SECONDS", 60.0)


class Log:
    """Stands for a client whose partitions answer as *answer* says: offset, milliseconds.

    Where it gives None no answer ever comes.
    """

    generation = 0

    def __init__(self, answer: Callable[[int], tuple[int, int] | Exception | None] | None) -> None:
        self._answer = answer
        self.calls: list[list[int]] = []
        self.recycled: list[str] = []

    @property
    def admin(self) -> Log:
        """Be the client's client."""
        return self

    def recycle(self, reason: str) -> None:
        """Note that the client was dropped."""
        self.recycled.append(reason)
        self.generation += 1

    def listen(self) -> None:
        """Have nothing to say."""

    def list_offsets(self, specs: Mapping[Asked, Any], **_: object) -> dict[Asked, Future[Any]]:
        """Answer each partition by its number."""
        self.calls.append([name.partition for name in specs])
        if self._answer is None:
            raise ValueError("refused")
        return {name: ended(self._answer(name.partition)) for name in specs}


def ended(answer: tuple[int, int] | Exception | None) -> Future[Any]:
    """Give a future that holds *answer*, if there is one."""
    future: Future[Any] = Future()
    if isinstance(answer, Exception):
        future.set_exception(answer)
    elif answer is not None:
        future.set_result(ListOffsetsResultInfo(*answer, -1))
    return future


def through(log: Log, fan_out: int = 50) -> Questions:
    """Build what asks *log*."""
    client: Client = log  # type: ignore[assignment] # has what is used of it
    return Questions(Calls(client, request_timeout=60, fan_out=fan_out), client)


def asked(
    log: Log, *asked: ProbeRequest, topics: tuple[PartitionOffsets, ...] = (), fan_out: int = 50
) -> Any:
    """Ask *log* about partitions that have all answered, or about *topics*."""
    known = topics or tuple(offsets(number) for number in {q.at.partition for q in asked})
    return probe(asked, known, through(log, fan_out), Deadline(60))


def test_the_answer_is_the_records_offset_and_its_own_time() -> None:
    """Kafka's milliseconds become seconds, and the answer repeats its question."""
    question = ProbeRequest(at(), NOON)

    (answer,) = asked(Log(lambda _: (17, 1_764_000_000_250)), question)

    assert answer == Probe(question, 17, NOON + 0.25)


def test_no_record_so_young_is_an_answer() -> None:
    """Offset -1 of a call that succeeded is no error: there is no such record."""
    question = ProbeRequest(at(), NOON)

    assert asked(Log(lambda _: (-1, -1)), question) == (Probe(question),)


@pytest.mark.parametrize("answer", [(-1001, -1), (5, -1)], ids=["leader gone", "no time"])
def test_what_is_no_offset_is_an_error(answer: tuple[int, int]) -> None:
    """A leader that is gone answers -1001 without an error: nothing is made of that."""
    (found,) = asked(Log(lambda _: answer), ProbeRequest(at(), NOON))

    assert found.offset is None
    assert found.error is not None


def test_one_request_asks_each_partition_one_thing() -> None:
    """Questions about one partition go into requests of their own, whatever their order."""
    log = Log(lambda _: (1, 1))

    found = asked(log, *(ProbeRequest(at(n), NOON + k) for n in range(2) for k in range(3)))

    assert log.calls == [[0, 1], [0, 1], [0, 1]]
    assert len(found) == 6


def test_a_request_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """More partitions than a request may have are asked by the next one."""
    monkeypatch.setattr(asking, "AT_ONCE", 2)
    log = Log(lambda _: (1, 1))

    found = asked(log, *(ProbeRequest(at(number), NOON) for number in range(5)))

    assert [len(call) for call in log.calls] == [2, 2, 1]
    assert len(found) == 5


def test_a_partition_that_has_just_not_answered_is_not_asked() -> None:
    """Where the end is unknown the leader is silent: a call would wait for it."""
    log = Log(lambda _: (1, 1))
    silent = PartitionOffsets(at(1), error="LEADER_NOT_AVAILABLE: none")

    found = asked(log, *(ProbeRequest(at(n), NOON) for n in (0, 1)), topics=(offsets(0), silent))

    assert log.calls == [[0]]
    assert [one.question.at.partition for one in found] == [0]


def test_a_refusal_is_the_answer_of_its_partition_alone() -> None:
    """What one partition may not be asked costs neither the others nor the client."""
    log = Log(lambda number: FORBIDDEN if number else (1, 1))

    good, bad = asked(log, ProbeRequest(at(0), NOON), ProbeRequest(at(1), NOON))

    assert good.error is None
    assert bad.error.startswith("TOPIC_AUTHORIZATION_FAILED: ")
    assert not log.recycled


def test_after_a_time_out_the_client_is_dropped() -> None:
    """A client that has failed is not asked again: the rest is asked of the next one."""
    log = Log(lambda number: (1, 1) if number else TIMED_OUT)

    late, good = asked(log, *(ProbeRequest(at(n), NOON + n) for n in (0, 1)), fan_out=1)

    assert late.error.startswith("_TIMED_OUT: ")
    assert good.offset == 1
    assert len(log.recycled) == 1


def test_who_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What hangs has no answer in this cycle, and costs no more than others are usually given."""
    monkeypatch.setattr(patience, "FIRST_SECONDS", 0.05)
    monkeypatch.setattr(asking, "AT_ONCE", 1)
    log = Log(lambda number: (1, 1) if number else None)

    (found,) = asked(log, *(ProbeRequest(at(number), NOON) for number in (0, 1)))

    assert found.question.at == at(1)
    assert not log.recycled


def test_a_call_that_is_refused_is_an_answer() -> None:
    """What the client library itself refuses becomes the error of each question."""
    (found,) = asked(Log(None), ProbeRequest(at(), NOON))

    assert found.error == "ValueError: refused"


def test_nothing_is_asked_when_time_is_over() -> None:
    """After the deadline of the cycle there is neither a call nor an answer."""
    log = Log(lambda _: (1, 1))

    assert probe((ProbeRequest(at(), NOON),), (offsets(),), through(log), Deadline(0)) == ()
    assert not log.calls


def test_a_time_before_1970_is_not_taken_for_a_command() -> None:
    """Kafka reads negative times as orders such as `the end`."""
    assert probes._milliseconds(-3.0) == 0
    assert probes._milliseconds(1.5) == 1500
