"""What is remembered of every group partition: when its oldest unread record arrived.

Comes in: where the groups stand, and what was answered about times and records. Goes out: one
`Arrival` for each group partition that is behind, kept until the commit moves, the topic is made
anew or times can no longer be compared. Pure but for its own memory; asks nothing.

`lagmon.seconds` fills and reads it. A commit may stand before offsets that hold no record that
could be read: markers of transactions, aborted records, compacted ones. Only a look at the record
can tell; what it told moves the *target* up, and without one a topic with transactions is in doubt.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lagmon.bracket import Answer, Bracket
from lagmon.readings import Isolation

if TYPE_CHECKING:
    from lagmon.readings import Peek, Probe, Snapshot

    Key = tuple[str, int]  # topic and partition

ASK_AGAIN_SECONDS = 60.0  # after a question that failed
REACHED_END = "_PARTITION_EOF"  # opens the answer of a peek that found nothing more to read


@dataclass(slots=True)
class Arrival:
    """One group partition that is behind.

    *commit* is where the group stands, moved up to what still exists; *target* the oldest record
    that can be read, as far as is known. *life* is that of the partition's samples, *since* when
    the commit was first seen, *seen* when the target was, *lag* what lies from the target on.
    *time* with *error* come from the samples; where those do not reach, *bracket* closes in on the
    record's own time.
    """

    life: int
    commit: int
    since: float
    target: int
    seen: float
    lag: int = 0
    time: float | None = None
    error: float = 0.0
    bracket: Bracket | None = None
    is_record: bool = False  # a look showed that there is one to read at the target
    looked: float | None = None  # when a look failed


@dataclass(frozen=True, slots=True)
class Look:
    """What a peek showed: the oldest record at or after an offset, or that there is none."""

    found: int | None  # the record's offset
    time: float | None  # the record's own
    void_to: int  # nothing before this offset can be read
    failed: bool = False


@dataclass(slots=True)
class Arrivals:
    """The arrivals of one cluster's groups, and what the latest snapshot answered.

    *late* has the partitions on which records were seen to arrive long after their own time.
    """

    groups: dict[str, dict[Key, Arrival]] = field(default_factory=dict)
    answers: dict[Key, list[Answer]] = field(default_factory=dict)
    looks: dict[tuple[str, int, int], Look] = field(default_factory=dict)
    transactional: set[str] = field(default_factory=set)
    late: dict[Key, int] = field(default_factory=dict)  # and in which of their lives
    silent: dict[Key, float] = field(default_factory=dict)  # and when the question failed

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

    def keep(self, groups: dict[str, dict[Key, Arrival]], *, complete: bool) -> None:
        """Go on with *groups*; if they are not *complete*, those that are missing stay."""
        self.groups = groups if complete else self.groups | groups

    def forget(self, topics: set[str]) -> None:
        """Drop what is known of topics beside *topics*, which nobody reads any more."""
        self.transactional &= topics
        self.late = {key: life for key, life in self.late.items() if key[0] in topics}
        self.silent = {key: at for key, at in self.silent.items() if key[0] in topics}

    def is_silent(self, key: Key, now: float) -> bool:
        """Tell whether questions about *key* failed a short while ago."""
        at = self.silent.get(key)
        return at is not None and 0 <= now - at < ASK_AGAIN_SECONDS


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
