"""What is asked of a cluster, in its client's words; what it answers, in the model's.

Comes in: names and a `Deadline`. Goes out: for each of them what the cluster said, or a `Failure`.
Only metadata, without which nothing can be asked, raises. Each question is put to the broker that
answers it, as the metadata tells, so that one broker's silence costs only what it is in charge of.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
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
    UNCOORDINATED,
    Failure,
    committed,
    described,
    failure,
    leader_ids,
    listed,
    offset,
    topic_id,
)
from lagmon.collector.futures import gathered
from lagmon.collector.lanes import NOBODY, Lanes
from lagmon.collector.offsets import Offsets
from lagmon.errors import ClusterError
from lagmon.readings import Isolation, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from concurrent.futures import Future

    from confluent_kafka.admin import (  # type: ignore[attr-defined] # documented to be there
        ClusterMetadata,
        ListOffsetsResultInfo,
        TopicDescription,
    )

    from lagmon.collector.calls import Ask, Calls, Deadline
    from lagmon.collector.client import Client
    from lagmon.collector.offsets import Found, Wanted
    from lagmon.readings import Committed, GroupReading

T = TypeVar("T")

METADATA, LIST = "metadata", "list"
DESCRIBED_AT_ONCE = 50  # groups in a request to the client, which asks for each by itself
EARLIEST, LATEST = OffsetSpec.earliest(), OffsetSpec.latest()  # type: ignore[no-untyped-call] # theirs


class Questions:
    """The questions about one cluster, asked by way of *calls*; `metadata` comes first."""

    def __init__(self, calls: Calls, client: Client) -> None:
        self._calls = calls
        self._client = client
        self._threads = ThreadPoolExecutor(2, "metadata")  # it blocks; a second, should one hang
        self._metadata: ClusterMetadata | None = None
        self._list: tuple[GroupReading, ...] | None = None
        self._lanes = Lanes({})
        self._offsets = Offsets(calls)

    def metadata(self, until: Deadline) -> ClusterMetadata:
        """Give topics and leaders; ClusterError if the cluster cannot be reached.

        Of all topics, every cycle: it is what makes a client learn of new leaders and partitions.
        While the broker that was asked hangs, the last metadata counts: see `confirm`.
        """

        def ask(admin: AdminClient, seconds: float) -> Future[Any]:
            return self._threads.submit(admin.list_topics, timeout=seconds)

        self._calls.forget_failure(METADATA)  # of a broker that hung; another is asked now
        hurry = self._metadata is not None
        found = self._calls.each({METADATA: ask}, until, step=METADATA, hurry=hurry)[METADATA]
        return self._known(found)

    def confirm(self, groups: Iterable[str], until: Deadline) -> None:
        """Make sure that anything answers; ClusterError if nothing does.

        For when metadata and list are still to come: it is one broker that hangs, or all of them. A
        group is asked for in each lane. Without an answer to that either, metadata is waited for.
        """
        if self._calls.answered() or not self._calls.is_stuck(METADATA):
            return
        self.committed({names[0]: None for names in self._lanes.by_group(groups).values()}, until)
        if not self._calls.answered() and self._calls.is_stuck(METADATA):
            self._known(self._calls.insist(METADATA))

    def groups(self, until: Deadline) -> tuple[tuple[GroupReading, ...], tuple[str, ...]]:
        """List the groups, and the errors because of which groups may be missing from the list.

        Every broker is asked. While one of them hangs, the last list counts.
        """

        def ask(admin: AdminClient, seconds: float) -> Future[Any]:
            return admin.list_consumer_groups(request_timeout=seconds)

        self._calls.forget_failure(LIST)
        hurry = self._list is not None
        found = self._calls.each({LIST: ask}, until, step=LIST, hurry=hurry)[LIST]
        if isinstance(found, Failure):
            return self._list or (), (found.words,)
        failures = [failure(KafkaException(one)) for one in found.errors]
        if not all(one.sound for one in failures):
            self._client.recycle(failures[0].words)
        self._list = tuple(listed(one) for one in found.valid if one.group_id)
        return self._list, tuple(dict.fromkeys(one.words for one in failures))

    def descriptions(
        self, groups: Iterable[str], until: Deadline
    ) -> dict[str, GroupReading | Failure]:
        """Describe each of *groups*."""

        def ask(batch: tuple[str, ...]) -> Ask:
            return lambda admin, seconds: gathered(
                admin.describe_consumer_groups(list(batch), request_timeout=seconds)
            )

        by_lane = self._lanes.by_group(groups)
        nobody = dict.fromkeys(by_lane.pop(NOBODY, ()), Failure(UNCOORDINATED, sound=True))
        lanes = {
            tuple(names[first : first + DESCRIBED_AT_ONCE]): lane
            for lane, names in by_lane.items()
            for first in range(0, len(names), DESCRIBED_AT_ONCE)
        }
        asks = {batch: ask(batch) for batch in lanes}
        found = self._calls.each(asks, until, step="describe", lanes=lanes)
        return nobody | {
            group: _read(described, one[group] if isinstance(one, dict) else one)
            for batch, one in found.items()
            for group in batch
        }

    def committed(
        self, groups: Mapping[str, Collection[TopicPartition] | None], until: Deadline
    ) -> dict[str, tuple[Committed, ...] | Failure]:
        """Give what each of *groups* committed, on the partitions named or, with None, on all."""
        unasked: dict[str, tuple[Committed, ...] | Failure] = {}
        for group, named in groups.items():
            if self._lanes.of_group(group) == NOBODY:
                # The client would look for the coordinator until its time-out.
                unasked[group] = Failure(UNCOORDINATED, sound=True)
            elif named is not None and not named:
                unasked[group] = ()  # the client refuses a list without partitions

        def ask(group: str, named: Collection[TopicPartition] | None) -> Ask:
            asked = None if named is None else [Asked(at.topic, at.partition) for at in named]
            request = ConsumerGroupTopicPartitions(group, asked)
            return lambda admin, seconds: admin.list_consumer_group_offsets(
                [request], request_timeout=seconds
            )[group]

        # What was asked is in the key: a late answer is not taken for that to another question.
        keys = {
            group: (group, None if named is None else tuple(named))
            for group, named in groups.items()
            if group not in unasked
        }
        asks = {key: ask(*key) for key in keys.values()}
        lanes = {key: self._lanes.of_group(key[0]) for key in asks}
        found = self._calls.each(asks, until, step="committed", lanes=lanes)
        return unasked | {
            group: _read(lambda answer: committed(answer.topic_partitions), found[key])
            for group, key in keys.items()
        }

    def missing(self, topics: Iterable[str], until: Deadline) -> dict[str, str]:
        """Say why the metadata of all topics has none of *topics*: asked by name, it tells."""
        return {
            topic: one.words if isinstance(one, Failure) else APPEARED
            for topic, one in self._described(topics, until).items()
        }

    def topic_ids(self, topics: Iterable[str], until: Deadline) -> dict[str, str]:
        """Give the id of each of *topics*; none where the cluster gives none."""
        return {
            topic: found
            for topic, one in self._described(topics, until, hurry=True).items()
            if not isinstance(one, Failure) and (found := topic_id(one)) is not None
        }

    def refusals(self, topics: Collection[str], until: Deadline) -> dict[str, object]:
        """Ask for each of *topics* by name; the `Failure` of one may be a refusal."""
        return dict(self._described(topics, until, hurry=True))

    def starts(
        self, asked: Collection[TopicPartition], until: Deadline
    ) -> dict[TopicPartition, int | Failure]:
        """Give the start offset of each partition *asked*."""
        wanted = dict.fromkeys(asked, EARLIEST)
        found = self.offsets(wanted, Isolation.READ_UNCOMMITTED, until, step="starts")
        return {at: _read(_offset, one) for at, one in found.items()}

    def ends(
        self, asked: Collection[TopicPartition], isolation: Isolation, until: Deadline
    ) -> dict[TopicPartition, int | Failure]:
        """Give where each partition *asked* ends: last stable offset, or high watermark."""
        found = self.offsets(dict.fromkeys(asked, LATEST), isolation, until, step="ends")
        return {at: _read(_offset, one) for at, one in found.items()}

    def offsets(
        self,
        wanted: Wanted,
        isolation: Isolation,
        until: Deadline,
        *,
        step: str,
        hurry: bool = False,
    ) -> Found:
        """Give for each partition the offset that is *wanted* of it."""
        return self._offsets.ask(wanted, self._lanes, isolation, until, step=step, hurry=hurry)

    def _described(
        self, topics: Iterable[str], until: Deadline, *, hurry: bool = False
    ) -> dict[str, TopicDescription | Failure]:
        names = tuple(topics)
        if not names:
            return {}

        def ask(admin: AdminClient, seconds: float) -> Future[Any]:
            asked = TopicCollection(list(names))
            return gathered(admin.describe_topics(asked, request_timeout=seconds))

        found = self._calls.each({names: ask}, until, step="topics", hurry=hurry)[names]
        return dict.fromkeys(names, found) if isinstance(found, Failure) else found

    def _known(self, found: ClusterMetadata | Failure) -> ClusterMetadata:
        if not isinstance(found, Failure):
            self._metadata, self._lanes = found, Lanes(leader_ids(found))
        elif not found.postponed or self._metadata is None:
            raise ClusterError(found.words)
        return self._metadata


def _read(reader: Callable[[Any], T], answer: Any) -> T | Failure:
    return answer if isinstance(answer, Failure) else reader(answer)


def _offset(answer: ListOffsetsResultInfo) -> int | Failure:
    return offset(answer.offset)
