"""What the admin client's answers mean, as values of the model. Pure: asks nothing.

Errors are looked for where they sit: in an exception, in a `TopicPartition`, in an offset below 0
that comes without any error. Each becomes text that opens with Kafka's own name for it, such as
``TOPIC_AUTHORIZATION_FAILED: Broker: Topic authorization failed``.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

from confluent_kafka import OFFSET_INVALID, KafkaError, KafkaException

from lagmon.readings import Committed, GroupReading, Member, PartitionOffsets, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import confluent_kafka
    from confluent_kafka.admin import (  # type: ignore[attr-defined] # documented to be there
        ClusterMetadata,
        ConsumerGroupDescription,
        ConsumerGroupListing,
        TopicDescription,
    )

# Errors that follow upon every cause, the vaguest first.
VAGUE = (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT)  # noqa: SLF001 - public names
# Answers about the thing that was asked for. After any other error the client is replaced: it may
# be the client's fault, or become it.
SOUND = frozenset(
    {
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_ID_NOT_FOUND,
        KafkaError.INVALID_GROUP_ID,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.UNSTABLE_OFFSET_COMMIT,
        KafkaError.UNSUPPORTED_VERSION,
        KafkaError._DESTROY,  # noqa: SLF001 - its public name; a group with one malformed member
        KafkaError._INVALID_ARG,  # noqa: SLF001 - its public name; a group of another protocol type
        KafkaError._UNSUPPORTED_FEATURE,  # noqa: SLF001 - its public name
    }
)
DELETED = "UNKNOWN_TOPIC_OR_PART"  # Kafka's name for what does not exist; a refusal has another
HIDDEN = "TOPIC_AUTHORIZATION_FAILED"
REFUSED = (HIDDEN, "GROUP_AUTHORIZATION_FAILED")
GONE = f"{DELETED}: the cluster does not have it"
APPEARED = "not asked: its topic appeared while the cycle ran"
NO_TOPIC_ID = "AAAAAAAAAAAAAAAAAAAAAA"  # all zeros
LEADERLESS = "LEADER_NOT_AVAILABLE: the partition has no leader"
UNCOORDINATED = "COORDINATOR_NOT_AVAILABLE: no broker leads the partition that keeps the group"
SILENT = "no offset came, and no error: its leader did not answer"
LATE = "not asked: the cycle's deadline was over"
UNREAD = "not asked: there are many groups, and its turn has not come yet"
BUSY = "not asked: the broker in charge owes other answers"
LATER = "_TIMED_OUT: no answer yet; it is waited for"
POSTPONED = frozenset({LATE, BUSY, LATER})
_BY_PARTITION = attrgetter("at")


@dataclass(frozen=True, slots=True)
class Failure:
    """No answer, and why. *sound*: the client that got it can go on being used."""

    words: str
    sound: bool = False

    @property
    def postponed(self) -> bool:
        """Whether it says nothing about the thing asked for: the answer is still to come."""
        return self.words in POSTPONED


def words(error: KafkaError) -> str:
    """Put *error* into words that open with its name."""
    return f"{error.name()}: {error.str()}"


def telling(error: KafkaError) -> int:
    """Say how much *error* tells: the vaguer ones follow upon every cause and name none."""
    return VAGUE.index(error.code()) if error.code() in VAGUE else len(VAGUE)


def failure(error: BaseException) -> Failure:
    """Say what *error*, raised by a call or held by its future, means."""
    cause = error.args[0] if isinstance(error, KafkaException) and error.args else None
    if isinstance(cause, KafkaError):
        return Failure(words(cause), sound=cause.code() in SOUND)
    return Failure(f"{type(error).__name__}: {error}", sound=True)  # it refused our arguments


def partitions(metadata: ClusterMetadata) -> dict[TopicPartition, str | None]:
    """List every partition in *metadata*, with why its leader cannot be asked, if so."""
    return {
        TopicPartition(name, number): LEADERLESS if partition.leader < 0 else None
        for name, topic in metadata.topics.items()
        for number, partition in topic.partitions.items()
    }


def leader_ids(metadata: ClusterMetadata) -> dict[TopicPartition, int]:
    """Give the leader of every partition in *metadata*, below 0 where there is none."""
    return {
        TopicPartition(name, number): partition.leader
        for name, topic in metadata.topics.items()
        for number, partition in topic.partitions.items()
    }


def topic_id(description: TopicDescription) -> str | None:
    """Read the id of a topic; brokers before 2.8 give none."""
    text = str(description.topic_id)
    return None if text == NO_TOPIC_ID else text


def listed(listing: ConsumerGroupListing) -> GroupReading:
    """Read one entry of the list of groups."""
    return GroupReading(listing.group_id, _lower(listing, "state"), _lower(listing, "type"))


def described(description: ConsumerGroupDescription) -> GroupReading:
    """Read a group's description."""
    members = tuple(
        Member(
            member.member_id,
            member.client_id,
            member.host,
            _names(member.assignment.topic_partitions),
        )
        for member in description.members
    )
    return GroupReading(
        description.group_id,
        _lower(description, "state"),
        _lower(description, "type"),
        len(members),
        assignments=members,
    )


def committed(answer: Iterable[confluent_kafka.TopicPartition]) -> tuple[Committed, ...]:
    """Read a group's committed offsets, in the order of partitions."""
    return tuple(sorted((_committed(one) for one in answer), key=_BY_PARTITION))


def _committed(one: confluent_kafka.TopicPartition) -> Committed:
    at = TopicPartition(one.topic, one.partition)
    if one.error:
        return Committed(at, None, words(one.error))
    if one.offset >= 0:
        return Committed(at, one.offset)
    if one.offset == OFFSET_INVALID:
        return Committed(at, None)
    return Committed(at, None, f"the coordinator answered with offset {one.offset}")


def offsets(
    at: TopicPartition,
    *,
    start: int | Failure | None,
    high: int | Failure | None,
    stable: int | Failure | None,
) -> PartitionOffsets:
    """Put together what the leader of *at* said. None: not asked, because an earlier call failed.

    The error is that of the first call that failed.
    """
    failures = [one.words for one in (stable, high, start) if isinstance(one, Failure)]
    return PartitionOffsets(
        at,
        _known(start),
        _known(high),
        _known(stable),
        failures[0] if failures else None,
    )


def offset(given: int) -> int | Failure:
    """Read one offset: below 0 is none, even where the call succeeded."""
    return given if given >= 0 else Failure(SILENT)


def by_name(
    wanted: Iterable[TopicPartition], given: Mapping[TopicPartition, Committed], why: str
) -> tuple[Committed, ...]:
    """Give the commit of each of *wanted*; what was not *given* is unknown because of *why*."""
    return tuple(given.get(at, Committed(at, None, why)) for at in wanted)


def _known(answer: int | Failure | None) -> int | None:
    return answer if isinstance(answer, int) else None


def _names(given: Iterable[confluent_kafka.TopicPartition]) -> tuple[TopicPartition, ...]:
    return tuple(sorted(TopicPartition(one.topic, one.partition) for one in given))


def _lower(group: ConsumerGroupListing | ConsumerGroupDescription, name: str) -> str | None:
    # Old brokers tell neither: the attribute is then missing or empty.
    value = getattr(group, name, None)
    return value.name.lower() if value is not None else None
