"""The topic of the dead letters is looked at once, and what is wrong told before it matters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaError, KafkaException

from consumers.deadletters.topic import AGAIN_SECONDS, ROOM_BYTES, TopicCheck, TopicFacts, judge
from tests.fakes import FakeClock
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Collection

    from structlog.typing import EventDict

SOUND = TopicFacts(
    writable=True, max_message_bytes=ROOM_BYTES + 1000, cleanup_policy="delete", retention_ms=-1
)
ORIGIN = TopicFacts(max_message_bytes=1000, cleanup_policy="delete")
AWAY = KafkaException(KafkaError(KafkaError._TRANSPORT))


class FakeCluster:
    """A cluster with *topics*: partitions and facts of each. The first *silences* calls fail."""

    def __init__(self, topics: dict[str, tuple[int, TopicFacts]], silences: int = 0) -> None:
        self.topics = topics
        self.silences = silences
        self.created: dict[str, tuple[int, dict[str, str]]] = {}
        self.refuses: KafkaException | None = None

    def partitions(self) -> dict[str, int]:
        """Count them, if it answers."""
        if self.silences:
            self.silences -= 1
            raise AWAY
        return {name: count for name, (count, _) in self.topics.items()}

    def describe(self, topics: Collection[str]) -> dict[str, TopicFacts]:
        """Give the facts."""
        return {name: self.topics[name][1] for name in topics}

    def create(self, topic: str, partitions: int, properties: dict[str, str]) -> None:
        """Note what was to be created."""
        if self.refuses:
            raise self.refuses
        self.created[topic] = (partitions, properties)


def check(
    cluster: FakeCluster, *, create: bool = False, clock: FakeClock | None = None
) -> TopicCheck:
    """Make the check of the dead letters of ``plays``."""
    return TopicCheck(
        cluster,
        topic="plays.dlq",
        origin="plays",
        servers="kafka-1:9092",
        create=create,
        clock=clock or FakeClock(),
    )


@pytest.mark.parametrize(
    ("facts", "origin", "problem", "warning"),
    [
        (SOUND, ORIGIN, "", ""),
        (TopicFacts(), TopicFacts(), "", ""),
        (SOUND._replace(writable=False), ORIGIN, "grant it WRITE", ""),
        (SOUND._replace(cleanup_policy="compact"), ORIGIN, "cleanup.policy to delete", ""),
        (SOUND._replace(cleanup_policy="compact,delete"), ORIGIN, "cleanup.policy", ""),
        (SOUND._replace(max_message_bytes=ROOM_BYTES + 999), ORIGIN, "", f"to {ROOM_BYTES + 1000}"),
        (SOUND._replace(max_message_bytes=1), TopicFacts(), "", ""),
        (SOUND._replace(max_message_bytes=None), ORIGIN, "", ""),
    ],
)
def test_a_topic_is_judged_by_what_is_known(
    facts: TopicFacts, origin: TopicFacts, problem: str, warning: str
) -> None:
    """A right that is missing or compaction stop the worker, little room is warned of."""
    judgement = judge("plays.dlq", facts, origin)

    assert bool(judgement.problem) is bool(problem)
    assert problem in (judgement.problem or "")
    assert bool(judgement.warning) is bool(warning)
    assert warning in (judgement.warning or "")


def test_a_missing_topic_is_told_with_the_command_that_creates_it() -> None:
    """The line names the topic and a command with as many partitions and room as it needs."""
    why = check(FakeCluster({"plays": (6, ORIGIN)})).look()

    assert why is not None
    assert "plays.dlq does not exist" in why
    assert "--bootstrap-server kafka-1:9092 --create --topic plays.dlq --partitions 6" in why
    assert f"--config max.message.bytes={ROOM_BYTES + 1000}" in why
    assert "dlq_create" in why


@pytest.mark.usefixtures("logged")
def test_a_missing_topic_is_created_where_that_is_wanted() -> None:
    """With dlq_create it gets the partitions of the topic, room, and keeps its records for ever."""
    cluster = FakeCluster({"plays": (6, ORIGIN)})

    assert check(cluster, create=True).look() is None

    assert cluster.created == {
        "plays.dlq": (
            6,
            {
                "cleanup.policy": "delete",
                "retention.ms": "-1",
                "max.message.bytes": str(ROOM_BYTES + 1000),
            },
        )
    }


def test_no_topic_is_made_for_a_topic_that_is_not_there(logged: list[EventDict]) -> None:
    """A mistyped name is warned of once; when the topic appears its dead-letter topic is made."""
    clock, cluster = FakeClock(), FakeCluster({})
    one = check(cluster, create=True, clock=clock)

    assert one.look() is None
    assert one.look() is None
    assert cluster.created == {}
    assert [(event["event"], event["topic"]) for event in logged] == [("topic_missing", "plays")]

    cluster.topics["plays"] = (6, ORIGIN)
    clock.advance(AGAIN_SECONDS)

    def made() -> bool:
        one.problem()
        return "plays.dlq" in cluster.created

    until(made, what="the dead-letter topic")


def test_a_topic_that_cannot_be_created_is_a_problem() -> None:
    """The reason of the broker is told."""
    cluster = FakeCluster({"plays": (6, ORIGIN)})
    cluster.refuses = KafkaException(
        KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED, "not for you")
    )

    why = check(cluster, create=True).look()

    assert why == "the dead-letter topic plays.dlq cannot be created: not for you"


def test_a_sound_topic_is_told_once(logged: list[EventDict]) -> None:
    """One line says what was found, and nothing is created."""
    cluster = FakeCluster({"plays": (6, ORIGIN), "plays.dlq": (1, SOUND)})

    assert check(cluster, create=True).look() is None

    assert [event["event"] for event in logged] == ["dead_letter_topic_checked"]
    assert cluster.created == {}


def test_too_little_room_is_a_warning(logged: list[EventDict]) -> None:
    """The worker goes on, and the log says what to set."""
    small = SOUND._replace(max_message_bytes=1000)

    assert check(FakeCluster({"plays": (6, ORIGIN), "plays.dlq": (1, small)})).look() is None

    assert logged[0]["event"] == "dead_letter_topic_small"
    assert logged[0]["log_level"] == "warning"


@pytest.mark.usefixtures("logged")
def test_while_no_broker_answers_nothing_is_wrong() -> None:
    """A worker that starts before its broker waits; it is asked again some seconds later."""
    clock, cluster = FakeClock(), FakeCluster({"plays": (6, ORIGIN)}, silences=1)
    one = check(cluster, clock=clock)

    def later() -> str | None:
        clock.advance(AGAIN_SECONDS)
        return one.problem()

    first = one.problem()
    found = until(later, what="the answer to the second question")

    assert first is None
    assert cluster.silences == 0
    assert "does not exist" in found
