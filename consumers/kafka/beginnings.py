"""Where a partition begins whose offset is missing or no longer kept: no record is lost unsaid.

librdkafka's own ``auto.offset.reset`` moves on without a word, also past records that retention has
deleted before the group came to them. So the client is told to report instead (``error``), and what
the settings want is done here: of a group that is new nothing is said, it has missed nothing. Of
one whose offset is gone the records that it will never see are counted, logged as an error with
their offsets, and left behind.

Only for the thread that polls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import confluent_kafka
import structlog
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, KafkaException

from consumers.errors import Fatal
from consumers.types import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from confluent_kafka import Consumer, Message

    from consumers.kafka.client_log import ClientLog

POLICY: Final = "auto.offset.reset"
# A broker answers after a fetch that waits for records, within half a second.
ANSWER_SECONDS = 2.0

log = structlog.get_logger(__name__)


class Gap(NamedTuple):
    """Where a partition goes on, and the offsets from *first* up to *begin* that nobody handles."""

    begin: int
    first: int

    @property
    def records(self) -> int:
        """Count the offsets; where a topic is compacted, more than there were records."""
        return self.begin - self.first


def gap(wanted: int, low: int, high: int, *, earliest: bool) -> Gap:
    """Say what is left out when *wanted* cannot be read of a log from *low* up to *high*.

    A log that ends before *wanted* was cut, or its topic was deleted and made again: what it holds
    is new then.
    """
    begin = low if earliest else high
    return Gap(begin, wanted if wanted <= begin else min(low, begin))


class Beginnings:
    """Begins partitions of *consumer*, which was made with the properties `reporting` gives.

    *given* are the properties that were asked for; *client_log* counts what is left out.
    """

    def __init__(self, given: Mapping[str, Any], client_log: ClientLog) -> None:
        self._policy = str(given.get(POLICY, "error"))
        strategy = str(given.get("partition.assignment.strategy", ""))
        self._incremental = given.get("group.protocol") == "consumer" or "cooperative" in strategy
        self._client_log = client_log
        self._waiting: dict[TopicPartition, int | None] = {}

    def missing(self, message: Message) -> None:
        """Take the client's word that it does not know where to begin; raise `Fatal` by policy."""
        error, topic, partition = message.error(), message.topic(), message.partition()
        assert error is not None
        assert topic is not None
        assert partition is not None
        if self._policy not in {"earliest", "latest"}:
            raise Fatal(
                f"the group has no offset to begin at in {topic}[{partition}]: {error.str()}. Set"
                " offset_reset to earliest (read all that is kept) or latest (skip it), or commit"
                " an offset"
            )
        # The offset that could not be read, None for a group that had none.
        self._waiting[TopicPartition(topic, partition)] = message.offset()

    def forget(self, partitions: Collection[TopicPartition]) -> None:
        """Drop *partitions*: they are no longer ours."""
        for at in partitions:
            self._waiting.pop(at, None)

    def begin(self, consumer: Consumer) -> None:
        """Begin what waits to be begun; what no broker answers about waits on."""
        for at, wanted in list(self._waiting.items()):
            try:
                begun = self._begin(consumer, at, wanted)
            except KafkaException as error:
                self._client_log.error(error.args[0])
                return
            if not begun:
                return
            self._waiting.pop(at, None)

    def _begin(self, consumer: Consumer, at: TopicPartition, wanted: int | None) -> bool:
        """Begin *at*; say whether that could be done."""
        earliest = self._policy == "earliest"
        if wanted is None:
            self._move(consumer, at, OFFSET_BEGINNING if earliest else OFFSET_END)
            return True
        place = confluent_kafka.TopicPartition(*at)
        marks = consumer.get_watermark_offsets(place, timeout=ANSWER_SECONDS)
        if marks is None:
            return False
        left_out = gap(wanted, *marks, earliest=earliest)
        self._move(consumer, at, left_out.begin)
        self._tell(at, wanted, left_out)
        return True

    def _move(self, consumer: Consumer, at: TopicPartition, offset: int) -> None:
        """Fetch *at* from *offset* on. A partition that has reported takes no seek."""
        moved = confluent_kafka.TopicPartition(*at, offset)
        if self._incremental:
            consumer.incremental_unassign([moved])
            consumer.incremental_assign([moved])
            return
        others = [one for one in consumer.assignment() if (one.topic, one.partition) != at]
        consumer.assign([*consumer.position(others), moved])

    def _tell(self, at: TopicPartition, wanted: int, left_out: Gap) -> None:
        where = {"topic": at.topic, "partition": at.partition, "offset": wanted}
        if not left_out.records:
            log.warning("partition_begun_anew", **where, begins=left_out.begin)
            return
        self._client_log.left_out(left_out.records)
        log.error(
            "records_lost", **where, first=left_out.first, last=left_out.begin - 1,
            records=left_out.records, begins=left_out.begin,
        )  # fmt: skip


def reporting(given: Mapping[str, Any]) -> dict[str, Any]:
    """Give the properties *given*, with a client that reports what it would skip."""
    return {**given, POLICY: "error"}
