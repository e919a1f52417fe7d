"""From lag to incidents: who is to be told what, and when it is over. Pure: time is handed in.

In: what was open or pending (`State`), the rules, one `ClusterLag` and the time of it. Out: the
new `State` and the `IncidentChange`s to pass on, in the order of their keys. One state belongs to
one cluster. Nothing here sends, logs or looks at a clock; `verdicts` says what is read.

An incident goes through::

    nothing --holds--> pending --held for `for`--> open --known to be fine--> resolved --> nothing

What each of the four verdicts does:

* *holds*: its time counts towards `for`; then it opens.
* *fine*, *gone*: ends pending; resolves, with `keep_firing_for` once they have lasted for it.
* *missing*: changes nothing: it does not open, its time counts towards neither, it does not
  resolve. An open incident goes on being sent, since a silent one would look resolved.

The time of a reading is that since the one before it, whatever that one said. So what is seen to
hold in every second cycle takes twice as long to open, and no pattern of missing readings keeps it
from opening; an hour in which nothing could be read adds nothing. Nor does one in which nobody
looked, from `AWAY_SECONDS` on: the process stood still, or its clock was set forward.

What opens in a maintenance window is *held*: judged, shown and logged, but nobody is woken. When
the window ends before it does, it is sent. What was open before goes on being sent, or Alertmanager
would take it for resolved.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lagmon.alerts.verdicts import Reading, Seen, Verdict, readings
from lagmon.model import Change, Incident, IncidentChange, IncidentKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lagmon.alerts.rules import Rule
    from lagmon.model import ClusterLag

# Alertmanager lets an alert expire that nobody sends again, so an open one is repeated well inside
# the time for which it is declared to hold, which the notifier is given.
REMIND_SECONDS = 60.0
# Prometheus as well lets the last sample stand for less than this.
AWAY_SECONDS = 5 * 60.0
# Prometheus repeats a resolve for as long, so that one lost message does not leave a page open.
REPEAT_RESOLVE_SECONDS = 15 * 60.0


@dataclass(frozen=True, slots=True)
class Pending:
    """A condition that holds, or no longer does, but not yet for its time.

    *since* is when it was first seen to, *held_seconds* for how long it is known to have
    held, *seen_at* when it was last looked at, or ``None`` after a time in which nobody looked.
    """

    key: IncidentKey
    since: float
    held_seconds: float
    seen_at: float | None
    value: float


@dataclass(frozen=True, slots=True)
class State:
    """What must not be forgotten between two steps, each part sorted by key.

    *resolved* are incidents that are over and of which the end is still being repeated; *easing* is
    for how long an open one has been fine. A key is never in *opened* and *pending*, nor in
    *opened* and *resolved*, and in *easing* only if it is in *opened*.
    """

    pending: tuple[Pending, ...] = ()
    opened: tuple[Incident, ...] = ()
    resolved: tuple[Incident, ...] = ()
    easing: tuple[Pending, ...] = ()


@dataclass(frozen=True, slots=True)
class _Times:
    """For how long a condition has to hold, or not to, before that counts."""

    for_seconds: float = 0.0
    keep_firing_for_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Life:
    """The part of a state that is about one key, and what one step made of it."""

    pending: Pending | None = None
    opened: Incident | None = None
    resolved: Incident | None = None
    easing: Pending | None = None
    change: Change | None = None


_NEW = _Life()


def nobody(_: IncidentKey) -> bool:
    """Hold nothing back."""
    return False


def everything(_: IncidentKey) -> bool:
    """Judge whatever there is."""
    return True


def step(
    state: State,
    rules: Sequence[Rule],
    lag: ClusterLag,
    now: float,
    *,
    seen: Seen | None = None,
    ours: Callable[[IncidentKey], bool] = everything,
    held: Callable[[IncidentKey], bool] = nobody,
    away_seconds: float = AWAY_SECONDS,
) -> tuple[State, tuple[IncidentChange, ...]]:
    """Judge *lag* by *rules* at the time *now* (seconds); give the next state and what to tell.

    *seen* is what is remembered of the groups; what is not *ours* is forgotten, and not told of;
    *held* says what must wake nobody now; without a step for *away_seconds* nobody looked, and that
    time counts for nothing. A `Change.OPENED` and a `Change.RESOLVED` of a key always take turns.
    `Change.REMINDED` is either of them once more, every `REMIND_SECONDS`, and when what opened in a
    maintenance window is still open after it; the incident's *resolved_at* tells which. A *now*
    before that of the last step is harmless: nothing opens, ends or is held back by it.
    """
    by_name = {rule.name: rule for rule in rules}
    before = _lives(_looked_at(state, now - away_seconds))
    lives = {key: life for key, life in before.items() if ours(key)}
    read = readings(rules, lag, seen or Seen(), lives.keys())
    after: list[_Life] = []
    for key in sorted(filter(ours, read), key=_order):
        times = _times(by_name.get(key.rule), key)
        life = _advance(lives.get(key, _NEW), key, read[key], times, now)
        after.append(_release(life, now, is_held=held(key)))
    return _state(after), tuple(_changes(after))


def concerned(state: State) -> frozenset[str]:
    """Name the groups that have an incident open or pending."""
    keys = [pending.key for pending in state.pending] + [opened.key for opened in state.opened]
    return frozenset(key.group for key in keys if key.group is not None)


def interrupted(state: State) -> State:
    """Give *state* as it is after a time in which nobody looked: that time counts for nothing."""
    return replace(
        state,
        pending=tuple(replace(each, seen_at=None) for each in state.pending),
        easing=tuple(replace(each, seen_at=None) for each in state.easing),
    )


def _looked_at(state: State, after: float) -> State:
    """Give *state* without the time since it was last looked at, unless that was *after*."""
    seen = [each.seen_at for each in (*state.pending, *state.easing) if each.seen_at is not None]
    return state if not seen or max(seen) > after else interrupted(state)


def _times(rule: Rule | None, key: IncidentKey) -> _Times:
    own = rule.of(key.group) if rule else None
    return _Times(own.for_seconds, own.keep_firing_for_seconds) if own else _Times()


def _advance(life: _Life, key: IncidentKey, reading: Reading, times: _Times, now: float) -> _Life:
    life = _repeat_resolve(life, now)
    if life.opened is not None:
        return _advance_opened(life, life.opened, reading, times, now)
    if reading.verdict is Verdict.MISSING:
        return replace(life, pending=_missed(life.pending, now))
    if reading.verdict is not Verdict.HOLDS:
        return replace(life, pending=None)
    pending = _hold(life.pending, key, reading.value, now)
    if pending.held_seconds < times.for_seconds:
        return replace(life, pending=pending)
    opened = Incident(key, pending.since, opened_at=now, value=pending.value, sent_at=now)
    return _Life(opened=opened, change=Change.OPENED)


def _release(life: _Life, now: float, *, is_held: bool) -> _Life:
    opened = life.opened
    if opened is None:
        return life
    if life.change is Change.OPENED:
        return replace(life, opened=replace(opened, held=is_held))
    if is_held or not opened.held:
        return life
    told = replace(opened, held=False, sent_at=now)
    return replace(life, opened=told, change=Change.REMINDED)


def _missed(pending: Pending | None, now: float) -> Pending | None:
    return pending and replace(pending, seen_at=now)


def _hold(pending: Pending | None, key: IncidentKey, value: float | None, now: float) -> Pending:
    if pending is None:
        return Pending(key, since=now, held_seconds=0.0, seen_at=now, value=value or 0.0)
    # A clock that went back must neither take away what was held nor leave a beginning that lies
    # in the future, which a receiver would refuse.
    passed = 0.0 if pending.seen_at is None else max(0.0, now - pending.seen_at)
    known = pending.value if value is None else value
    return Pending(key, min(pending.since, now), pending.held_seconds + passed, now, known)


def _advance_opened(
    life: _Life, opened: Incident, reading: Reading, times: _Times, now: float
) -> _Life:
    # What is not known to hold any more has no value that could be told of an open incident.
    easing = _missed(life.easing, now)
    if reading.verdict is Verdict.HOLDS:
        easing = None
        opened = replace(opened, value=opened.value if reading.value is None else reading.value)
    if reading.verdict in {Verdict.FINE, Verdict.GONE}:
        easing = _hold(life.easing, opened.key, reading.value, now)
        if easing.held_seconds >= times.keep_firing_for_seconds:
            value = opened.value if reading.value is None else reading.value
            over = replace(opened, value=value, sent_at=now, resolved_at=now)
            return _Life(resolved=over, change=Change.RESOLVED)
    life = replace(life, opened=opened, easing=easing)
    if not _due(opened.sent_at, now):
        return life
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
    easing = {each.key: each for each in state.easing}
    lives |= {each.key: _Life(opened=each, easing=easing.get(each.key)) for each in state.opened}
    for resolved in state.resolved:
        lives[resolved.key] = replace(lives.get(resolved.key, _NEW), resolved=resolved)
    return lives


def _state(lives: Iterable[_Life]) -> State:
    kept = list(lives)
    return State(
        pending=tuple(life.pending for life in kept if life.pending),
        opened=tuple(life.opened for life in kept if life.opened),
        resolved=tuple(life.resolved for life in kept if life.resolved),
        easing=tuple(life.easing for life in kept if life.easing),
    )


def _changes(lives: Iterable[_Life]) -> Iterable[IncidentChange]:
    for life in lives:
        incident = life.opened or life.resolved
        if life.change is not None and incident is not None:
            yield IncidentChange(life.change, incident)


def _order(key: IncidentKey) -> tuple[str, str, str, str, int]:
    partition = -1 if key.partition is None else key.partition
    return key.rule, key.cluster, key.group or "", key.topic or "", partition
