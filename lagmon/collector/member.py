"""Be a member of the group by which replicas share a cluster, and know for certain what is its own.

Kafka deals out the partitions of ``__consumer_offsets`` to the group's members, and gives those of
a member that is not heard of to others. Nothing is ever read: each partition is paused at once.

A member is heard of as long as its client's own thread lives, which says nothing of whoever judges
what is read. So the client is polled only from within a cycle, that is while Plans arrive: without
them it leaves the group by itself within the session, as ``max.poll.interval.ms`` makes it.

What the client believes to own may be others' by now. It is certain when the group's coordinator
has as a member the very id that the partitions were given to: an id that was dropped never comes
back. From when that was asked it is certain for the session less a margin: so long the coordinator
waits at least for a member that falls silent at that moment. The margin is for its last heartbeat,
which was some time before: the client's thread looks once a second whether one is due.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException

from lagmon import clocks
from lagmon.collector.answers import described, failure, words
from lagmon.collector.client import configuration, kafka_log
from lagmon.collector.grants import grant
from lagmon.readings import MissingRight, Resource, Share
from lagmon.sharding.ownership import OFFSETS_TOPIC, common

if TYPE_CHECKING:
    from collections.abc import Callable

    from confluent_kafka import TopicPartition as Assigned

    from lagmon.collector.calls import Deadline
    from lagmon.collector.client import Client
    from lagmon.configuration.settings import Cluster
    from lagmon.configuration.sharing import Replica
    from lagmon.readings import GroupReading

HEARTBEAT_SECONDS = 0.5  # by their answers others learn soon that they have to take over
HEARTBEATS = 10  # in a session, at least
MARGIN, MARGIN_SECONDS = 0.1, 1.5  # of a session; the longer of the two, at most half a session
STABLE = "stable"
EVENTS_AT_MOST = 100  # of the client, in one poll
ASK_SECONDS = 2.0  # for the group; the share is certain for longer than that without an answer
PROPERTIES = {
    "group.protocol": "classic",
    "partition.assignment.strategy": "cooperative-sticky",  # who stays goes on with what is theirs
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "latest",
    "allow.auto.create.topics": False,
    "queued.min.messages": 1,
    "fetch.message.max.bytes": 1024,
    "topic.metadata.refresh.interval.ms": 10_000,
}
JOINING = "it is not yet a member of group {group}"
DROPPED = "group {group} does not have it as a member any more"
NO_TOPIC = f"the partitions of {OFFSETS_TOPIC} are not known"
REFUSED = {  # what is lacking; the topic need not be read, for nothing of it is
    KafkaError.GROUP_AUTHORIZATION_FAILED: (Resource.GROUP, "Read"),
    KafkaError.TOPIC_AUTHORIZATION_FAILED: (Resource.TOPIC, "Describe"),
}
UNSAID = frozenset({KafkaError._MAX_POLL_EXCEEDED, KafkaError._ALL_BROKERS_DOWN})  # noqa: SLF001 - their public names

log = structlog.get_logger(__name__)


class Member:
    """The member that *replica* is, at the cluster of *client*; not for several threads."""

    def __init__(
        self, replica: Replica, client: Client, *, elapsed: Callable[[], float] = clocks.elapsed
    ) -> None:
        self.group = replica.group
        self._replica = replica
        self._client = client
        self._elapsed = elapsed
        self._consumer: Consumer | None = None
        self._cluster: Cluster | None = None
        self._given_to = ""  # the member id that the partitions were given to
        self._partitions = 0
        self._begun = Share(of=1, until=0.0)
        self._until = 0.0
        self._why: str | None = JOINING.format(group=self.group)

    def begin(self, partitions: int) -> Share:
        """Take part; give what the client believes to own of so many *partitions*."""
        self._partitions = partitions or self._partitions
        self.take_part()
        if not self._partitions:
            self._begun = Share(of=1, until=0.0, why=self._why or NO_TOPIC)
            return self._begun
        self._begun = Share(self._assigned(), self._partitions, self._until, self._why)
        return self._begun

    def take_part(self) -> None:
        """Have the client say what happened, and be counted as going on."""
        try:
            consumer = self._joined()
            for _ in range(EVENTS_AT_MOST):
                message = consumer.poll(0)
                if message is None:
                    return
                if error := message.error():
                    self._hear(error)
        except KafkaException as error:
            self._hear(error.args[0])

    def confirmed(self, until: Deadline) -> Share:
        """Give what of the share that was begun with is the member's own for certain."""
        share, asked_at = self._begun, self._elapsed()
        try:
            found = self._described(until)
        except KafkaException as error:
            # What was certain is so until its time is over.
            answer = failure(error)
            if not answer.sound:
                self._client.recycle(answer.words)
            self._why = self._because(error.args[0])
            return self._rest(common(share, self._assigned()))
        return self._rest(self._own(share, found, asked_at))

    def leave(self) -> None:
        """Leave the group, so that nobody has to wait for the end of the session."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()

    def _own(self, share: Share, found: GroupReading, asked_at: float) -> Share:
        mine = next((one for one in found.assignments if one.member_id == self._given_to), None)
        if mine is None:
            self._until = 0.0
            if self._given_to:
                self._why = DROPPED.format(group=self.group)
            return Share(of=share.of)
        self._why = None
        self._until = asked_at + certain_seconds(self._replica.session)
        owned = set(self._assigned())
        # While it is dealt out anew the coordinator does not say what is whose. Nobody is given
        # what this member has before it has come back from that without it.
        if found.state == STABLE:
            owned &= {at.partition for at in mine.partitions if at.topic == OFFSETS_TOPIC}
        return common(share, owned)

    def _rest(self, share: Share) -> Share:
        owned = share.owned if self._until > self._elapsed() else ()
        return Share(owned, share.of, self._until, self._why)

    def _described(self, until: Deadline) -> GroupReading:
        seconds = until.left(ASK_SECONDS)
        futures = self._client.admin.describe_consumer_groups([self.group], request_timeout=seconds)
        try:
            return described(futures[self.group].result(timeout=seconds + 1))
        except TimeoutError:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT)) from None  # noqa: SLF001 - its public name

    def _joined(self) -> Consumer:
        if self._consumer is not None and self._cluster is not self._client.cluster:
            self.leave()  # its secrets have changed
        if self._consumer is None:
            self._cluster = self._client.cluster
            self._consumer = Consumer(self._properties(), logger=kafka_log(self._cluster))
            self._consumer.subscribe(
                [OFFSETS_TOPIC], on_assign=self._take, on_revoke=self._give, on_lost=self._lose
            )
        return self._consumer

    def _properties(self) -> dict[str, Any]:
        session_ms = round(self._replica.session * 1000)
        return {
            **configuration(self._client.cluster),
            **PROPERTIES,
            "group.id": self.group,
            "session.timeout.ms": session_ms,
            "max.poll.interval.ms": session_ms,
            "heartbeat.interval.ms": max(
                1, min(round(HEARTBEAT_SECONDS * 1000), session_ms // HEARTBEATS)
            ),
        }

    def _assigned(self) -> tuple[int, ...]:
        if self._consumer is None or not self._given_to:
            return ()
        return tuple(sorted(one.partition for one in self._consumer.assignment()))

    def _take(self, consumer: Consumer, partitions: list[Assigned]) -> None:
        for one in partitions:
            one.offset = OFFSET_END  # no commit is looked for
        consumer.incremental_assign(partitions)
        consumer.pause(partitions)
        self._given_to = consumer.memberid() or ""
        log.debug("share_given", **self._told(partitions))

    def _give(self, consumer: Consumer, partitions: list[Assigned]) -> None:
        consumer.incremental_unassign(partitions)
        log.debug("share_taken", **self._told(partitions))

    def _lose(self, consumer: Consumer, partitions: list[Assigned]) -> None:
        consumer.incremental_unassign(partitions)
        self._given_to, self._until = "", 0.0
        self._why = DROPPED.format(group=self.group)
        log.warning("share_lost", **self._told(partitions))

    def _told(self, partitions: list[Assigned]) -> dict[str, Any]:
        numbers = sorted(one.partition for one in partitions)
        return {"kafka_cluster": self._client.cluster.name, "partitions": numbers}

    def _hear(self, error: KafkaError) -> None:
        if error.code() not in UNSAID and not self._given_to:
            self._why = self._because(error)

    def _because(self, error: KafkaError) -> str:
        """Say what *error* keeps from it, and with which command that is granted."""
        if error.code() not in REFUSED:
            return words(error)
        resource, operation = REFUSED[error.code()]
        name = self.group if resource is Resource.GROUP else OFFSETS_TOPIC
        command = grant(MissingRight(resource, name), self._client.cluster, operation)
        return f"lagmon may not {operation.upper()} {resource} {name}; {command}"


def certain_seconds(session: float) -> float:
    """Give for how many seconds a member that was just seen is sure of its share in a *session*."""
    return session - min(session / 2, max(MARGIN * session, MARGIN_SECONDS))
