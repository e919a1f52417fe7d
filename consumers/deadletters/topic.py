"""Look at the start whether the topic of the dead letters can keep them: there, writable, large.

`TopicCheck` asks in a thread of its own, so that a worker starts and waits while no broker answers,
and asks again until one does. `judge` is pure. What makes it impossible to keep a dead letter is
told by `TopicCheck.problem`, for the worker to stop with; what makes it hard is a warning in the
log. What this client may not see is not judged.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import structlog
from confluent_kafka import KafkaException

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

# What a dead letter needs beside its record: origin, group and the exception's words.
ROOM_BYTES: Final = 16_384
BROKER_BYTES: Final = 1_048_588  # max.message.bytes of a topic for which nobody has set it
# Dead letters wait for people: they are kept until somebody deletes them.
KEPT: Final = {"cleanup.policy": "delete", "retention.ms": "-1"}
AGAIN_SECONDS = 5.0
NO_ORIGIN: Final = (
    "it does not exist, or this user may not see it: create it, or set topic to one that is there"
)

log = structlog.get_logger(__name__)


class TopicFacts(NamedTuple):
    """What is known of a topic; ``None`` is what could not be found out."""

    writable: bool | None = None
    max_message_bytes: int | None = None
    cleanup_policy: str | None = None
    retention_ms: int | None = None


class Cluster(Protocol):
    """What the check asks of Kafka; the real one is in `consumers.deadletters.cluster`."""

    def partitions(self) -> dict[str, int]:
        """Count the partitions of every topic that can be seen; `KafkaException` if none says."""

    def describe(self, topics: Collection[str]) -> dict[str, TopicFacts]:
        """Give what can be found out about each of *topics*. Never raises."""

    def create(self, topic: str, partitions: int, properties: dict[str, str]) -> None:
        """Create *topic*, or raise `KafkaException`."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is wrong with a topic for dead letters: *problem* stops the worker, *warning* not."""

    problem: str | None = None
    warning: str | None = None


def judge(topic: str, facts: TopicFacts, origin: TopicFacts) -> Judgement:
    """Judge by *facts* whether *topic* can keep the dead letters of a topic with facts *origin*."""
    if facts.writable is False:
        return Judgement(
            f"the dead-letter topic {topic} may not be written by this user: grant it WRITE"
        )
    if "compact" in (facts.cleanup_policy or ""):
        return Judgement(
            f"the dead-letter topic {topic} is compacted, so that a dead letter would delete an"
            f" earlier one with its key: set its cleanup.policy to delete"
        )
    wanted, given = room_for(origin), facts.max_message_bytes
    if given is not None and wanted is not None and given < wanted:
        return Judgement(
            warning=f"{topic} takes {given} bytes; the largest dead letters need more, and would"
            f" wait: set its max.message.bytes to {wanted}"
        )
    return Judgement()


def room_for(origin: TopicFacts) -> int | None:
    """Give the max.message.bytes that every dead letter of *origin* fits into."""
    return None if origin.max_message_bytes is None else origin.max_message_bytes + ROOM_BYTES


def properties(origin: TopicFacts) -> dict[str, str]:
    """Give the properties of a topic that is made for the dead letters of *origin*."""
    room = room_for(origin) or BROKER_BYTES + ROOM_BYTES
    return {**KEPT, "max.message.bytes": str(room)}


def missing(topic: str, servers: str, partitions: int, wanted: dict[str, str]) -> str:
    """Say that *topic* is missing, and the command that creates it."""
    configs = " ".join(f"--config {name}={value}" for name, value in wanted.items())
    return (
        f"the dead-letter topic {topic} does not exist, or this user may not see it. Create it:"
        f" kafka-topics.sh --bootstrap-server {servers} --create --topic {topic}"
        f" --partitions {partitions} {configs}; or set dlq_create to true"
    )


class TopicCheck:
    """Look once whether *topic* can keep the dead letters of *origin*; *create* it if missing.

    None is created for an *origin* that is not there: it waits for that, and warns of it.
    *servers* is how the command in the advice reaches the brokers.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        topic: str,
        origin: str,
        servers: str,
        create: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster = cluster
        self._topic, self._origin, self._servers = topic, origin, servers
        self._create = create
        self._clock = clock
        self._due_at: float | None = clock()  # None: under way, or done
        self._problem: str | None = None
        self._warned = False

    def problem(self) -> str | None:
        """Say why no dead letter can be kept; ``None`` while none is known.

        Never waits. To be called often: whenever it is due this begins to look.
        """
        if self._due_at is not None and self._clock() >= self._due_at:
            self._due_at = None
            threading.Thread(target=self._try, name="dead-letter-topic", daemon=True).start()
        return self._problem

    def look(self) -> str | None:
        """Look now; give the problem. Raises `KafkaException` when no broker answers."""
        counts = self._cluster.partitions()
        found = self._cluster.describe({self._origin, self._topic} & counts.keys())
        origin = found.get(self._origin, TopicFacts())
        if self._origin not in counts and not self._warned:
            self._warned = True
            log.warning("topic_missing", topic=self._origin, advice=NO_ORIGIN)
        if self._topic not in counts:
            if self._create and self._origin not in counts:
                self._due_at = self._clock() + AGAIN_SECONDS  # a name mistyped, or not made yet
                return None
            return self._missing(counts.get(self._origin, 1), properties(origin))
        facts = found.get(self._topic, TopicFacts())
        judgement = judge(self._topic, facts, origin)
        if judgement.warning:
            log.warning("dead_letter_topic_small", topic=self._topic, advice=judgement.warning)
        if judgement.problem is None:
            log.info("dead_letter_topic_checked", topic=self._topic, **facts._asdict())
        return judgement.problem

    def _try(self) -> None:
        try:
            self._problem = self.look()
        except KafkaException as error:
            log.debug("dead_letter_topic_unknown", topic=self._topic, reason=str(error))
            self._due_at = self._clock() + AGAIN_SECONDS

    def _missing(self, partitions: int, wanted: dict[str, str]) -> str | None:
        if not self._create:
            return missing(self._topic, self._servers, partitions, wanted)
        try:
            self._cluster.create(self._topic, partitions, wanted)
        except KafkaException as error:
            return f"the dead-letter topic {self._topic} cannot be created: {error.args[0].str()}"
        log.info("dead_letter_topic_created", topic=self._topic, partitions=partitions, **wanted)
        return None
