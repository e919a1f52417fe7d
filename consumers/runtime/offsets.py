"""What may be committed: per partition, everything before the first record that is not finished.

Pure bookkeeping: it hears which records were started and finished, and says which offsets to
commit. It never talks to Kafka and knows no time. Offsets have gaps (compaction, transaction
markers), so "contiguous" means: no record that *was delivered* and is unfinished lies before.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from consumers.types import Record, TopicPartition


def next_offset(offset: int) -> int:
    """Give the offset to commit once the record at *offset* is finished: the next one to read.

    Kafka's committed offset names the next record. This is the only place that adds the one.
    """
    return offset + 1


def stretches(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Cut *records*, as they were fetched, into those of one partition whose offsets rise."""
    stretch: list[Record] = []
    last: Record | None = None
    for record in records:
        if last is not None and (
            record.offset <= last.offset
            or record.partition != last.partition
            or record.topic != last.topic
        ):
            yield stretch
            stretch = []
        stretch.append(record)
        last = record
    if stretch:
        yield stretch


class Progress(NamedTuple):
    """How far a partition is: next to deliver, next to read by the broker's word, unfinished."""

    position: int
    committed: int | None
    unfinished: int


class _Partition:
    """One partition: records in the order of delivery, those not finished, the position."""

    __slots__ = ("acknowledged", "delivered", "last", "position", "unfinished")

    def __init__(self) -> None:
        self.delivered: deque[int] = deque()
        self.unfinished: set[int] = set()
        self.last = -1
        self.position: int | None = None
        self.acknowledged: int | None = None


class Offsets:
    """The progress of every partition that is owned. Not for use by several threads."""

    def __init__(self) -> None:
        self._partitions: dict[TopicPartition, _Partition] = {}
        self._unfinished = 0

    def rewound(self, at: TopicPartition, offset: int) -> bool:
        """Say whether *offset*, the next record delivered, is not past the last one.

        Then the partition was rewound, or deleted and made again. What is under way for it belongs
        to the past: let go of it and `forget` the partition.
        """
        partition = self._partitions.get(at)
        return partition is not None and offset <= partition.last

    def started(self, at: TopicPartition, *offsets: int) -> None:
        """Note that the records at *offsets* were delivered, in this order, and are unfinished."""
        partition = self._partitions.get(at)
        if partition is None:
            partition = self._partitions[at] = _Partition()
        partition.last = offsets[-1]
        partition.delivered.extend(offsets)
        partition.unfinished.update(offsets)
        self._unfinished += len(offsets)

    def finished(self, at: TopicPartition, *offsets: int) -> None:
        """Note that the records at *offsets* are finished. What is not under way means nothing."""
        partition = self._partitions.get(at)
        if partition is None:
            return
        unfinished, delivered = partition.unfinished, partition.delivered
        before = len(unfinished)
        unfinished.difference_update(offsets)
        self._unfinished -= before - len(unfinished)
        last = None
        while delivered and delivered[0] not in unfinished:
            last = delivered.popleft()
        if last is not None:
            partition.position = next_offset(last)

    def committable(self) -> dict[TopicPartition, int]:
        """Give the offsets to commit: those that no commit has been acknowledged for yet."""
        return {
            at: partition.position
            for at, partition in self._partitions.items()
            if partition.position is not None and partition.position != partition.acknowledged
        }

    def acknowledged(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Note that the broker has stored *offsets*."""
        for at, offset in offsets.items():
            if partition := self._partitions.get(at):
                partition.acknowledged = offset

    def unfinished(self) -> int:
        """Count the records that were delivered and are not finished."""
        return self._unfinished

    def kept(self, at: TopicPartition) -> int:
        """Count the records of *at* from the first unfinished one on, finished ones among them."""
        partition = self._partitions.get(at)
        return 0 if partition is None else len(partition.delivered)

    def progress(self, at: TopicPartition) -> Progress | None:
        """Say how far *at* is, or ``None`` if nothing of it was delivered."""
        partition = self._partitions.get(at)
        if partition is None:
            return None
        return Progress(
            next_offset(partition.last), partition.acknowledged, len(partition.unfinished)
        )

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """Drop what is known about *partitions*: they are no longer ours."""
        for at in partitions:
            if partition := self._partitions.pop(at, None):
                self._unfinished -= len(partition.unfinished)
