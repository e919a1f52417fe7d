"""Which partitions are paused: one set of reasons, and the calls to the source that follow.

A source keeps its pauses itself, and librdkafka throws away what it has fetched ahead when a
partition is paused; so it hears of changes alone. Used from the thread that polls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from consumers.ports import Source
    from consumers.types import TopicPartition


class Pauses:
    """The paused among the partitions that are *assigned*.

    *everything* says that all are, because no lane is free or the queue is full.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._some: frozenset[TopicPartition] = frozenset()
        self.assigned: set[TopicPartition] = set()
        self.everything = False

    def assign(self, partitions: Collection[TopicPartition]) -> None:
        """Begin with *partitions*, which are paused only if everything is."""
        self.assigned |= set(partitions)
        self._some -= set(partitions)
        # librdkafka remembers a pause from an earlier ownership, across the rebalance.
        (self._source.pause if self.everything else self._source.resume)(partitions)

    def let_go(self, partitions: Collection[TopicPartition]) -> None:
        """Forget *partitions*: they are no longer ours, and nothing can be asked of them."""
        self.assigned -= set(partitions)
        self._some -= set(partitions)

    def pause(self, some: Collection[TopicPartition]) -> None:
        """Keep just *some* of those assigned paused, beside what *everything* says."""
        before, self._some = self._some, frozenset(some) & self.assigned
        if not self.everything and before != self._some:
            self._tell(self._source.pause, self._some - before)
            self._tell(self._source.resume, before - self._some)

    def pause_everything(self) -> None:
        """Fetch nothing at all."""
        if not self.everything:
            self.everything = True
            self._tell(self._source.pause, self.assigned - self._some)

    def resume(self) -> None:
        """Fetch again, from all but those that have a reason of their own."""
        if self.everything:
            self.everything = False
            self._tell(self._source.resume, self.assigned - self._some)

    @staticmethod
    def _tell(
        call: Callable[[Collection[TopicPartition]], None], partitions: Collection[TopicPartition]
    ) -> None:
        if partitions:
            call(partitions)
