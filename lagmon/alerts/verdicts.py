"""What each rule says of what was just read: whether it holds, is fine, is unknown or is gone.

In: the rules, one `ClusterLag`, and what is remembered of its groups. Out: a `Reading` for each key
that holds, and for each that is asked about. Pure, and without memory of its own.

Each reading of a key is one of four, and the difference between the last three is the point:

* *holds*: the value is known and above, or the state is one of the rule's. A sum of which parts are
  unknown or may be hidden, and an age that is a lower bound, may hold but can never be fine.
* *fine*: the value is known, wholly, and not above; the state is another.
* *missing*: nothing is known (an error, no answer, an incomplete list, a state that says that it
  cannot be said). While the rule on the list holds, so is every reading of the rule on values: one
  page that a cluster is out of sight is enough.
* *gone*: known to have nothing to be behind on: a complete list without the group, a group that
  has no commits (any more) or whose topics are deleted, a rule that is no more or not for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from lagmon import retention
from lagmon.alerts.conditions import Measure
from lagmon.alerts.rules import Scope
from lagmon.model import GroupLag, IncidentKey, Method, State, Why

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from lagmon.alerts.rules import Rule
    from lagmon.model import ClusterLag, PartitionLag

    _Name = tuple[str | None, str | None, int | None]  # group, topic and partition of a key
    _Subject = tuple[GroupLag, str | None, int | None]

# Reasons for having no lag that are answers, not the lack of one.
NOTHING_TO_READ = frozenset({Why.NEVER_COMMITTED, Why.NO_COMMITS, Why.TOPIC_DELETED})

_NOT_SAID = frozenset({None, State.PENDING, State.UNKNOWN})


class Verdict(Enum):
    """What a reading says of a condition."""

    HOLDS = auto()
    FINE = auto()
    MISSING = auto()
    GONE = auto()


class Reading(NamedTuple):  # one for every group and rule
    """A verdict, and the value that it was given for: for a state, the lag, if it is known."""

    verdict: Verdict
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What is remembered of the groups of a cluster, by name.

    *alive*: those that were ever seen to have members or to commit, or that the configuration
    names. *valued*: those of which the lag was ever known.
    """

    alive: Collection[str] = field(default=frozenset())
    valued: Collection[str] = field(default=frozenset())


MISSING = Reading(Verdict.MISSING)
GONE = Reading(Verdict.GONE)


def readings(
    rules: Sequence[Rule], lag: ClusterLag, seen: Seen, asked: Collection[IncidentKey]
) -> dict[IncidentKey, Reading]:
    """Read *lag* by *rules*; give every key that holds, and each of *asked*.

    What an incident is open or pending for is *asked*: such a group counts as alive and as having
    had a value, whatever *seen* has forgotten.
    """
    found: dict[IncidentKey, Reading] = {}
    for rule in rules:
        if rule.scope is Scope.CLUSTER:
            key, reading = IncidentKey(rule.name, lag.cluster), _read_cluster(rule, lag)
            if reading.verdict is Verdict.HOLDS or key in asked:
                found[key] = reading
        else:
            names = {
                (key.group, key.topic, key.partition)
                for key in asked
                if key.rule == rule.name and key.cluster == lag.cluster
            }
            found.update(_read_groups(rule, lag, seen, names, held_back=_is_blind(rules, lag)))
    unseen = _unseen(lag)
    return found | {key: unseen(key) for key in asked if key not in found}


def _is_blind(rules: Iterable[Rule], lag: ClusterLag) -> bool:
    listed = lag.error is None and lag.complete
    return not listed and any(rule.condition.measure is Measure.LIST for rule in rules)


def _unseen(lag: ClusterLag) -> Callable[[IncidentKey], Reading]:
    """Give what is to be said of a key that nothing was read for."""
    readable = {group.group: group.lag is not None or _is_empty(group) for group in lag.groups}
    hiding = {group.group for group in lag.groups if group.hidden}
    otherwise = lag.error is None and lag.complete

    def say(key: IncidentKey) -> Reading:
        if key.topic is not None and key.group in hiding:
            return MISSING
        is_known = otherwise if key.group is None else readable.get(key.group, otherwise)
        return GONE if is_known else MISSING

    return say


def _is_empty(group: GroupLag) -> bool:
    return group.lag is None and group.why in NOTHING_TO_READ and not group.hidden


def _is_partial(group: GroupLag) -> bool:
    return group.unknown > 0 or group.hidden


def _read_cluster(rule: Rule, lag: ClusterLag) -> Reading:
    listed = lag.error is None and lag.complete
    if rule.condition.measure is Measure.LIST:
        return Reading(Verdict.FINE if listed else Verdict.HOLDS, 0.0 if listed else 1.0)
    if lag.error is not None:
        return MISSING
    groups = [group for group in lag.groups if rule.of(group.group)]
    lags = [group.lag for group in groups if group.lag is not None]
    unknown = sum(group.unknown or group.hidden or not (group.lag is not None or _is_empty(group))
                  for group in groups)  # fmt: skip
    whole = GroupLag(
        lag.cluster,
        sum(lags),
        partitions=tuple(part for group in groups for part in group.partitions),
        unknown=unknown + (not lag.complete),
    )
    return _read(rule, whole, [group.judged for group in groups])


def _read_groups(
    rule: Rule,
    lag: ClusterLag,
    seen: Seen,
    asked: Collection[_Name],
    *,
    held_back: bool,
) -> Iterator[tuple[IncidentKey, Reading]]:
    measure = rule.condition.measure
    for group in lag.groups:
        name = group.group
        own = rule.of(name)
        if own is None:
            continue
        for subject, topic, partition in _subjects(own.scope, group):
            is_asked = (name, topic, partition) in asked
            if measure is Measure.VALUE:
                had = is_asked or name in seen.valued
                reading = MISSING if held_back else _read_value(subject, had=had)
            elif own.alive_only and not is_asked and name not in seen.alive:
                reading = GONE
            else:
                reading = _read(own, subject, [subject.judged])
            # Of most groups nothing is wanted: a key for each would cost more than the reading.
            if is_asked or reading.verdict is Verdict.HOLDS:
                yield IncidentKey(rule.name, lag.cluster, name, topic, partition), reading


def _subjects(scope: Scope, group: GroupLag) -> Iterable[_Subject]:
    """Part *group* as *scope* wants it, each part in the form of a group of its own."""
    return ((group, None, None),) if scope is Scope.GROUP else _parts(scope, group)


def _parts(scope: Scope, group: GroupLag) -> Iterator[_Subject]:
    if scope is Scope.TOPIC:
        parts = sorted(group.partitions, key=lambda part: part.at)
        for topic, of_topic in groupby(parts, key=lambda part: part.at.topic):
            yield _of_parts(group.group, tuple(of_topic)), topic, None
    else:
        for part in group.partitions:
            yield _of_parts(group.group, (part,)), part.at.topic, part.at.partition


def _of_parts(name: str, parts: tuple[PartitionLag, ...]) -> GroupLag:
    lags = [part.lag for part in parts if part.lag is not None]
    failed = [part.why for part in parts if part.lag is None and part.why not in NOTHING_TO_READ]
    reasons = failed or [part.why for part in parts]
    states = [part.judged for part in parts]
    return GroupLag(
        name,
        sum(lags) if lags else None,
        None if lags else reasons[0],
        partitions=parts,
        unknown=len(failed),
        judged=None if None in states else max((s for s in states if s), key=_BADNESS.index),
    )


_BADNESS = tuple(State)  # in the order of the model: from ok to lost


def _read(rule: Rule, subject: GroupLag, states: Sequence[State | None]) -> Reading:
    measure = rule.condition.measure
    if measure is Measure.STATE:
        return _read_states(rule, subject, states)
    if subject.lag is None:
        return GONE if _is_empty(subject) else MISSING
    if measure is Measure.LAG:
        value, is_bound = float(subject.lag), _is_partial(subject)
    else:
        value, is_bound = _worst(measure, subject)
    if rule.condition.holds(value):
        return Reading(Verdict.HOLDS, value)
    return Reading(Verdict.MISSING if is_bound else Verdict.FINE, value)


def _read_states(rule: Rule, subject: GroupLag, states: Sequence[State | None]) -> Reading:
    value = None if subject.lag is None else float(subject.lag)
    if any(state in rule.condition.states for state in states):
        return Reading(Verdict.HOLDS, value)
    if not any(state in _NOT_SAID for state in states):
        return Reading(Verdict.FINE, value)
    # Without commits there is nothing to get on with, whatever the state is waiting for.
    return GONE if _is_empty(subject) else Reading(Verdict.MISSING, value)


def _read_value(subject: GroupLag, *, had: bool) -> Reading:
    if subject.lag is not None and not subject.unknown:
        return Reading(Verdict.MISSING if subject.hidden else Verdict.FINE, float(subject.lag))
    if not had or _is_empty(subject):
        return GONE
    return Reading(Verdict.HOLDS)


def _worst(measure: Measure, subject: GroupLag) -> tuple[float, bool]:
    """Give the highest known value of the partitions, and whether it is only a lower bound."""
    number = _seconds if measure is Measure.SECONDS else _retention
    found = [number(part) for part in subject.partitions if part.why not in NOTHING_TO_READ]
    value = max((one for one, _ in found if one is not None), default=0.0)
    return value, _is_partial(subject) or any(one is None or bound for one, bound in found)


def _seconds(part: PartitionLag) -> tuple[float | None, bool]:
    if part.lag == 0:
        return 0.0, False
    if part.age is None:
        return None, True
    return part.age.seconds, part.age.method is Method.TIMESTAMPS and part.age.error_seconds is None


def _retention(part: PartitionLag) -> tuple[float | None, bool]:
    return retention.of_partition(part), False
