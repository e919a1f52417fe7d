"""What a restart must not forget of arrivals: given as plain JSON values, and taken over again.

In: the arrivals with the ids of their topics; after a restart what was given, and the rows of the
cycles that follow. Out: the same arrivals, each once its row can be read. One is taken over only
where all that it was found by still holds: the topic is the same by its id, and neither its end nor
the clock went back. Whether the group still stands there, `seconds` sees as in any cycle. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from heapq import nsmallest
from typing import TYPE_CHECKING

from lagmon.fields import AMOUNTS, TIMES, Fields
from lagmon.judge.arrivals import Arrival, Arrivals
from lagmon.judge.bracket import Answer, Bracket
from lagmon.readings import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lagmon.judge.arrivals import Key
    from lagmon.judge.history import History, Samples
    from lagmon.model import ClusterLag

    Groups = dict[str, dict[Key, "Found"]]

STAMPS = (-(2**63), 2**63 - 1)  # what a producer may give as the time of a record
KEPT = 100_000  # of more arrivals, the oldest: to find those again takes longest


@dataclass(frozen=True, slots=True)
class Found:
    """What was found out about the oldest unread record of one group partition.

    *end* is that of the partition then. *time* and *error* are there if it arrived in sight.
    Otherwise *below*, *above* and *exact* are what its bracket came to, in milliseconds. *late*:
    records were seen to arrive there long after their own time. The rest is as in `Arrival`.
    """

    commit: int
    target: int
    end: int
    seen: float
    is_record: bool
    late: bool
    time: float | None = None
    error: float = 0.0
    below: tuple[int, int] | None = None
    above: Answer | None = None
    exact: int | None = None

    @property
    def order(self) -> float:
        """The time since which the record has waited, as far as is known."""
        return self.seen if self.time is None else self.time


@dataclass(slots=True)
class Recalled:
    """What was saved *at* a time, as far as it was not taken over yet; *ids* are those of topics.

    *transactional* has the topics on which a transaction had been seen.
    """

    at: float
    groups: Groups
    ids: dict[str, str]
    transactional: frozenset[str]


def saved(known: Arrivals, history: History, now: float) -> dict[str, object]:
    """Give what a restart must not forget, as plain JSON values."""
    before = known.recalled
    found = _found(known, history)
    if before is not None:
        for name, waiting in before.groups.items():
            found[name] = found.get(name, {}) | waiting
    ids = history.ids if before is None else {**before.ids, **history.ids}
    found = _oldest(found)
    topics = {topic for partitions in found.values() for topic, _ in partitions}
    doubtful = known.transactional | history.transactional
    doubtful |= before.transactional if before is not None else frozenset()
    return {
        "at": now,
        "groups": {name: _group_out(partitions) for name, partitions in found.items()},
        "topics": {topic: ids[topic] for topic in sorted(topics)},
        "transactional": sorted(doubtful & topics),
    }


def restored(value: object) -> Arrivals:
    """Take what `saved` gave; raise RecordingError with the path of what is wrong in it."""
    fields = Fields.of(value)
    groups, ids = fields.below("groups", default={}), fields.below("topics", default={})
    found = {name: _group_in(groups.below(name)) for name in groups}
    known = {topic: ids.text(topic) for topic in ids}
    doubtful = frozenset(fields.texts("transactional"))
    return Arrivals(recalled=Recalled(fields.number("at", TIMES), found, known, doubtful))


def take_over(known: Arrivals, recalled: Recalled, lag: ClusterLag, history: History) -> None:
    """Move to *known* what is *recalled* of the rows of *lag*, and forget what is void.

    What cannot be told yet, as a row without a value or a topic without an id, waits on.
    """
    if lag.at < recalled.at:  # the clock went back: no time of it can be compared
        known.recalled = None
        return
    waiting = _waiting(recalled, lag, history)
    for group in lag.groups:
        name, found = group.group, waiting.get(group.group)
        for row in group.partitions if found else ():
            samples = history.of(row.at)
            if row.at not in waiting[name] or row.end is None or samples is None:
                continue
            if row.at.topic not in history.ids:
                continue
            one = waiting[name].pop(row.at)
            if row.end < one.end:
                continue
            known.groups.setdefault(name, {})[row.at] = _arrival(one, samples, lag.at)
            known.transactional |= recalled.transactional & {row.at.topic}
            if one.late:
                known.late[row.at] = samples.life
    left = {name: found for name, found in waiting.items() if found}
    known.recalled = replace(recalled, groups=left) if left else None


def _waiting(recalled: Recalled, lag: ClusterLag, history: History) -> Groups:
    """Give what is *recalled* of groups that there may be, and of topics not made anew."""
    anew = {topic for topic, one in recalled.ids.items() if history.ids.get(topic, one) != one}
    there = {group.group for group in lag.groups}
    return {
        name: {key: one for key, one in found.items() if key[0] not in anew}
        for name, found in recalled.groups.items()
        if name in there or not lag.complete
    }


def _found(known: Arrivals, history: History) -> Groups:
    """Give what is worth to be kept: of this life of a topic whose id is known."""
    found: Groups = {}
    for name, arrivals in known.groups.items():
        for key, arrival in arrivals.items():
            samples = history.of(TopicPartition(*key))
            if samples is None or samples.life != arrival.life or key[0] not in history.ids:
                continue
            late = known.late.get(key) == arrival.life
            one = _of(arrival, late=late)
            if one is not None:
                found.setdefault(name, {})[key] = one
    return found


def _of(arrival: Arrival, *, late: bool) -> Found | None:
    """Give what was found out about *arrival*, if anything was."""
    time, bracket = arrival.time, arrival.bracket
    below, above, exact = None, None, None
    if bracket is not None and time is None:
        below, above = bracket.below, bracket.above[0] if bracket.above else None
        exact = bracket.latest if bracket.exact else None
    is_found = any(one is not None for one in (time, below, above, exact))
    if not is_found and arrival.target == arrival.commit:
        return None  # otherwise what lies before the target is at least known to be void
    return Found(
        arrival.commit,
        arrival.target,
        arrival.target + arrival.lag,
        arrival.seen,
        arrival.is_record,
        late,
        time,
        arrival.error,
        below,
        above,
        exact,
    )


def _arrival(one: Found, samples: Samples, now: float) -> Arrival:
    arrival = Arrival(samples, one.commit, now)
    arrival.target, arrival.seen, arrival.is_record = one.target, one.seen, one.is_record
    arrival.time, arrival.error, arrival.bracket = one.time, one.error, None
    if one.below is not None or one.above is not None or one.exact is not None:
        bracket = arrival.bracket = Bracket(one.target)
        bracket.below = one.below
        bracket.narrow(() if one.above is None else (one.above,))
        if one.exact is not None:
            bracket.settle(one.exact)
    return arrival


def _oldest(found: Groups) -> Groups:
    if sum(len(partitions) for partitions in found.values()) <= KEPT:
        return found
    every = ((one.order, n, k) for n, held in found.items() for k, one in held.items())
    kept: Groups = {}
    for _, name, key in nsmallest(KEPT, every):
        kept.setdefault(name, {})[key] = found[name][key]
    return kept


def _group_out(partitions: Mapping[Key, Found]) -> dict[str, dict[str, object]]:
    topics: dict[str, dict[str, object]] = {}
    for (topic, partition), one in partitions.items():
        topics.setdefault(topic, {})[str(partition)] = _out(one)
    return topics


def _group_in(topics: Fields) -> dict[Key, Found]:
    found = {}
    for topic in topics:
        partitions = topics.below(topic)
        for key in partitions:
            found[topic, partitions.partition(key)] = _in(partitions.below(key))
    return found


def _out(one: Found) -> dict[str, object]:
    values = {
        "commit": one.commit,
        "target": one.target if one.target != one.commit else None,
        "end": one.end,
        "seen": one.seen,
        "record": one.is_record or None,
        "late": one.late or None,
        "time": one.time,
        "error": one.error if one.time is not None else None,
        "below": one.below and {"offset": one.below[0], "time": one.below[1]},
        "above": one.above and one.above._asdict(),
        "exact": one.exact,
    }
    return {name: value for name, value in values.items() if value is not None}


def _in(fields: Fields) -> Found:
    commit, target = fields.whole("commit", AMOUNTS), fields.maybe_whole("target", AMOUNTS)
    below, above = fields.maybe_below("below"), fields.maybe_below("above")
    return Found(
        commit,
        commit if target is None else target,
        fields.whole("end", AMOUNTS),
        fields.number("seen", TIMES),
        bool(fields.maybe_truth("record")),
        bool(fields.maybe_truth("late")),
        fields.maybe_number("time", TIMES),
        fields.maybe_number("error", AMOUNTS) or 0.0,
        None if below is None else (below.whole("offset", AMOUNTS), below.whole("time", STAMPS)),
        None if above is None else _answer(above),
        fields.maybe_whole("exact", STAMPS),
    )


def _answer(fields: Fields) -> Answer:
    offset, time = fields.whole("offset", AMOUNTS), fields.maybe_whole("time", STAMPS)
    return Answer(fields.whole("asked", STAMPS), offset, time)
