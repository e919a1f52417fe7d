"""Tell for how long the oldest unread record of each group partition has waited, and what to ask.

Comes in: the lag of a cluster, the history of its partitions, the memory of arrivals, the time.
Goes out: an `Age` for every group partition of which one is known, with the method and the bound of
its error, and the questions for the next plan. Pure but for the memory that it is handed.

An age is that of a record, up to now, found in this order:

- Nothing is unread: 0.
- ``history``: the record arrived between two samples of its partition. The age is the time since
  then, wrong by no more than the stated bound. It is kept until the commit moves.
- ``timestamps``: the record is older than the samples. The age is by the record's own time, exact
  where a question hit that very record, otherwise a lower bound.
- A lower bound, the time since the record was first seen, where records have no time, or where
  they were seen to arrive long after it, so that it says nothing of how long they waited.

Nothing is carried on beyond what was seen, and what is not known has no age.
``tests/lagmon/judge/test_seconds.py`` says why each answer is right.
"""

from __future__ import annotations

from heapq import nsmallest
from typing import TYPE_CHECKING

from lagmon.judge.arrivals import ASK_AGAIN_SECONDS, Arrival, is_late, milliseconds
from lagmon.judge.recalled import take_over
from lagmon.model import Age, Method
from lagmon.readings import PeekRequest, ProbeRequest, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lagmon.judge.arrivals import Arrivals, Key
    from lagmon.judge.bracket import Bracket
    from lagmon.judge.history import History, Samples
    from lagmon.model import ClusterLag, PartitionLag

PROBES_PER_CALL = 2000  # partitions that one call to the cluster asks about
MARKERS = 2  # as many unread offsets may well be markers of transactions alone
MILLISECOND = 0.001
CAUGHT_UP = Age(0.0, Method.CAUGHT_UP, 0.0)


def ages(
    lag: ClusterLag, history: History, known: Arrivals, now: float
) -> dict[str, tuple[Age | None, ...]]:
    """Give each group's ages in the order of its rows, ``None`` for those that are not known.

    *history* and *known* have seen the snapshot, and *known* is brought up to date in place. While
    the cluster does not answer there are no ages, and everything is kept.
    """
    if lag.error is not None:
        return {}
    if known.recalled is not None:
        take_over(known, known.recalled, lag, history)
    found: dict[str, tuple[Age | None, ...]] = {}
    kept: dict[str, dict[Key, Arrival]] = {}
    doubtful = known.transactional | history.transactional
    for group in lag.groups:
        name = group.group
        # A group that could not be read stands where it stood, as far as is known.
        before = known.groups.get(name, {})
        behind: dict[Key, Arrival] = {} if group.partitions else before
        of_group: list[Age | None] = []
        for row in group.partitions:
            if row.lag == 0:
                of_group.append(CAUGHT_UP if _is_caught_up(row) else None)
                continue
            at = row.at
            arrival = _arrival(before.get(at), row, history, known, now)
            if arrival is None:
                of_group.append(None)
                continue
            behind[at] = arrival
            of_group.append(_age(arrival, row, known, now, doubtful=at.topic in doubtful))
        found[name] = tuple(of_group)
        if behind:
            kept[name] = behind
    known.keep(kept, complete=lag.complete)
    return found


def worst(found: Iterable[Age]) -> Age | None:
    """Give the age of a group: the highest of its partitions'; ``None`` if none is known."""
    return max(found, key=lambda age: age.seconds, default=None)


def plan(known: Arrivals, now: float, *, calls: int) -> tuple[ProbeRequest, ...]:
    """List what to ask next about records' times, as much as *calls* calls can ask.

    A call asks each partition one thing, and `PROBES_PER_CALL` partitions at most. Where there is
    not room for all, those come first that had their turn least often; *known* counts it.
    """
    waiting: dict[Key, list[Bracket]] = {}
    for arrivals in known.groups.values():
        for key, arrival in arrivals.items():
            bracket = arrival.bracket
            if bracket is not None and not bracket.is_done and not known.is_silent(key, now):
                waiting.setdefault(key, []).append(bracket)
    room = calls * PROBES_PER_CALL
    asked: list[ProbeRequest] = []
    for key, brackets in sorted(waiting.items(), key=_attempts):
        times = _times(brackets, milliseconds(now), min(calls, room - len(asked)))
        asked += [ProbeRequest(TopicPartition(*key), time / 1000) for time in times]
    return tuple(asked)


def doubts(known: Arrivals, history: History, now: float, *, limit: int) -> tuple[PeekRequest, ...]:
    """List at most *limit* records to look at, because there may be none: the smallest lag first.

    A commit that stands before markers of transactions, or before aborted or compacted records,
    waits for none of them. One look at each is enough while the commit stands.
    """
    doubtful = known.transactional | history.transactional
    standing = [
        (key[0] not in doubtful, arrival.lag, key, arrival.target)
        for arrivals in known.groups.values()
        for key, arrival in arrivals.items()
        if arrival.since < now and not arrival.is_record and arrival.lag > 0
        if arrival.looked is None or not 0 <= now - arrival.looked < ASK_AGAIN_SECONDS
    ]
    first = dict.fromkeys((key, target) for _, _, key, target in nsmallest(limit, standing))
    return tuple(PeekRequest(TopicPartition(*key), target) for key, target in first)


def _arrival(
    before: Arrival | None, row: PartitionLag, history: History, known: Arrivals, now: float
) -> Arrival | None:
    """Give the arrival that belongs to where *row* stands now."""
    samples = history.of(row.at)
    if row.committed is None or row.lag is None or row.end is None or samples is None:
        return before
    commit = row.committed + row.lost  # what was deleted is no longer waited for
    arrival = before
    if arrival is None or arrival.life != samples.life or commit < arrival.commit:
        arrival = Arrival(samples, commit, now)
    elif commit > arrival.commit:
        arrival.follow(commit, samples, now)
    elif arrival.time is None and arrival.bracket is None:
        arrival.place(samples)
    arrival.lag = row.end - arrival.target
    if known.looks or arrival.bracket is not None:
        _learn(arrival, row.at, samples, known, now)
    return arrival


def _learn(arrival: Arrival, key: Key, samples: Samples, known: Arrivals, now: float) -> None:
    """Take in what was answered about the target."""
    for offset in {arrival.commit, arrival.target} if known.looks else ():
        look = known.looks.get((*key, offset))
        if look is not None:
            arrival.look(look, samples, now)
    answers = known.answers.get(key)
    if arrival.bracket is not None and answers is not None:
        arrival.bracket.narrow(answers)
        if any(is_late(answer, samples) for answer in answers):
            known.late[key] = samples.life


def _is_caught_up(row: PartitionLag) -> bool:
    """Tell whether a lag of 0 means that all was read: past the end nobody knows what was."""
    return row.clamped or row.committed == row.end


def _age(
    arrival: Arrival, row: PartitionLag, known: Arrivals, now: float, *, doubtful: bool
) -> Age | None:
    if row.lag is None:
        return None
    if arrival.lag <= 0:
        # What is left cannot be read: there is nothing to wait for, unless it was lost.
        return None if row.lost else CAUGHT_UP
    if arrival.time is not None:
        age: Age | None = Age(max(0.0, now - arrival.time), Method.HISTORY, arrival.error)
    elif arrival.bracket is not None:
        late = known.late.get(row.at) == arrival.life
        age = _age_of_record(arrival, arrival.bracket, now, late=late)
    else:
        return None
    return _doubted(age, arrival) if doubtful and not arrival.is_record else age


def _age_of_record(arrival: Arrival, bracket: Bracket, now: float, *, late: bool) -> Age | None:
    waited = max(0.0, now - arrival.seen)
    if bracket.is_mute or late:
        return Age(waited, Method.HISTORY, None)
    if bracket.latest is None or not bracket.is_near(milliseconds(now)):
        return None
    by_record = now - bracket.latest / 1000
    if bracket.exact and by_record >= waited:
        return Age(by_record, Method.TIMESTAMPS, MILLISECOND)
    # It was there when it was first seen, whatever the clock of its producer said.
    return Age(max(by_record, waited), Method.TIMESTAMPS, None)


def _doubted(age: Age | None, arrival: Arrival) -> Age | None:
    """Give what is left of *age* if the target may be no record: the next one may be much younger.

    It may even be that there is none.
    """
    if age is None or arrival.lag <= MARKERS or age.error_seconds is None:
        return None
    return Age(age.seconds, age.method, max(age.seconds, age.error_seconds))


def _attempts(waiting: tuple[Key, list[Bracket]]) -> int:
    return min(bracket.asked for bracket in waiting[1])


def _times(brackets: list[Bracket], now: int, limit: int) -> list[int]:
    """Share *limit* questions between the *brackets* of one partition, in turns."""
    brackets = sorted(brackets, key=lambda bracket: bracket.asked)[:limit]
    for bracket in brackets:
        bracket.asked += 1
    wanted = [bracket.questions(now, limit) for bracket in brackets]
    turns = (times[turn] for turn in range(limit) for times in wanted if turn < len(times))
    return list(dict.fromkeys(turns))[:limit]
