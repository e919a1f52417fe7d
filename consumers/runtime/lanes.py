"""Who may run next: records that were fetched, and those that wait for another try.

Pure: it is handed the time. The records of one partition keep their order: while its first one
waits, nothing else of that partition runs. Other partitions do not wait for it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consumers.types import Attempt, TopicPartition


class _Lane:
    """One partition: what is queued, and when its first record may run (``None``: at once)."""

    __slots__ = ("due", "queue")

    def __init__(self) -> None:
        self.queue: deque[Attempt] = deque()
        self.due: float | None = None


class Lanes:
    """The queue of each partition. Not for use by several threads."""

    def __init__(self) -> None:
        self._lanes: dict[TopicPartition, _Lane] = {}

    def add(self, attempt: Attempt) -> None:
        """Queue *attempt*, a record just fetched, behind the others of its partition."""
        self._lanes.setdefault(attempt.record.at, _Lane()).queue.append(attempt)

    def put_off(self, attempt: Attempt, until: float) -> None:
        """Queue *attempt* before the others of its partition, not to run before *until*."""
        lane = self._lanes.setdefault(attempt.record.at, _Lane())
        lane.queue.appendleft(attempt)
        lane.due = until

    def take(self, now: float) -> Attempt | None:
        """Give the next attempt that may run at *now*, partitions in turn; ``None`` if none may."""
        for at, lane in self._lanes.items():
            if lane.due is None or lane.due <= now:
                attempt = lane.queue.popleft()
                del self._lanes[at]
                if lane.queue:
                    lane.due = None
                    self._lanes[at] = lane  # at the end: the others come first now
                return attempt
        return None

    def next_due(self) -> float | None:
        """Say when the first of the waiting partitions may run; ``None`` if none waits."""
        return min(
            (lane.due for lane in self._lanes.values() if lane.due is not None), default=None
        )

    def waiting(self) -> set[TopicPartition]:
        """Name the partitions whose first record waits for its time."""
        return {at for at, lane in self._lanes.items() if lane.due is not None}

    def drop(self, partitions: Iterable[TopicPartition]) -> int:
        """Forget what is queued for *partitions*, and say how many records that were."""
        return sum(len(self._lanes.pop(at).queue) for at in partitions if at in self._lanes)
