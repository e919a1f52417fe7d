"""Who may run next: records that were fetched, those that wait for another try, those in work.

Pure: it is handed the time. What must keep its order is a *strand*: a partition, or, with *by_key*,
one key of a partition (all its records without a key are one strand). Of a strand

- attempts are taken in order, and as long as one is in work only the run that has it may have more;
- while the first waits for another try, nothing behind it runs.

A record that fails holds up its own strand. One that waits for a dependency holds up its whole
partition, since the others would meet the same: it alone is tried again, and when it gets an
answer the others go on. A retry is always a run of its own.

Every attempt that was taken comes back by exactly one of `ended`, `put_off` and `put_back`.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from collections.abc import Set as AbstractSet

    from consumers.types import Attempt, TopicPartition

Name = tuple[str, int, bytes | None]


class Strand:
    """What runs in order: its queue, how many are in work, when its first may run (if it waits).

    *ready* and *parked* say which list of `Lanes` it is in, if any.
    """

    __slots__ = ("at", "due", "in_work", "name", "parked", "queue", "ready")

    def __init__(self, name: Name, at: TopicPartition) -> None:
        self.name, self.at = name, at
        self.queue: deque[Attempt] = deque()
        self.in_work = 0
        self.due: float | None = None
        self.ready = self.parked = False


class Lanes:
    """The queues of all partitions. Not for use by several threads.

    *ready_records* counts the attempts that may run now.
    """

    def __init__(self, *, by_key: bool = False) -> None:
        self._by_key = by_key
        self._strands: dict[Name, Strand] = {}
        self._ready: deque[Strand] = deque()
        self._waiting: list[tuple[float, int, Strand]] = []  # a heap; what is void is left in it
        self._pushed = 0
        # Of a partition that waits for a dependency: who tries it, and who waits for that.
        self._held: dict[TopicPartition, Strand] = {}
        self._parked: dict[TopicPartition, list[Strand]] = {}
        self.ready_records = 0

    def add(self, *attempts: Attempt) -> None:
        """Queue *attempts*, of one partition and just fetched, behind those of their strands."""
        at = attempts[0].record.at
        if not self._by_key:
            self._add(at, None, *attempts)
            return
        for attempt in attempts:
            self._add(at, attempt.record.key, attempt)

    def _add(self, at: TopicPartition, key: bytes | None, *attempts: Attempt) -> None:
        name = (*at, key)
        strand = self._strands.get(name)
        if strand is None:
            strand = self._strands[name] = Strand(name, at)
        for attempt in attempts:
            attempt.strand = strand
        strand.queue.extend(attempts)
        if strand.ready:
            self.ready_records += len(attempts)
        else:
            self._release(strand)

    def wake(self, now: float) -> None:
        """Let those run whose time has come."""
        waiting = self._waiting
        while waiting and waiting[0][0] <= now:
            due, _, strand = heappop(waiting)
            if strand.due == due:
                strand.due = None
                self._release(strand)

    def take(self, now: float, most: int = 1, lanes: int = 1) -> list[Attempt]:
        """Give the next attempts for one lane, at *most* so many; none if none may run at *now*.

        Strands come in turn. Of *lanes* that are free this is one: it leaves the others their
        share of the strands.
        """
        self.wake(now)
        ready = self._ready
        share = min(-(-len(ready) // lanes), most)
        turns = deque(self._unready() for _ in range(share))
        run: list[Attempt] = []
        while turns and len(run) < most:
            strand = turns[0]
            again = strand.queue[0].failures > 0
            if again and run:
                break
            turns.popleft()
            strand.in_work += 1
            run.append(strand.queue.popleft())
            if again:
                break
            if strand.queue:
                turns.append(strand)
        for strand in turns:
            self._release(strand)
        return run

    def ended(self, *attempts: Attempt) -> None:
        """Take note that *attempts*, of one strand, need no further try or are not wanted."""
        strand = attempts[0].strand
        strand.in_work -= len(attempts)
        if self._held and self._held.get(strand.at) is strand:
            self._answered(strand.at)
        if not strand.in_work:
            self._release(strand)

    def put_back(self, attempts: Sequence[Attempt]) -> None:
        """Queue *attempts*, taken and not begun, in their order before the others."""
        for attempt in reversed(attempts):
            strand = attempt.strand
            strand.in_work -= 1
            if not attempt.dropped:
                strand.queue.appendleft(attempt)
            self._release(strand)

    def put_off(self, attempt: Attempt, until: float, *, everything: bool) -> None:
        """Queue *attempt* before the others of its strand, not to run before *until*.

        With *everything* nothing else of its partition runs before it has ended otherwise. What was
        taken behind it is put back first.
        """
        strand = attempt.strand
        strand.in_work -= 1
        strand.queue.appendleft(attempt)
        held_by = self._held.get(strand.at)
        if everything or not self._by_key:
            if held_by is None:
                self._hold(strand)
            elif held_by is not strand:
                self._release(strand)
                return
        elif held_by is strand:
            self._answered(strand.at)
        strand.due = until
        self._pushed += 1
        heappush(self._waiting, (until, self._pushed, strand))

    def next_due(self) -> float | None:
        """Say when the first of those that wait may run; ``None`` if none waits."""
        waiting = self._waiting
        while waiting and waiting[0][2].due != waiting[0][0]:
            heappop(waiting)
        return waiting[0][0] if waiting else None

    def held(self) -> AbstractSet[TopicPartition]:
        """Name the partitions of which nothing may run, so that nothing need be fetched."""
        return self._held.keys()

    def waits(self) -> dict[TopicPartition, tuple[float, Attempt]]:
        """Say per partition which record is the next to be tried again, and when."""
        found: dict[TopicPartition, tuple[float, Attempt]] = {}
        for due, _, strand in sorted(self._waiting):
            if strand.due == due:
                found.setdefault(strand.at, (due, strand.queue[0]))
        return found

    def waiting(self) -> set[TopicPartition]:
        """Name the partitions in which a record waits for its time."""
        return {strand.at for due, _, strand in self._waiting if strand.due == due}

    def drop(self, partitions: Collection[TopicPartition]) -> int:
        """Forget what is queued for *partitions*, and say how many records that were.

        A strand with attempts in work stays taken until they come back: should the partition
        return meanwhile, the same key is not worked on twice at once.
        """
        gone = set(partitions)
        dropped = 0
        for strand in [one for one in self._strands.values() if one.at in gone]:
            dropped += len(strand.queue)
            strand.queue.clear()
            strand.due = None
            strand.ready = strand.parked = False
            if not strand.in_work:
                del self._strands[strand.name]
        self._ready = deque(strand for strand in self._ready if strand.ready)
        self.ready_records = sum(len(strand.queue) for strand in self._ready)
        for at in gone:
            self._held.pop(at, None)
            self._parked.pop(at, None)
        return dropped

    def _release(self, strand: Strand) -> None:
        """Put *strand* where it belongs now that something about it has changed."""
        if strand.in_work or strand.due is not None or strand.ready or strand.parked:
            return
        if not strand.queue:
            del self._strands[strand.name]
        elif self._held and self._held.get(strand.at, strand) is not strand:
            strand.parked = True
            self._parked[strand.at].append(strand)
        else:
            strand.ready = True
            self._ready.append(strand)
            self.ready_records += len(strand.queue)

    def _unready(self) -> Strand:
        strand = self._ready.popleft()
        strand.ready = False
        self.ready_records -= len(strand.queue)
        return strand

    def _hold(self, strand: Strand) -> None:
        """Let nothing but *strand* run in its partition."""
        at = strand.at
        self._held[at] = strand
        parked = [one for one in self._ready if one.at == at and one is not strand]
        self._parked[at] = parked
        for one in parked:
            one.ready, one.parked = False, True
            self.ready_records -= len(one.queue)
        if parked:
            self._ready = deque(one for one in self._ready if one.ready)

    def _answered(self, at: TopicPartition) -> None:
        """Let everything in *at* go on."""
        del self._held[at]
        for strand in self._parked.pop(at):
            strand.parked = False
            self._release(strand)
