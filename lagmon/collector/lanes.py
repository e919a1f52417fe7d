"""Which broker answers for what, and whose turn it is to be asked. Pure: asks nothing.

Questions stand in one queue for each broker, its *lane*, so that a broker that hangs keeps back the
answers of no other. Comes in: the leaders of the cluster's partitions. Goes out: the lane of a
group and of a partition, and the next question that may be asked.
"""

from __future__ import annotations

from collections import Counter, deque
from functools import lru_cache
from typing import TYPE_CHECKING, Generic, TypeVar

from lagmon.readings import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

K = TypeVar("K")

OFFSETS_TOPIC = "__consumer_offsets"
GROUPS_KEPT = 100_000  # hashes; beyond it some are worked out again
NO_LEADER = -1  # in metadata
NO_LANE = -1  # of everything whose broker is not known; a lane like the others
NOBODY = -2  # there is no broker to ask


class Lanes:
    """The lanes of a cluster whose partitions have these *leaders*: broker ids, below 0 if none."""

    def __init__(self, leaders: Mapping[TopicPartition, int]) -> None:
        self._leaders = leaders
        numbers = [at.partition for at in leaders if at.topic == OFFSETS_TOPIC]
        self._slots = max(numbers, default=-1) + 1

    def of_partition(self, at: TopicPartition) -> int:
        """Give the broker that leads *at*."""
        return self._leaders.get(at, NO_LANE)

    def of_group(self, group: str) -> int:
        """Give the broker that coordinates *group*: `NOBODY`, or `NO_LANE` where that is not shown.

        It leads the partition of the offsets topic that the group's name hashes to.
        """
        if not self._slots:
            return NO_LANE
        slot = (java_hash(group) & 0x7FFFFFFF) % self._slots
        leader = self._leaders.get(TopicPartition(OFFSETS_TOPIC, slot), NO_LEADER)
        return leader if leader > NO_LEADER else NOBODY

    def by_group(self, groups: Iterable[str]) -> dict[int, list[str]]:
        """Sort *groups* by lane, in their order."""
        found: dict[int, list[str]] = {}
        for group in groups:
            found.setdefault(self.of_group(group), []).append(group)
        return found

    def by_partition(self, wanted: Iterable[TopicPartition]) -> dict[int, list[TopicPartition]]:
        """Sort the *wanted* partitions by lane, in their order."""
        found: dict[int, list[TopicPartition]] = {}
        for at in wanted:
            found.setdefault(self.of_partition(at), []).append(at)
        return found


@lru_cache(maxsize=GROUPS_KEPT)
def java_hash(text: str) -> int:
    """Hash *text* as Java's String.hashCode does, which places groups; 32 bits without a sign."""
    units = memoryview(text.encode("utf-16-le", "surrogatepass")).cast("H")
    value = 0
    for unit in units:
        value = (31 * value + unit) & 0xFFFFFFFF
    return value


class Queues(Generic[K]):
    """What is still to be asked, a queue for each lane; at most *room* questions are open in all.

    A lane has an equal share of the room, one of *suspects* room for one until it has *answered*.
    """

    def __init__(
        self, keys: Iterable[K], lanes: Mapping[K, int], *, room: int, suspects: Collection[int]
    ) -> None:
        self._lanes = lanes
        self._room = room
        self._suspects = frozenset(suspects)
        self.answered: set[int] = set()
        self._todo: dict[int, deque[K]] = {}
        for key in keys:
            self._todo.setdefault(self.lane(key), deque()).append(key)
        self._open: Counter[int] = Counter()

    def __bool__(self) -> bool:
        """Tell whether anything is still to be asked."""
        return any(self._todo.values())

    def lane(self, key: K) -> int:
        """Give the lane that *key* stands in."""
        return self._lanes.get(key, NO_LANE)

    def take(self) -> K | None:
        """Give the next question that there is room for, None if there is none."""
        share = max(1, self._room // max(1, len(self._todo)))
        for lane, keys in self._todo.items():
            narrow = lane in self._suspects and lane not in self.answered
            if keys and self._open[lane] < (1 if narrow else share):
                self._open[lane] += 1
                return keys.popleft()
        return None

    def ended(self, key: K, *, answered: bool) -> None:
        """Take note that the question *key* has ended; an answer gives a suspect its share back."""
        lane = self.lane(key)
        self._open[lane] -= 1
        if answered:
            self.answered.add(lane)
        if not self._open[lane] and not self._todo.get(lane):
            self._todo.pop(lane, None)  # its share is for the others

    def rest(self) -> list[K]:
        """Take out everything that was not asked."""
        rest = [key for keys in self._todo.values() for key in keys]
        self._todo.clear()
        return rest
