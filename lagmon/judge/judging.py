"""Send one snapshot through the stages: what it means, what everybody is doing, who is to be told.

In: what is remembered of a cluster, a `Snapshot`, a `Policy`. Out: a `Judgement` with the memory
for the next. The loop, a replay and a single look all judge here, so that they agree. No clock and
no I/O: the time is the snapshot's. The stages do not know one another; this module joins them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from lagmon.alerts.incidents import AWAY_SECONDS, State, concerned, step
from lagmon.alerts.maintenance import announced, holding
from lagmon.alerts.verdicts import Seen
from lagmon.judge import seconds
from lagmon.judge.arrivals import Arrivals
from lagmon.judge.evaluate import states
from lagmon.judge.history import History
from lagmon.judge.lag import UNKNOWN, measure
from lagmon.judge.progress import Progress
from lagmon.judge.shared import is_silent, speaks_of
from lagmon.judge.states import Judging
from lagmon.judge.suspects import Answer, records, remember, suspects
from lagmon.judge.tails import tails
from lagmon.readings import Plan
from lagmon.report import Notice, OldestRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lagmon.alerts.maintenance import Window
    from lagmon.alerts.rules import Rule
    from lagmon.judge.states import GroupVerdict
    from lagmon.model import (
        Age,
        ClusterLag,
        GroupLag,
        IncidentChange,
        IncidentKey,
        PartitionLag,
    )
    from lagmon.readings import PeekRequest, Snapshot

AWAY_CYCLES = 2.0  # late so many, nobody looked, if that is longer than `AWAY_SECONDS`


@dataclass(frozen=True, slots=True)
class Policy:
    """What the loop is set to do.

    *named* has, by cluster, the groups that the configuration names. *probe_calls* is how many
    calls a cycle may spend on records' times.
    """

    rules: tuple[Rule, ...]
    poll_interval_seconds: float
    peeks_per_cycle: int
    judging: Judging = field(default_factory=Judging)
    probe_calls: int = 0
    maintenance: tuple[Window, ...] = ()
    named: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Memory:
    """What one cycle hands to the next; `Memory.of` a policy is the first.

    *history*, *arrivals* and *progress* grow in place. They hold facts, which stay true whatever
    becomes of a cycle, and take in the same snapshot only once.
    """

    state: State = field(default_factory=State)
    answers: tuple[Answer, ...] = ()
    records: Mapping[str, OldestRecord] = field(default_factory=dict)
    plan: Plan = field(default_factory=Plan)
    history: History = field(default_factory=History)
    arrivals: Arrivals = field(default_factory=Arrivals)
    progress: Progress = field(default_factory=Progress)

    @classmethod
    def of(cls, policy: Policy) -> Memory:
        """Give the memory of a cluster that was never judged."""
        return cls(history=History(policy.judging.window))


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the stages made of one snapshot; *maintenance* is what nobody is to be woken by."""

    memory: Memory
    lag: ClusterLag
    notices: tuple[Notice, ...]
    maintenance: tuple[IncidentKey, ...] = ()


def judge(memory: Memory, snapshot: Snapshot, policy: Policy) -> Judgement:
    """Send *snapshot* through the stages, at the time that it bears."""
    if is_silent(snapshot):
        return Judgement(_without_incidents(memory), measure(snapshot), ())
    lag = _judged(memory, snapshot, policy)
    held = holding(policy.maintenance, lag.at)
    seen = _seen(memory.progress, lag.cluster, policy)
    away = max(AWAY_SECONDS, AWAY_CYCLES * policy.poll_interval_seconds)
    state, changes = step(
        *(memory.state, policy.rules, lag, lag.at),
        seen=seen,
        ours=partial(speaks_of, snapshot),
        held=held,
        away_seconds=away,
    )
    groups = concerned(state)
    answers = remember(memory.answers, snapshot.peeks, lag, groups, lag.at)
    looking = policy.peeks_per_cycle > 0
    shown = records(lag, groups, answers, memory.records, looking=looking)
    asked = suspects(lag, groups, answers, limit=policy.peeks_per_cycle, now=lag.at)
    # Those that are over still have the record that they were told with.
    told = {**memory.records, **shown}
    after = replace(
        memory, state=state, answers=answers, records=shown, plan=_plan(memory, lag, policy, asked)
    )
    detail = snapshot.error or "; ".join(sorted(snapshot.list_errors)) or None
    notices = tuple(_notices(changes, lag, policy.rules, told, detail))
    quiet = announced(policy.maintenance, policy.rules, lag, lag.at)
    return Judgement(after, lag, notices, quiet)


def _without_incidents(memory: Memory) -> Memory:
    """Give *memory* as it is while others judge all of it: what was seen stays true."""
    return replace(memory, state=State(), answers=(), records={}, plan=Plan())


def _judged(memory: Memory, snapshot: Snapshot, policy: Policy) -> ClusterLag:
    """Measure *snapshot*, and fill in how old each row is and what the group is doing."""
    lag = measure(snapshot)
    memory.history.observe(snapshot)
    memory.arrivals.learn(snapshot)
    memory.progress.observe(snapshot, lag, policy.judging)
    ages = seconds.ages(lag, memory.history, memory.arrivals, lag.at)
    verdicts = states(lag, memory.progress, policy.judging)
    memory.progress.keep(verdicts)
    for group in lag.groups:
        _fill(group, verdicts[group.group], ages[group.group])
    return lag


def _fill(group: GroupLag, verdict: GroupVerdict, ages: Sequence[Age | None]) -> None:
    for row, one, age in zip(group.partitions, verdict.partitions, ages, strict=True):
        if one is not None:  # otherwise its topic is deleted
            row.age = age
            row.judged, row.since, row.reason = one.state, one.since, one.reason
    group.age = _oldest(group.partitions)
    judged = verdict.judged
    group.judged, group.since, group.reason = judged.state, judged.since, judged.reason
    group.rate = verdict.rate


def _oldest(rows: Sequence[PartitionLag]) -> Age | None:
    """Give the highest age that is known; none, rather than 0, where something else may be unread.

    That of which the lag is not known is.
    """
    age = seconds.worst(row.age for row in rows if row.age is not None)
    if age is None or age.seconds > 0:
        return age
    return None if any(_may_be_unread(row) for row in rows) else age


def _may_be_unread(row: PartitionLag) -> bool:
    return row.age is None and (bool(row.lag) or row.why in UNKNOWN)


def _seen(progress: Progress, cluster: str, policy: Policy) -> Seen:
    return Seen(progress.alive | policy.named.get(cluster, frozenset()), progress.valued)


def _plan(memory: Memory, lag: ClusterLag, policy: Policy, asked: Sequence[PeekRequest]) -> Plan:
    """Give the questions for the next snapshot: what is *asked* of incidents, and what else."""
    limit = policy.peeks_per_cycle
    half = (limit + 1) // 2  # for what tells a state; the pages' records have the rest
    doubts = tails(lag, memory.progress, half)
    doubts += seconds.doubts(memory.arrivals, memory.history, lag.at, limit=half)
    peeks = tuple(dict.fromkeys((*doubts[:half], *asked, *doubts[half:])))[:limit]
    return Plan(peeks, seconds.plan(memory.arrivals, lag.at, calls=policy.probe_calls))


def _notices(
    changes: Sequence[IncidentChange],
    lag: ClusterLag,
    rules: Sequence[Rule],
    told: Mapping[str, OldestRecord],
    detail: str | None,
) -> list[Notice]:
    by_name = {rule.name: rule for rule in rules}
    groups = {group.group: group for group in lag.groups}
    notices = []
    for change in changes:
        name = change.incident.key.group
        rule = by_name.get(change.incident.key.rule)
        if rule is None:
            continue
        own = rule.of(name) or rule  # an incident ends by the rule that it was opened by
        if name is None:
            answered = lag.error is None
            notices.append(Notice(change, own, lag.at, detail=detail, answered=answered))
        else:
            notices.append(Notice(change, own, lag.at, groups.get(name), told.get(name)))
    return notices
