"""What is remembered of every group partition: when its oldest unread record arrived.

Comes in: where the groups stand, and what was answered about times and records. Goes out: one
`Arrival` for each group partition that is behind, kept until the commit moves, the topic is made
anew or times can no longer be compared. Pure but for its own memory; asks nothing.

`seconds` fills and reads it. A commit may stand before offsets that hold no record that
could be read: markers of transactions, aborted records, compacted ones. Only a look at the record
can tell; what it told moves the *target* up, and without one a topic with transactions is in doubt.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lagmon.judge.bracket import Answer, Bracket
from lagmon.readings import Isolation

if TYPE_CHECKING:
    from lagmon.judge.history import Samples
    from lagmon.judge.recalled import Recalled
    from lagmon.readings import Peek, Probe, Snapshot

    Key = tuple[str, int]  # topic and partition

ASK_AGAIN_SECONDS = 60.0  # after a question that failed
LATE_MS = 60_000  # a record that arrives so long after its own time was not written just now
REACHED_END = "_PARTITION_EOF"  # opens the answer of a peek that found nothing more to read


@dataclass(frozen=True, slots=True)
class Look:
    """What a peek showed: the oldest record at or after an offset, or that there is none."""

    found: int | None  # the record's offset
    time: float | None  # the record's own
    void_to: int  # nothing before this offset can be read
    failed: bool = False


class Arrival:
    """One group partition that is behind, since *commit* was first seen, at *since*.

    *commit* is where the group stands, moved up to what still exists. *target* is the oldest record
    that can be read, as far as is known; *lag* counts from it, and *seen* is when it was there
    first. *time* with *error* come from the samples, of which *life* is the number. Where those do
    not reach, *bracket* closes in on the record's own time. *is_record*: a look showed that it is
    one; *looked*: when a look failed.
    """

    __slots__ = (
        "bracket", "commit", "error", "is_record", "lag", "life", "looked", "seen", "since",
        "target", "time",
    )  # fmt: skip

    def __init__(self, samples: Samples, commit: int, now: float) -> None:
        self.life = samples.life
        self.commit = commit
        self.since = now
        self.bracket: Bracket | None = None
        self.lag = 0
        self.looked: float | None = None
        self.time: float | None = None
        self._aim(commit, samples, now)

    def follow(self, commit: int, samples: Samples, now: float) -> None:
        """Go on with a *commit* that is higher."""
        self.commit, self.since = commit, now
        if commit > self.target:  # otherwise it moved over what was known to be void
            self._aim(commit, samples, now)

    def look(self, look: Look, samples: Samples, now: float) -> None:
        """Take in what a *look* at the commit or the target showed."""
        if look.failed:
            self.looked = now
            return
        if look.void_to > self.target:
            self.lag -= look.void_to - self.target
            self._aim(look.void_to, samples, now)
        if look.found == self.target:
            self.is_record = True
            if self.bracket is not None and look.time is not None:
                self.bracket.settle(milliseconds(look.time))

    def _aim(self, target: int, samples: Samples, now: float) -> None:
        """Find out when *target* arrived, or begin to close in on its own time."""
        self.target = target
        self.is_record = False
        self.looked = self.time = None
        self.error = 0.0
        self.seen = now
        self.place(samples)

    def place(self, samples: Samples) -> None:
        """Look the target up in *samples*; while it lies at their end nothing is known of it."""
        hit = samples.arrived(self.target)
        if hit is not None:
            (self.time, self.error), self.bracket = hit, None
            return
        seen = samples.seen(self.target)
        if seen is None:
            self.bracket = None
            return
        self.seen = seen
        if self.bracket is None:
            self.bracket = Bracket(self.target)
        else:
            self.bracket.moved(self.target)


@dataclass(slots=True)
class Arrivals:
    """The arrivals of one cluster's groups, and what the latest snapshot answered.

    *late* has the partitions on which records were seen to arrive long after their own time,
    *recalled* what was known before a restart, until it can be taken over.
    """

    groups: dict[str, dict[Key, Arrival]] = field(default_factory=dict)
    answers: dict[Key, list[Answer]] = field(default_factory=dict)
    looks: dict[tuple[str, int, int], Look] = field(default_factory=dict)
    transactional: set[str] = field(default_factory=set)
    late: dict[Key, int] = field(default_factory=dict)  # and in which of their lives
    silent: dict[Key, float] = field(default_factory=dict)  # and when the question failed
    recalled: Recalled | None = None

    def learn(self, snapshot: Snapshot) -> None:
        """Take in the answers of *snapshot*; those of the one before are forgotten."""
        ends = {(log.at.topic, log.at.partition): log for log in snapshot.topics}
        self.answers, self.looks = {}, {}
        for probe in snapshot.probes:
            key = (probe.question.at.topic, probe.question.at.partition)
            log = ends.get(key)
            if probe.error is not None:
                self.silent[key] = snapshot.at
            elif log is not None and log.high is not None:
                self.silent.pop(key, None)
                self.answers.setdefault(key, []).append(_answer(probe, log.high))
        for peek in snapshot.peeks:
            at = peek.question.at
            log = ends.get((at.topic, at.partition))
            stable = None if log is None else log.stable
            if peek.question.isolation is Isolation.READ_COMMITTED:
                look = _look(peek, stable)
                self.looks[at.topic, at.partition, peek.question.offset] = look
                if look.void_to > peek.question.offset and look.found is None:
                    self.transactional.add(at.topic)
        if snapshot.error is None:
            self._forget({topic for topic, _ in ends})

    def keep(self, groups: dict[str, dict[Key, Arrival]], *, complete: bool) -> None:
        """Go on with *groups*; if they are not *complete*, those that are missing stay."""
        self.groups = groups if complete else self.groups | groups

    def is_silent(self, key: Key, now: float) -> bool:
        """Tell whether questions about *key* failed a short while ago."""
        at = self.silent.get(key)
        return at is not None and 0 <= now - at < ASK_AGAIN_SECONDS

    def _forget(self, topics: set[str]) -> None:
        """Drop what is known of topics beside *topics*, which nobody reads any more."""
        self.transactional &= topics
        self.late = {key: life for key, life in self.late.items() if key[0] in topics}
        self.silent = {key: at for key, at in self.silent.items() if key[0] in topics}


def is_late(answer: Answer, samples: Samples) -> bool:
    """Tell whether *answer* shows that records arrive long after their own time.

    The first record after the oldest of *samples* arrived after it. If it is older by its own time
    than a time well before that sample, it had been written long before.
    """
    oldest = samples.ends[0]
    return (
        samples.ends[-1] > oldest
        and answer.offset > oldest
        and answer.asked <= milliseconds(samples.times[0]) - LATE_MS
    )


def milliseconds(time: float) -> int:
    """Give a *time* in seconds in whole milliseconds, as Kafka has them."""
    return round(time * 1000)


def _answer(probe: Probe, end: int) -> Answer:
    asked = milliseconds(probe.question.timestamp)
    if probe.offset is None or probe.record_timestamp is None:
        return Answer(asked, end, None)
    return Answer(asked, probe.offset, milliseconds(probe.record_timestamp))


def _look(peek: Peek, stable: int | None) -> Look:
    asked = peek.question.offset
    if peek.found_offset is not None:
        return Look(peek.found_offset, peek.timestamp, max(asked, peek.found_offset))
    if peek.error is not None and peek.error.startswith(REACHED_END) and stable is not None:
        # A reader of committed records ends at the last stable offset; the peek came after it.
        return Look(None, None, max(asked, stable))
    return Look(None, None, asked, failed=True)
