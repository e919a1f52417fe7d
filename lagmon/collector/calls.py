"""Ask the cluster: bounded in time and in number, and with a sound client each time.

Comes in: questions, each with its lane, and a `Deadline`. Goes out: an answer or a `Failure` for
each. No future is waited for without a timeout: those of a dropped client never end.

A question that hangs while others are answered is waited for with `Patience` alone. Then it is
*stuck*: its answer counts in the cycle in which it comes, and it is not asked again before that
or its time is over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from lagmon.collector.answers import BUSY, LATE, LATER, Failure
from lagmon.collector.futures import is_sound, outcome, words
from lagmon.collector.lanes import Queues
from lagmon.collector.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from lagmon.collector.client import Client

K = TypeVar("K", bound=Hashable)
Ask = Callable[[AdminClient, float], "Future[Any]"]  # client and time-out in seconds -> answer

SHORTEST_SECONDS = 0.05  # a request gets at least this long
GRACE_SECONDS = 1.0  # librdkafka reports its own time-out a little after it
SUSPECT_SECONDS = 0.05  # for brokers that gave nothing when they were asked last
ALIVE_TIMEOUTS = 2  # how long an answer shows that the cluster as a whole is there
LISTEN_SECONDS = 0.1  # how often the client is heard while waiting: tokens are renewed within it
MOMENT_SECONDS = 0.002  # a broker answers some ten questions meanwhile
NO_ANSWER = Failure("_TIMED_OUT: no answer came, and no error")
WAITING = Failure(LATER, sound=True)


class Deadline:
    """A moment *seconds* from now, after which nothing new is begun."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self, at_most: float = float("inf")) -> float:
        """Give the seconds that are left, 0 if none are, never more than *at_most*."""
        return max(0.0, min(at_most, self._end - time.monotonic()))

    def shorter(self, seconds: float) -> Deadline:
        """Give the deadline *seconds* from now, or this one if it is sooner."""
        return Deadline(self.left(seconds))


@dataclass(slots=True)
class Question:
    """One that was asked of the client of *generation*; it counts as unanswered after *end*.

    *took* is how long it took, in seconds, once it has ended.
    """

    future: Future[Any]
    generation: int
    step: str
    began: float
    end: Deadline
    took: float | None = None


class Calls:
    """The questions that cycles ask, through *client*. At most *fan_out* are open at once.

    `begin` each cycle.
    """

    def __init__(self, client: Client, *, request_timeout: float, fan_out: int) -> None:
        self._answered = False
        self._client = client
        self._request_timeout = request_timeout
        self._fan_out = fan_out
        self._patience = Patience()
        self._stuck: dict[Hashable, Question] = {}
        self._came: dict[Hashable, Any] = {}  # answers of questions that were stuck
        self._suspects: set[int] = set()
        self._alive = Deadline(0)  # until when others are taken to answer
        self._hanging: set[str] = set()  # steps that any broker can answer, and none does
        self._dropped: set[Hashable] = set()  # questions whose client was, since the last cycle

    def begin(self) -> None:
        """Begin a cycle: take what came late; replace the client if it failed meanwhile."""
        self._patience.begin()
        self._answered = False
        over = {key: one for key, one in self._stuck.items() if self._is_over(one)}
        self._stuck = {key: one for key, one in self._stuck.items() if key not in over}
        self._came = {key: _late(one) for key, one in over.items()}
        for key, one in over.items():
            if one.took is not None and is_sound(self._came[key]):
                self._patience.answered(one.step, one.took)  # slow, and no hanging
        current = self._client.generation  # an older one is replaced already
        self._dropped = {key for key, one in over.items() if one.generation != current}
        self._judge(self._came[key] for key, one in over.items() if one.generation == current)

    def each(
        self,
        asks: Mapping[K, Ask],
        until: Deadline,
        *,
        step: str = "",
        lanes: Mapping[K, int] | None = None,
        hurry: bool = False,
    ) -> dict[K, Any | Failure]:
        """Ask all of *asks*; give each its answer or `Failure`.

        After a failure that is not sound no more is asked of that client. It is replaced when its
        open questions have ended, and the rest is asked of the new one.

        *lanes* names the broker that is asked. *step* tells apart for whom what is usual. In a
        *hurry* not even the first answer is waited for longer than that. Without *lanes* any broker
        is asked; when that is in vain, for the first time, the client is replaced: it looks for
        coordinators in the same way, and one that hangs would keep back groups of all others.
        """
        found: dict[K, Any | Failure] = {
            key: self._came.pop(key) for key in asks if key in self._came
        }
        found |= {key: WAITING for key in asks if key in self._stuck}
        todo = [key for key in asks if key not in found]
        queues = Queues(todo, lanes or {}, room=self._fan_out, suspects=self._suspects)
        while queues and until.left():
            burst = self._burst(asks, queues, until, step, hurry=hurry)
            found |= burst
            self._judge(burst.values())
        if lanes is None and hurry:
            self._note(step, hanging=any(key in self._stuck for key in asks), found=found)
        return found | dict.fromkeys(queues.rest(), Failure(LATE, sound=True))

    def answered(self) -> bool:
        """Tell whether anything came in this cycle."""
        return self._answered

    def insist(self, key: Hashable) -> Any | Failure:
        """Wait for the stuck question *key* to its end, however long others have waited."""
        question = self._stuck.pop(key)
        while not question.future.done() and question.end.left():
            wait((question.future,), timeout=question.end.left(LISTEN_SECONDS))
            self._client.listen()
        answer = _late(question)
        self._judge((answer,))
        return answer

    def forget_failure(self, key: Hashable) -> None:
        """Have *key* asked anew if its late answer was a failure."""
        if isinstance(self._came.get(key), Failure):
            del self._came[key]

    def is_stuck(self, key: Hashable) -> bool:
        """Tell whether the question *key* was asked and is still open."""
        return key in self._stuck

    def _burst(
        self, asks: Mapping[K, Ask], queues: Queues[K], until: Deadline, step: str, *, hurry: bool
    ) -> dict[K, Any]:
        """Ask from *queues* until they are empty, a failure is not sound, or nothing comes."""
        ended: SimpleQueue[K] = SimpleQueue()
        waiting: dict[K, Question] = {}
        found: dict[K, Any] = {}
        sound = True
        while True:
            while sound and until.left() and (key := queues.take()) is not None:
                waiting[key] = self._ask(asks[key], until, step)
                waiting[key].future.add_done_callback(partial(_ended, ended, key, waiting[key]))
            if not waiting:
                return found
            brief = hurry or bool(queues.answered) or self._are_suspect(waiting, queues)
            seconds = self._brief(waiting, queues, step) if brief else self._full(until)
            came = self._next(ended, step, min(seconds, self._full(until)))
            if came is None:
                return found | self._in_vain(waiting, queues, brief=brief)
            for key in came, *_beside(ended, len(waiting)):
                found[key] = outcome(waiting.pop(key).future)
                sound = self._heard(key, found[key], queues) and sound

    def _note(self, step: str, *, hanging: bool, found: Mapping[K, Any]) -> None:
        """Note whether *step*, which any broker answers, hangs: the first costs the client.

        That nothing came of a client that was dropped meanwhile is no answer.
        """
        if not hanging:
            if any(is_sound(one) for key, one in found.items() if key not in self._dropped):
                self._hanging.discard(step)
            return
        if not self._hanging:
            self._client.recycle(f"{step} is not answered: a broker that it is connected to hangs")
        self._hanging.add(step)

    def _next(self, ended: SimpleQueue[K], step: str, seconds: float) -> K | None:
        """Give the next of *ended*, None if nothing comes within *seconds*."""
        began, end = time.monotonic(), Deadline(seconds)
        while True:
            try:
                key = ended.get(timeout=end.left(LISTEN_SECONDS))
            except Empty:
                self._client.listen()
                if not end.left():
                    self._patience.in_vain(step, seconds)
                    return None
            else:
                self._patience.answered(step, time.monotonic() - began)
                return key

    def _heard(self, key: K, answer: Any, queues: Queues[K]) -> bool:
        """Take note of *answer*; tell whether the client that got it can go on being used."""
        sound = is_sound(answer)
        queues.ended(key, answered=sound)
        if sound:
            self._suspects.discard(queues.lane(key))
            self._answered = True
            self._alive = Deadline(ALIVE_TIMEOUTS * self._request_timeout)
        elif queues.lane(key) not in queues.answered:
            self._suspects.add(queues.lane(key))
        return sound

    def _in_vain(
        self, waiting: dict[K, Question], queues: Queues[K], *, brief: bool
    ) -> dict[K, Failure]:
        """Give up waiting: in brief, questions stay stuck; otherwise they have failed.

        A broker that gave nothing is suspect: it gets one question at a time from now on. What
        waits behind a stuck question is not asked.
        """
        if not brief:
            for key in waiting:
                queues.ended(key, answered=False)
            return dict.fromkeys(waiting, NO_ANSWER)
        self._stuck |= dict[Hashable, Question](waiting.items())
        self._suspects |= {queues.lane(key) for key in waiting} - queues.answered
        unasked = dict.fromkeys(queues.rest(), Failure(BUSY, sound=True))
        return unasked | dict.fromkeys(waiting, WAITING)

    def _brief(self, waiting: Mapping[K, Question], queues: Queues[K], step: str) -> float:
        suspect = self._are_suspect(waiting, queues)
        return SUSPECT_SECONDS if suspect else self._patience.seconds(step)

    def _are_suspect(self, waiting: Iterable[K], queues: Queues[K]) -> bool:
        """Tell whether nobody is waited for but suspects, while others do answer."""
        alive = self._alive.left() > 0
        return alive and all(queues.lane(key) in self._suspects for key in waiting)

    def _full(self, until: Deadline) -> float:
        return self._seconds(until) + GRACE_SECONDS

    def _seconds(self, until: Deadline) -> float:
        return max(SHORTEST_SECONDS, until.left(self._request_timeout))

    def _ask(self, ask: Ask, until: Deadline, step: str) -> Question:
        began, end = time.monotonic(), Deadline(self._full(until))
        try:
            future = ask(self._client.admin, self._seconds(until))
        except (KafkaException, ValueError, TypeError) as error:
            future = Future()
            future.set_exception(error)
        return Question(future, self._client.generation, step, began, end)

    def _is_over(self, question: Question) -> bool:
        dropped = question.generation != self._client.generation
        return dropped or question.future.done() or not question.end.left()

    def _judge(self, answers: Iterable[object]) -> None:
        unsound = next((one for one in answers if not is_sound(one)), None)
        if unsound is not None:
            self._client.recycle(words(unsound))


def _beside(ended: SimpleQueue[K], count: int) -> Iterator[K]:
    """Give what ended beside the one of *count* that has just come, and a moment after it.

    To be woken for each answer costs more than the answer.
    """
    if count > 1:
        time.sleep(MOMENT_SECONDS)
    while not ended.empty():
        yield ended.get()


def _late(question: Question) -> Any:
    return outcome(question.future) if question.future.done() else NO_ANSWER


def _ended(ended: SimpleQueue[K], key: K, question: Question, _: Future[Any]) -> None:
    question.took = time.monotonic() - question.began
    ended.put(key)
