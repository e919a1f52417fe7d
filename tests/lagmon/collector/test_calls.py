"""Asking: bounded, in bursts, and never again of a client that has failed."""

from __future__ import annotations

from concurrent.futures import Future
from functools import partial
from threading import Event, Timer
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException

from lagmon.collector import calls, patience
from lagmon.collector.answers import BUSY, LATE, Failure
from lagmon.collector.calls import Calls, Deadline
from lagmon.collector.client import Client
from lagmon.configuration.settings import Cluster

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

TIMED_OUT = KafkaException(KafkaError(KafkaError._TIMED_OUT))
FORBIDDEN = KafkaException(KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED))
DESTROYED = KafkaException(KafkaError(KafkaError._DESTROY))


class Scripted:
    """A cluster that answers as *answers* say; None: never. Remembers which client asked what."""

    def __init__(self, answers: Mapping[str, object]) -> None:
        self.asked: list[tuple[object, str]] = []
        self.waiting: list[tuple[object, Future[Any]]] = []
        self._answers = answers

    def asks(self, *names: str) -> dict[str, calls.Ask]:
        """Give the questions for *names*."""
        return {name: partial(self._ask, name) for name in names}

    def _ask(self, name: str, admin: object, _: float) -> Future[Any]:
        self.asked.append((admin, name))
        answer = self._answers[name]
        if isinstance(answer, ValueError):
            raise answer
        future: Future[Any] = Future()
        if isinstance(answer, KafkaException):
            future.set_exception(answer)
        elif answer is not None:
            future.set_result(answer)
        else:
            self.waiting.append((admin, future))
        return future


def client() -> Client:
    """Build a client of a cluster that is never reached: making one asks nothing."""
    return Client(Cluster(name="test", bootstrap_servers="127.0.0.1:1"))


def asking(fan_out: int = 50, request_timeout: float = 60.0) -> Calls:
    """Build the calls under test."""
    return Calls(client(), request_timeout=request_timeout, fan_out=fan_out)


def test_each_gets_its_answer() -> None:
    """Answers and failures come back under the names they were asked for."""
    cluster = Scripted({"a": 1, "b": FORBIDDEN, "c": 3})

    found = asking().each(cluster.asks("a", "b", "c"), Deadline(60))

    assert (found["a"], found["c"]) == (1, 3)
    assert found["b"].words.startswith("GROUP_AUTHORIZATION_FAILED: ")


def test_a_refusal_does_not_cost_the_client() -> None:
    """After an answer that is a refusal the same client is asked on."""
    cluster = Scripted({"a": FORBIDDEN, "b": 2})

    asking(fan_out=1).each(cluster.asks("a", "b"), Deadline(60))

    (first, _), (second, _) = cluster.asked
    assert first is second


def test_a_time_out_costs_the_client() -> None:
    """After a time-out nothing more is asked of that client: the rest goes to a new one."""
    cluster = Scripted({"a": TIMED_OUT, "b": 2, "c": 3})

    found = asking(fan_out=1).each(cluster.asks("a", "b", "c"), Deadline(60))

    (first, one), (second, two), (third, three) = cluster.asked
    assert (one, two, three) == ("a", "b", "c")
    assert first is not second
    assert second is third
    assert not found["a"].sound
    assert (found["b"], found["c"]) == (2, 3)


def test_a_question_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A future that stays pending costs its own answer, one bounded wait, and the client."""
    monkeypatch.setattr(calls, "GRACE_SECONDS", 0.05)
    cluster = Scripted({"a": None, "b": 2})

    found = asking(fan_out=1, request_timeout=0.05).each(cluster.asks("a", "b"), Deadline(60))

    assert found == {"a": calls.NO_ANSWER, "b": 2}
    assert cluster.asked[0][0] is not cluster.asked[1][0]


def test_after_the_deadline_nothing_is_asked() -> None:
    """What the deadline left over is answered as not asked."""
    cluster = Scripted({"a": 1})

    found = asking().each(cluster.asks("a"), Deadline(0))

    assert found == {"a": Failure(LATE, sound=True)}
    assert cluster.asked == []


def test_a_question_that_python_refuses_is_an_answer() -> None:
    """An argument that the client does not take costs this one answer."""
    cluster = Scripted({"a": ValueError("bad name"), "b": 2})

    found = asking().each(cluster.asks("a", "b"), Deadline(60))

    assert found == {"a": Failure("ValueError: bad name", sound=True), "b": 2}


def test_no_more_than_the_fan_out_is_open_at_once() -> None:
    """A third question waits until one of two open ones has ended."""
    waiting: set[str] = set()
    most: list[int] = []
    two = Event()  # none ends before: how slowly they are asked must not count

    def end(name: str, future: Future[Any]) -> None:
        two.wait(60)
        waiting.discard(name)
        future.set_result(name)

    def ask(name: str, _: object, __: float) -> Future[Any]:
        future: Future[Any] = Future()
        waiting.add(name)
        most.append(len(waiting))
        if len(most) == 2:
            two.set()
        Timer(0.02, end, (name, future)).start()
        return future

    found = asking(fan_out=2).each({name: partial(ask, name) for name in "abcd"}, Deadline(60))

    assert found == {name: name for name in "abcd"}
    assert max(most) == 2


def test_a_deadline_counts_down() -> None:
    """What is left is bounded by what is asked for, and never below nothing."""
    soon, over = Deadline(3600), Deadline(-1)

    assert 3000 < soon.left() <= 3600
    assert soon.left(at_most=1) == 1
    assert over.left() == 0
    assert soon.shorter(1).left() <= 1
    assert Deadline(0.5).shorter(60).left() <= 0.5


def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what hangs be noticed at once."""
    monkeypatch.setattr(patience, "SPARE_SECONDS", 0.05)
    monkeypatch.setattr(patience, "FIRST_SECONDS", 0.05)


def test_a_question_that_hangs_is_put_off_while_others_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is not waited for to its time-out, it keeps its client, and it is not asked again."""
    impatient(monkeypatch)
    cluster, made = Scripted({"a": None, "b": 2}), asking()

    first = made.each(cluster.asks("a", "b"), Deadline(60))
    made.begin()
    second = made.each(cluster.asks("a", "b"), Deadline(60))

    assert first == second == {"a": calls.WAITING, "b": 2}
    assert first["a"].postponed
    assert [name for _, name in cluster.asked] == ["a", "b", "b"]
    assert len({admin for admin, _ in cluster.asked}) == 1


def test_a_late_answer_counts_when_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What came between two cycles is the answer of the second, without a new question."""
    impatient(monkeypatch)
    late: Future[Any] = Future()
    cluster, made = Scripted({"b": 2}), asking()
    made.each({"a": lambda _, __: late, **cluster.asks("b")}, Deadline(60))

    late.set_result(7)
    made.begin()

    assert made.each({"a": lambda _, __: late}, Deadline(60)) == {"a": 7}


def test_a_late_failure_costs_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """A time-out that comes between two cycles is told, and the next question has a new client."""
    impatient(monkeypatch)
    late: Future[Any] = Future()
    cluster, made = Scripted({"b": 2}), asking()
    made.each({"a": lambda _, __: late, **cluster.asks("b")}, Deadline(60))

    late.set_exception(TIMED_OUT)
    made.begin()
    found = made.each({"a": lambda _, __: late, **cluster.asks("b")}, Deadline(60))

    assert found["a"].words.startswith("_TIMED_OUT: ")
    assert cluster.asked[0][0] is not cluster.asked[1][0]


def test_a_late_failure_can_be_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where anybody can answer, the failure of one that hung is no news: the question is put anew.

    A late answer is not forgotten with it.
    """
    impatient(monkeypatch)
    failed: Future[Any] = Future()
    came: Future[Any] = Future()
    cluster, made = Scripted({"a": 1, "b": 2, "c": 3}), asking()
    asks = {"a": lambda _, __: failed, "c": lambda _, __: came, **cluster.asks("b")}
    made.each(asks, Deadline(60))

    failed.set_exception(TIMED_OUT)
    came.set_result(4)
    made.begin()
    for key in ("a", "c"):
        made.forget_failure(key)

    assert made.each(cluster.asks("a", "c"), Deadline(60)) == {"a": 1, "c": 4}


def test_a_lane_that_hung_is_tried_with_one_question(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a broker that gave nothing one thing is asked until it answers; the rest is put off."""
    impatient(monkeypatch)
    lanes = dict.fromkeys("abcd", 1) | {"z": 2}
    hung, made = Scripted({"a": None, "b": None, "c": None, "d": None, "z": 0}), asking()
    made.each(hung.asks("a", "z"), Deadline(60), lanes=lanes)
    hung.asked.clear()

    found = made.each(hung.asks("b", "c", "d", "z"), Deadline(60), lanes=lanes)

    assert sorted(name for _, name in hung.asked) == ["b", "z"]
    assert found == {
        "b": calls.WAITING,
        "c": Failure(BUSY, sound=True),
        "d": Failure(BUSY, sound=True),
        "z": 0,
    }


def test_what_must_be_known_is_insisted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question that was put off can be waited for after all, to its end."""
    impatient(monkeypatch)
    late: Future[Any] = Future()
    cluster, made = Scripted({"b": 2}), asking()
    made.each({"a": lambda _, __: late, **cluster.asks("b")}, Deadline(60))
    stuck = made.is_stuck("a")
    Timer(0.1, late.set_result, (7,)).start()

    assert (stuck, made.insist("a"), made.is_stuck("a")) == (True, 7, False)


def test_a_hurry_does_not_wait_for_the_first_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an older answer will do, a question that hangs is put off although it is alone."""
    impatient(monkeypatch)
    cluster = Scripted({"a": None})

    found = asking().each(cluster.asks("a"), Deadline(60), hurry=True)

    assert found == {"a": calls.WAITING}


def test_what_any_broker_can_answer_and_none_does_costs_the_client_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first hurry in vain replaces the client, which may look for coordinators there too.

    Others in vain, then or later, do not: their answers would never come.
    """
    impatient(monkeypatch)
    cluster = Scripted({"metadata": 1, "list": None, "again": None, "group": 2})
    sut = asking()

    for _ in range(2):
        sut.begin()
        sut.each(cluster.asks("metadata"), Deadline(60), step="metadata", hurry=True)
        sut.each(cluster.asks("list"), Deadline(60), step="list", hurry=True)
        sut.each(cluster.asks("again"), Deadline(60), step="again", hurry=True)
        sut.each(cluster.asks("group"), Deadline(60), step="group")

    clients = {
        name: [one for one, asked in cluster.asked if asked == name] for name in ("list", "group")
    }
    assert clients["list"][0] is not clients["group"][0]
    assert clients["group"][0] is clients["group"][1]


def test_what_nobody_ever_answers_costs_one_client_and_not_one_every_other_cycle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That a client was dropped before it answered does not mean that what hung was answered."""
    impatient(monkeypatch)
    cluster = Scripted({"topics": None, "group": 2})
    sut = asking()

    for _ in range(4):
        sut.begin()
        sut.each(cluster.asks("topics"), Deadline(60), step="topics", hurry=True)
        sut.each(cluster.asks("group"), Deadline(60), step="group")
        for admin, future in cluster.waiting:
            if admin is not cluster.asked[-1][0] and not future.done():
                future.set_exception(DESTROYED)  # so librdkafka ends what a client still owes

    first, *others = (one for one, asked in cluster.asked if asked == "group")
    assert len(others) == 3
    assert all(one is first for one in others)


def test_a_client_that_heals_may_be_replaced_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once what hung is answered, the next hurry in vain is a first one."""
    impatient(monkeypatch)
    cluster = Scripted({"well": 1, "ill": None, "group": 2})
    sut = asking()

    for step, name in (("list", "ill"), ("list", "well"), ("list", "ill")):
        sut.each(cluster.asks(name), Deadline(60), step=step, hurry=True)
        sut.begin()
        sut.each(cluster.asks("group"), Deadline(60), step="group")

    first, second, third = (one for one, asked in cluster.asked if asked == "group")
    assert first is second
    assert second is not third
