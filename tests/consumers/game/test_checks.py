"""A slow question behind a probe: asked seldom, answered soon."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from consumers.game.checks import Cached
from tests.infra.wait import PATIENCE_SECONDS, until


class Question:
    """A check that counts how often it is asked, and can be made to wait."""

    def __init__(self, answer: str | None = None) -> None:
        self.answer = answer
        self.asked = 0
        self.open = threading.Event()
        self.open.set()

    def __call__(self) -> str | None:
        """Answer, once it may."""
        self.asked += 1
        assert self.open.wait(PATIENCE_SECONDS)
        return self.answer


def test_the_answer_is_given_on() -> None:
    """Both answers come through: all is well, and why it is not."""
    assert Cached(Question())() is None
    assert Cached(Question("no broker"))() == "no broker"


def test_a_fresh_answer_is_not_asked_for_again() -> None:
    """Within its time an answer is repeated; then the question is asked anew."""
    question, now = Question("no broker"), [0.0]
    check = Cached(question, fresh_seconds=2, clock=lambda: now[0])

    check()
    question.answer = None
    now[0] = 1.9
    early = check()
    now[0] = 2.0
    late = check()

    assert (early, late, question.asked) == ("no broker", None, 2)


def test_nobody_waits_long() -> None:
    """A question that hangs is a reason of its own; it is not asked twice; its answer counts."""
    question = Question()
    question.open.clear()
    check = Cached(question, patience_seconds=0.01, fresh_seconds=3600)

    hanging = [check(), check()]
    question.open.set()
    until(lambda: check() is None, what="the answer")

    assert hanging == ["no answer within 0.01 s"] * 2
    assert question.asked == 1


def test_many_who_ask_at_once_ask_once() -> None:
    """Ten probes at the same moment are one question."""
    question = Question("no broker")
    question.open.clear()
    check = Cached(question, patience_seconds=PATIENCE_SECONDS, fresh_seconds=3600)

    with ThreadPoolExecutor(10) as pool:
        answers = [pool.submit(check) for _ in range(10)]
        question.open.set()

    assert {answer.result() for answer in answers} == {"no broker"}
    assert question.asked == 1
