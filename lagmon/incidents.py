"""From lag to incidents: who is to be told what, and when it is over. Pure: time is handed in.

In: what was open or pending (`State`), the rules, one `ClusterLag` and the time of it. Out: the
new `State` and the `IncidentChange`s to pass on, in the order of their keys. One state belongs to
one cluster. Nothing here sends, logs or looks at a clock.

An incident goes through::

    nothing --holds--> pending --held for `for`--> open --known to be fine--> resolved --> nothing

Each reading of a key is one of four, and the difference between the last three is the point:

* *holds*: the value is known and above. A sum of which parts are unknown is a lower bound, so it
  may hold but can never be fine.
* *fine*: the value is known, wholly, and not above. Ends pending; resolves.
* *missing*: nothing is known (an error, no answer, an incomplete list). Changes nothing: it does
  not open, its time does not count towards `for`, it does not resolve. An open incident goes on
  being sent, since a silent one would look resolved.
* *gone*: known to have nothing to be behind on: a complete list without the group, a group that
  has no commits (any more) or whose topics are deleted, a rule that is no more. Resolves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING

from lagmon.model import Change, ClusterLag, GroupLag, Incident, IncidentChange, IncidentKey, Why

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lagmon.rules import Rule

# Alertmanager lets an alert expire that nobody sends again, so an open one is repeated well inside
# the time for which it is declared to hold, which the notifier is given.
REMIND_SECONDS = 60.0
# Prometheus repeats a resolve for as long, so that one lost message does not leave a page open.
REPEAT_RESOLVE_SECONDS = 15 * 60.0

# Reasons for having no lag that are answers, not the lack of one.
_NOTHING_TO_READ = frozenset({Why.NEVER_COMMITTED, Why.TOPIC_DELETED})


@dataclass(frozen=True, slots=True)
class Pending:
    """A condition that holds but has not yet held for its time.

    *since* is when it was first seen to hold, *held_seconds* for how long it is known to have
    held, *seen_at* when it was last seen to, or ``None`` after a reading that was missing.
    """

    key: IncidentKey
    since: float
    held_seconds: float
    seen_at: float | None
    value: float


@dataclass(frozen=True, slots=True)
class State:
    """What must not be forgotten between two steps, each part sorted by key.

    *resolved* are incidents that are over and of which the end is still being repeated. A key is
    never in *opened* and *pending*, nor in *opened* and *resolved*.
    """

    pending: tuple[Pending, ...] = ()
    opened: tuple[Incident, ...] = ()
    resolved: tuple[Incident, ...] = ()


class _Verdict(Enum):
    HOLDS = auto()
    FINE = auto()
    MISSING = auto()
    GONE = auto()


@dataclass(frozen=True, slots=True)
class _Reading:
    verdict: _Verdict
    value: float | None = None


@dataclass(frozen=True, slots=True)
class _Life:
    """The part of a state that is about one key, and what one step made of it."""

    pending: Pending | None = None
    opened: Incident | None = None
    resolved: Incident | None = None
    change: Change | None = None


_NEW = _Life()


def step(
    state: State, rules: Sequence[Rule], lag: ClusterLag, now: float
) -> tuple[State, tuple[IncidentChange, ...]]:
    """Judge *lag* by *rules* at the time *now* (seconds); give the next state and what to tell.

    A `Change.OPENED` and a `Change.RESOLVED` of a key always take turns. `Change.REMINDED` is
    either of them once more, every `REMIND_SECONDS`; the incident's *resolved_at* tells which.
    A *now* before that of the last step is harmless: nothing opens, ends or is held back by it.
    """
    by_name = {rule.name: rule for rule in rules}
    readings = _readings(rules, lag)
    unseen = _Reading(_Verdict.MISSING if lag.error or not lag.complete else _Verdict.GONE)
    lives = _lives(state)
    for key, reading in readings.items():
        if reading.verdict is _Verdict.HOLDS:
            lives.setdefault(key, _NEW)

    after: list[_Life] = []
    for key in sorted(lives, key=_order):
        rule = by_name.get(key.rule)
        reading = readings.get(key, unseen)
        after.append(_advance(lives[key], key, reading, rule.for_seconds if rule else 0.0, now))
    return _state(after), tuple(_changes(after))


def concerned(state: State) -> frozenset[str]:
    """Name the groups that have an incident open or pending."""
    keys = [pending.key for pending in state.pending] + [opened.key for opened in state.opened]
    return frozenset(key.group for key in keys if key.group is not None)


def _readings(rules: Iterable[Rule], lag: ClusterLag) -> dict[IncidentKey, _Reading]:
    return {
        IncidentKey(rule.name, lag.cluster, group.group): _read(rule, group)
        for rule in rules
        for group in lag.groups
    }


def _read(rule: Rule, group: GroupLag) -> _Reading:
    if group.lag is None:
        return _Reading(_Verdict.GONE if group.why in _NOTHING_TO_READ else _Verdict.MISSING)
    if rule.condition.holds(group.lag):
        return _Reading(_Verdict.HOLDS, float(group.lag))
    return _Reading(_Verdict.MISSING if group.unknown else _Verdict.FINE, float(group.lag))


def _advance(
    life: _Life, key: IncidentKey, reading: _Reading, for_seconds: float, now: float
) -> _Life:
    life = _repeat_resolve(life, now)
    if life.opened is not None:
        return _advance_opened(life, life.opened, reading, now)
    if reading.verdict is _Verdict.MISSING:
        interrupted = life.pending and replace(life.pending, seen_at=None)
        return replace(life, pending=interrupted)
    if reading.verdict is not _Verdict.HOLDS:
        return replace(life, pending=None)
    assert reading.value is not None
    pending = _hold(life.pending, key, reading.value, now)
    if pending.held_seconds < for_seconds:
        return replace(life, pending=pending)
    opened = Incident(key, pending.since, opened_at=now, value=pending.value, sent_at=now)
    return _Life(opened=opened, change=Change.OPENED)


def _hold(pending: Pending | None, key: IncidentKey, value: float, now: float) -> Pending:
    if pending is None:
        return Pending(key, since=now, held_seconds=0.0, seen_at=now, value=value)
    # A clock that went back must neither take away what was held nor leave a beginning that lies
    # in the future, which a receiver would refuse.
    passed = 0.0 if pending.seen_at is None else max(0.0, now - pending.seen_at)
    return Pending(key, min(pending.since, now), pending.held_seconds + passed, now, value)


def _advance_opened(life: _Life, opened: Incident, reading: _Reading, now: float) -> _Life:
    if reading.verdict in {_Verdict.FINE, _Verdict.GONE}:
        value = opened.value if reading.value is None else reading.value
        over = replace(opened, value=value, sent_at=now, resolved_at=now)
        return _Life(resolved=over, change=Change.RESOLVED)
    if reading.verdict is _Verdict.HOLDS:
        assert reading.value is not None
        opened = replace(opened, value=reading.value)
    if not _due(opened.sent_at, now):
        return replace(life, opened=opened)
    return replace(life, opened=replace(opened, sent_at=now), change=Change.REMINDED)


def _repeat_resolve(life: _Life, now: float) -> _Life:
    resolved = life.resolved
    if resolved is None or resolved.resolved_at is None:
        return life
    ended_at = min(resolved.resolved_at, now)
    if now - ended_at > REPEAT_RESOLVE_SECONDS:
        return replace(life, resolved=None)
    if not _due(resolved.sent_at, now):
        return life
    repeated = replace(resolved, resolved_at=ended_at, sent_at=now)
    return replace(life, resolved=repeated, change=Change.REMINDED)


def _due(sent_at: float, now: float) -> bool:
    # After a clock went back, *sent_at* may lie ahead for hours: then send at once.
    return not 0 <= now - sent_at < REMIND_SECONDS


def _lives(state: State) -> dict[IncidentKey, _Life]:
    lives = {pending.key: _Life(pending=pending) for pending in state.pending}
    lives |= {opened.key: _Life(opened=opened) for opened in state.opened}
    for resolved in state.resolved:
        lives[resolved.key] = replace(lives.get(resolved.key, _NEW), resolved=resolved)
    return lives


def _state(lives: Iterable[_Life]) -> State:
    kept = list(lives)
    return State(
        pending=tuple(life.pending for life in kept if life.pending),
        opened=tuple(life.opened for life in kept if life.opened),
        resolved=tuple(life.resolved for life in kept if life.resolved),
    )


def _changes(lives: Iterable[_Life]) -> Iterable[IncidentChange]:
    for life in lives:
        incident = life.opened or life.resolved
        if life.change is not None and incident is not None:
            yield IncidentChange(life.change, incident)


def _order(key: IncidentKey) -> tuple[str, str, str, str, int]:
    partition = -1 if key.partition is None else key.partition
    return key.rule, key.cluster, key.group or "", key.topic or "", partition
