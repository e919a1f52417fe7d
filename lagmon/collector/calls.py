"""Ask the cluster: bounded in time and in number, and with a sound client each time.

Comes in: what to ask and a `Deadline`. Goes out: an answer or a `Failure` for each thing asked;
only metadata, without which nothing can be asked, raises. No future is waited for without a
timeout: those of a dropped client never end.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, wait
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaException,
    TopicCollection,
)
from confluent_kafka import TopicPartition as Asked
from confluent_kafka.admin import (  # type: ignore[attr-defined] # documented to be there
    AdminClient,
    OffsetSpec,
)

from lagmon.collector.answers import (
    APPEARED,
    LATE,
    Failure,
    committed,
    described,
    failure,
    listed,
    offset,
)
from lagmon.errors import ClusterError
from lagmon.readings import Isolation, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from confluent_kafka.admin import (  # type: ignore[attr-defined] # documented to be there
        ClusterMetadata,
        ListOffsetsResultInfo,
    )

    from lagmon.collector.client import Client
    from lagmon.readings import Committed, GroupReading

T = TypeVar("T")
K = TypeVar("K")
Ask = Callable[[AdminClient, float], "Future[Any]"]  # client and time-out in seconds -> answer

SHORTEST_SECONDS = 0.05  # a request gets at least this long
GRACE_SECONDS = 1.0  # librdkafka reports its own time-out a little after it
NO_ANSWER = Failure("_TIMED_OUT: no answer came, and no error")
EARLIEST, LATEST = OffsetSpec.earliest(), OffsetSpec.latest()  # type: ignore[no-untyped-call] # theirs
ISOLATION = {  # always said: what happens without it hangs on the client's configuration
    Isolation.READ_COMMITTED: IsolationLevel.READ_COMMITTED,
    Isolation.READ_UNCOMMITTED: IsolationLevel.READ_UNCOMMITTED,
}


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


class Calls:
    """The questions that a cycle asks, through *client*. At most *fan_out* are open at once."""

    def __init__(self, client: Client, *, request_timeout: float, fan_out: int) -> None:
        self._client = client
        self._request_timeout = request_timeout
        self._fan_out = fan_out

    def metadata(self, until: Deadline) -> ClusterMetadata:
        """Give topics and leaders; ClusterError if the cluster cannot be reached.

        Of all topics, every cycle: it is what makes a client learn of new leaders and partitions.
        """
        try:
            return self._client.admin.list_topics(timeout=self._seconds(until))
        except KafkaException as error:
            said = failure(error).words
            self._client.recycle(said)
            raise ClusterError(said) from error

    def groups(self, until: Deadline) -> tuple[tuple[GroupReading, ...], tuple[str, ...]]:
        """List the groups, and the errors because of which groups may be missing from the list."""

        def ask(admin: AdminClient, seconds: float) -> Future[Any]:
            return admin.list_consumer_groups(request_timeout=seconds)

        found = self.each({"list": ask}, until)["list"]
        if isinstance(found, Failure):
            return (), (found.words,)
        failures = [failure(KafkaException(one)) for one in found.errors]
        if not all(one.sound for one in failures):
            self._client.recycle(failures[0].words)
        return (
            tuple(listed(one) for one in found.valid if one.group_id),
            tuple(dict.fromkeys(one.words for one in failures)),
        )

    def descriptions(
        self, groups: Iterable[str], until: Deadline
    ) -> dict[str, GroupReading | Failure]:
        """Describe each of *groups*."""

        def ask(group: str) -> Ask:
            return lambda admin, seconds: admin.describe_consumer_groups(
                [group], request_timeout=seconds
            )[group]

        found = self.each({group: ask(group) for group in groups}, until)
        return {group: _read(described, one) for group, one in found.items()}

    def committed(
        self, groups: Mapping[str, Collection[TopicPartition] | None], until: Deadline
    ) -> dict[str, tuple[Committed, ...] | Failure]:
        """Give what each of *groups* committed, on the partitions named or, with None, on all."""
        # The client refuses a list without partitions.
        nothing: dict[str, tuple[Committed, ...] | Failure] = {
            group: () for group, named in groups.items() if named is not None and not named
        }

        def ask(group: str, named: Collection[TopicPartition] | None) -> Ask:
            asked = None if named is None else [Asked(at.topic, at.partition) for at in named]
            request = ConsumerGroupTopicPartitions(group, asked)
            return lambda admin, seconds: admin.list_consumer_group_offsets(
                [request], request_timeout=seconds
            )[group]

        asks = {group: ask(group, groups[group]) for group in groups if group not in nothing}
        found = self.each(asks, until)
        return nothing | {
            group: _read(lambda answer: committed(answer.topic_partitions), one)
            for group, one in found.items()
        }

    def missing(self, topics: Iterable[str], until: Deadline) -> dict[str, str]:
        """Say why the metadata of all topics has none of *topics*: asked by name, it tells."""

        def ask(topic: str) -> Ask:
            return lambda admin, seconds: admin.describe_topics(
                TopicCollection([topic]), request_timeout=seconds
            )[topic]

        found = self.each({topic: ask(topic) for topic in topics}, until)
        return {
            topic: one.words if isinstance(one, Failure) else APPEARED
            for topic, one in found.items()
        }

    def starts(
        self, asked: Collection[TopicPartition], until: Deadline
    ) -> dict[TopicPartition, int | Failure]:
        """Give the start offset of each partition *asked*."""
        return self._offsets(asked, EARLIEST, Isolation.READ_UNCOMMITTED, until)

    def ends(
        self, asked: Collection[TopicPartition], isolation: Isolation, until: Deadline
    ) -> dict[TopicPartition, int | Failure]:
        """Give where each partition *asked* ends: last stable offset, or high watermark."""
        return self._offsets(asked, LATEST, isolation, until)

    def _offsets(
        self,
        asked: Collection[TopicPartition],
        spec: OffsetSpec,
        isolation: Isolation,
        until: Deadline,
    ) -> dict[TopicPartition, int | Failure]:
        if not asked or not until.left():
            return dict.fromkeys(asked, Failure(LATE, sound=True))
        names = {Asked(at.topic, at.partition): at for at in asked}
        futures = self._client.admin.list_offsets(
            dict.fromkeys(names, spec),
            isolation_level=ISOLATION[isolation],
            request_timeout=self._seconds(until),
        )
        ended, _ = wait(futures.values(), timeout=self._patience(until))
        found = {
            names[name]: _read(_offset, outcome(future) if future in ended else NO_ANSWER)
            for name, future in futures.items()
        }
        self._judge(found.values())
        return found

    def each(
        self,
        asks: Mapping[K, Ask],
        until: Deadline,
    ) -> dict[K, Any | Failure]:
        """Ask all of *asks*; give each its answer or `Failure`.

        After a failure that is not sound no more is asked of that client. It is replaced when its
        open questions have ended, and the rest is asked of the new one.
        """
        found: dict[K, Any | Failure] = {}
        todo = deque(asks)
        while todo and until.left():
            burst = self._burst(asks, todo, until)
            found |= burst
            self._judge(burst.values())
        return found | dict.fromkeys(todo, Failure(LATE, sound=True))

    def _burst(self, asks: Mapping[K, Ask], todo: deque[K], until: Deadline) -> dict[K, Any]:
        """Ask from the left of *todo* until it is empty or a failure is not sound."""
        ended: SimpleQueue[K] = SimpleQueue()
        waiting: dict[K, Future[Any]] = {}
        found: dict[K, Any] = {}
        sound = True
        while waiting or (todo and sound and until.left()):
            while todo and sound and len(waiting) < self._fan_out:
                key = todo.popleft()
                waiting[key] = self._begin(asks[key], until)
                waiting[key].add_done_callback(partial(_put, ended, key))
            try:
                key = ended.get(timeout=self._patience(until))
            except Empty:
                return found | dict.fromkeys(waiting, NO_ANSWER)
            found[key] = outcome(waiting.pop(key))
            sound = sound and _is_sound(found[key])
        return found

    def _begin(self, ask: Ask, until: Deadline) -> Future[Any]:
        try:
            return ask(self._client.admin, self._seconds(until))
        except (KafkaException, ValueError, TypeError) as error:
            refused: Future[Any] = Future()
            refused.set_exception(error)
            return refused

    def _judge(self, answers: Iterable[object]) -> None:
        unsound = next((one for one in answers if not _is_sound(one)), None)
        if isinstance(unsound, Failure):
            self._client.recycle(unsound.words)

    def _seconds(self, until: Deadline) -> float:
        return max(SHORTEST_SECONDS, until.left(self._request_timeout))

    def _patience(self, until: Deadline) -> float:
        return self._seconds(until) + GRACE_SECONDS


def outcome(future: Future[Any]) -> Any:
    """Give what *future*, which has ended, holds: its result, or a `Failure`."""
    error = future.exception(timeout=0)
    return future.result(timeout=0) if error is None else failure(error)


def _put(ended: SimpleQueue[K], key: K, _: Future[Any]) -> None:
    ended.put(key)


def _is_sound(answer: object) -> bool:
    return answer.sound if isinstance(answer, Failure) else True


def _read(reader: Callable[[Any], T], answer: Any) -> T | Failure:
    return answer if isinstance(answer, Failure) else reader(answer)


def _offset(answer: ListOffsetsResultInfo) -> int | Failure:
    return offset(answer.offset)
