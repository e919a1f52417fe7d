"""How much was fetched and is not finished, and whether that is too much. Pure bookkeeping.

Full above either limit, and no longer full below half of it: to stop fetching throws away what the
client has fetched ahead, so that it must not happen for every record.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consumers.types import Attempt, TopicPartition


@dataclass(frozen=True, slots=True)
class QueuePolicy:
    """How much may be fetched and unfinished, in records and in bytes of keys, values, headers.

    The last fetch may pass the limit in bytes by what came with it.
    """

    max_records: int = 10_000
    max_bytes: int = 64 * 1024 * 1024


class _Partition:
    __slots__ = ("bytes", "records")

    def __init__(self) -> None:
        self.records = self.bytes = 0


class Backlog:
    """What is unfinished, over all partitions. Not for use by several threads."""

    def __init__(self, policy: QueuePolicy) -> None:
        self._policy = policy
        self._partitions: dict[TopicPartition, _Partition] = {}
        self.records = self.bytes = 0
        self._full = False

    def added(self, at: TopicPartition, *attempts: Attempt) -> None:
        """Note that *attempts*, of *at*, were fetched."""
        partition = self._partitions.get(at)
        if partition is None:
            partition = self._partitions[at] = _Partition()
        self._count(partition, len(attempts), sum([attempt.size for attempt in attempts]))

    def finished(self, at: TopicPartition, *attempts: Attempt) -> None:
        """Note that *attempts*, of *at*, are finished."""
        size = sum([attempt.size for attempt in attempts])
        self._count(self._partitions[at], -len(attempts), -size)

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """Drop what is known about *partitions*."""
        for at in partitions:
            if partition := self._partitions.pop(at, None):
                self.records -= partition.records
                self.bytes -= partition.bytes

    def full(self) -> bool:
        """Say whether nothing more is to be fetched."""
        policy = self._policy
        limit = 0.5 if self._full else 1
        self._full = (
            self.records >= policy.max_records * limit or self.bytes >= policy.max_bytes * limit
        )
        return self._full

    def room(self, wanted: int) -> int:
        """Give how many of *wanted* records may be fetched, at least one, by what the others took.

        To be asked when not full.
        """
        policy = self._policy
        wanted = min(wanted, policy.max_records - self.records)
        if self.bytes:
            wanted = min(wanted, (policy.max_bytes - self.bytes) * self.records // self.bytes)
        return max(wanted, 1)

    def _count(self, partition: _Partition, records: int, size: int) -> None:
        partition.records += records
        partition.bytes += size
        self.records += records
        self.bytes += size
