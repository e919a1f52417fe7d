"""Stand-ins for what the consumer runtime needs from outside, in memory and on a clock of our own.

Time passes only where somebody would wait, so a test of an hour takes milliseconds.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from consumers.errors import DeadLetterFailed
from consumers.types import Outcome, Record, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from consumers.ports import Listener
    from consumers.types import Attempt, Ended, Run


class FakeClock:
    """A clock that stands still until it is told to move. Calling it gives seconds."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self._alarms: list[tuple[float, Callable[[], object]]] = []

    def __call__(self) -> float:
        """Tell the time."""
        return self.now

    def at(self, seconds: float, then: Callable[[], object]) -> None:
        """Call *then* once *seconds* have passed from now, from whoever waits at that time."""
        self._alarms.append((self.now + seconds, then))
        self._alarms.sort(key=lambda alarm: alarm[0])

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass."""
        end = self.now + seconds
        while self._alarms and self._alarms[0][0] <= end:
            self.now, then = self._alarms.pop(0)
            then()
        self.now = end


class FakeSource:
    """A consumer of one group in memory: `consumers.ports.Source`.

    Holds what was written (`add`), what was committed, what is paused. A partition is assigned
    at the first poll after `subscribe`, or by `assign`; it is read from its committed offset.
    """

    def __init__(self, clock: FakeClock, partitions: int = 1, topic: str = "plays") -> None:
        self._clock = clock
        self._log = {TopicPartition(topic, n): list[Record]() for n in range(partitions)}
        self._positions: dict[TopicPartition, int] = {}
        self._answers: deque[tuple[dict[TopicPartition, int], str | None]] = deque()
        self._unassigned = set(self._log)
        self._events: list[tuple[float, Callable[[], object]]] = []
        self.listener: Listener
        self.paused: set[TopicPartition] = set()
        self.committed: dict[TopicPartition, int] = {}
        self.commits: list[tuple[float, dict[TopicPartition, int]]] = []
        self.commit_error: str | None = None
        self.polls: list[float] = []
        self.closed_after: float | None = None

    def add(self, *records: Record) -> None:
        """Write *records*, each to its partition."""
        for record in records:
            self._log[record.at].append(record)

    def at(self, seconds: float, then: Callable[[], object]) -> None:
        """Call *then* from inside the first poll after *seconds*, where rebalances happen."""
        self._events.append((self._clock.now + seconds, then))

    def subscribe(self, listener: Listener) -> None:
        """Join; everything is assigned at the first poll."""
        self.listener = listener

    def assign(self, partitions: Collection[TopicPartition]) -> None:
        """Give *partitions*, to be read from the committed offset."""
        self._unassigned -= set(partitions)
        for at in partitions:
            self._positions[at] = self.committed.get(at, 0)
        self.listener.assigned(partitions)

    def revoke(self, partitions: Collection[TopicPartition]) -> None:
        """Take *partitions* away in good order."""
        self.listener.revoked(partitions)
        self._take(partitions)

    def lose(self, partitions: Collection[TopicPartition]) -> None:
        """Take *partitions* away as a broker does from a member it thinks dead."""
        self.listener.lost(partitions)
        self._take(partitions)

    def _take(self, partitions: Collection[TopicPartition]) -> None:
        for at in partitions:
            del self._positions[at]

    def fetch(self, most: int, timeout_seconds: float) -> list[Record]:
        """Answer commits, give the next records, or let the time pass."""
        self.polls.append(self._clock.now)
        if self._unassigned:
            self.assign(set(self._unassigned))
        while self._answers:
            self.listener.committed(*self._answers.popleft())
        for event in [event for event in self._events if event[0] <= self._clock.now]:
            self._events.remove(event)
            event[1]()
        found: list[Record] = []
        for at, position in self._positions.items():
            if at not in self.paused:
                ahead = [record for record in self._log[at] if record.offset >= position]
                taken = ahead[: most - len(found)]
                found += taken
                if taken:
                    self._positions[at] = taken[-1].offset + 1
        if not found:
            self._clock.advance(timeout_seconds)
        return found

    def seek(self, at: TopicPartition, offset: int) -> None:
        """Read *at* from *offset* next, as after the broker has forgotten what was there."""
        self._positions[at] = offset

    def pause(self, partitions: Collection[TopicPartition]) -> None:
        """Give nothing from *partitions*."""
        self.paused |= set(partitions)

    def resume(self, partitions: Collection[TopicPartition]) -> None:
        """Give from *partitions* again."""
        self.paused -= set(partitions)

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Take *offsets*, or refuse them with `commit_error`; answered at the next poll."""
        self.commits.append((self._clock.now, dict(offsets)))
        if self.commit_error is None:
            self.committed.update(offsets)
        self._answers.append((dict(offsets), self.commit_error))

    def close(self, timeout_seconds: float) -> bool:
        """Leave, as the real one does: what is assigned is revoked first."""
        self.closed_after = timeout_seconds
        if self._positions:
            self.revoke(list(self._positions))
        return True


class FakeExecutor:
    """Makes tries when it is waited for: `consumers.ports.Executor`, without threads.

    *seconds* says how long the try of a record takes; other waiting goes on meanwhile. A try is
    made when its time is over. *together* works on whole runs instead, each for the time of its
    first record.
    """

    def __init__(
        self,
        tries: Callable[[Attempt], Ended],
        clock: FakeClock,
        seconds: Callable[[Record], float] = lambda _: 0.0,
        lanes: int = 1,
        together: Callable[[Run], None] | None = None,
    ) -> None:
        self._together = together
        self._tries, self._clock, self._seconds, self._lanes = tries, clock, seconds, lanes
        self._in_work: list[tuple[float, Attempt, Run]] = []
        self.closed = False

    @property
    def free(self) -> int:
        """Count the lanes without a run."""
        return self._lanes - len(self._in_work)

    def start(self, run: Run) -> None:
        """Begin with a run."""
        assert self.free, "no lane is free"
        run.seconds = -self._clock.now
        self._begin(run)

    def _begin(self, run: Run) -> None:
        attempt = run.todo[0] if self._together else run.todo.popleft()
        run.since = self._clock.now
        self._in_work.append((self._clock.now + self._seconds(attempt.record), attempt, run))

    def wait(self, timeout_seconds: float) -> Run | None:
        """Let time pass until a run ends or the time is up."""
        until = self._clock.now + timeout_seconds
        while self._in_work:
            first = min(self._in_work, key=lambda one: one[0])
            if first[0] > until:
                break
            self._clock.advance(max(first[0] - self._clock.now, 0))
            self._in_work.remove(first)
            _, attempt, run = first
            if self._together:
                self._together(run)
                return run
            run.ended.append(self._tries(attempt))
            if not run.todo or run.ended[-1].outcome not in (Outcome.DONE, Outcome.DEAD_LETTER):
                run.seconds += self._clock.now
                return run
            self._begin(run)
        self._clock.advance(max(until - self._clock.now, 0))
        return None

    def close(self) -> None:
        """Take note."""
        self.closed = True


class FakeDeadLetters:
    """Keeps dead letters in a list: `consumers.ports.DeadLetters`. Refuses the first *failures*."""

    def __init__(self, failures: int = 0) -> None:
        self.kept: list[tuple[Record, BaseException, int]] = []
        self.failures = failures

    def send(self, record: Record, error: BaseException, *, attempts: int) -> None:
        """Keep *record*, or refuse it."""
        if self.failures:
            self.failures -= 1
            raise DeadLetterFailed("the test's queue is away")
        self.kept.append((record, error, attempts))

    def serve(self) -> None:
        """Do nothing: there is no client."""
