"""What is wrong, in one sentence for each kind of condition, and that it is over. Pure.

In: a `Notice`. Out: text in which every name that a stranger chose is safe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lagmon.alerts.conditions import Measure
from lagmon.labels import safe
from lagmon.model import State
from lagmon.wording import duration, number

if TYPE_CHECKING:
    from lagmon.report import Notice

_DOING = {
    State.STALLED: "does not get on",
    State.BLOCKED: "is blocked on a partition while the others move",
    State.STOPPED: "has stopped: it has no members",
    State.LOST: "lost records before it read them",
    State.HANGING_TRANSACTION: "is held up by a transaction that does not end",
    State.BEYOND_END: "has committed past the end of the log",
    State.REWOUND: "was set back",
    State.UNCOMMITTED: "owns a partition that it never commits",
    State.OPEN_TRANSACTION: "waits for an open transaction",
    State.FALLING_BEHIND: "falls further behind",
    State.CATCHING_UP: "is catching up",
    State.OK: "is fine",
}
_DRAINED = "never at this rate"


def who(notice: Notice) -> str:
    """Name what the incident is about."""
    key = notice.change.incident.key
    if key.group is None:
        return f"Cluster {safe(key.cluster)}"
    named = f"Consumer group {safe(key.group)} on {safe(key.cluster)}"
    if key.topic is None:
        return named
    where = "" if key.partition is None else f"[{key.partition}]"
    return f"{named}, {safe(key.topic)}{where},"


def summary(notice: Notice) -> str:
    """Say in one line what is wrong with whom, or no longer."""
    measure = notice.rule.condition.measure
    is_over = notice.change.incident.resolved_at is not None
    if measure is Measure.LIST:
        return f"The consumer groups of {safe(notice.change.incident.key.cluster)} " + (
            "can be seen again" if is_over else "cannot be seen"
        )
    if is_over and notice.group is None and notice.change.incident.key.group is not None:
        return f"{who(notice)} is gone{_was(notice)}"
    if measure is Measure.VALUE:
        return f"{who(notice)} {'can be read again' if is_over else 'cannot be read'}"
    if measure is Measure.STATE:
        return _of_state(notice, is_over=is_over)
    limit, value = _limit(notice), measured(notice)
    if is_over:
        return f"{who(notice)} is back within its limit of {limit}: {value}"
    return f"{who(notice)} is {value} (limit {limit})"


def measured(notice: Notice) -> str:
    """Say the value of the incident with its unit."""
    value = notice.change.incident.value
    measure = notice.rule.condition.measure
    if measure is Measure.SECONDS:
        return f"{duration(value)} behind"
    if measure is Measure.RETENTION:
        return f"behind by {value:.0%} of what is retained"
    return f"{number(value)} messages behind"


def time_to_drain(notice: Notice) -> str:
    """Say how long the lag will last at the rate of late; nothing where that is not known."""
    group = notice.group
    if group is None or not group.lag or group.unknown or group.rate is None:
        return ""
    return duration(group.lag / -group.rate) if group.rate < 0 else _DRAINED


def _of_state(notice: Notice, *, is_over: bool) -> str:
    state = notice.group.judged if notice.group else None
    if is_over:
        return f"{who(notice)} gets on again{_doing(state)}"
    if state not in notice.rule.condition.states:
        # Between two readings, or while the cluster is out of sight: the incident stands.
        return f"{who(notice)}: {notice.rule.title}"
    return f"{who(notice)} {_DOING.get(state, state) if state else notice.rule.title}"


def _doing(state: State | None) -> str:
    return "" if state is None else f": it {_DOING.get(state, f'is {state}')}"


def _was(notice: Notice) -> str:
    return f"; it was {measured(notice)}" if notice.rule.condition.compares else ""


def _limit(notice: Notice) -> str:
    condition = notice.rule.condition
    if condition.measure is Measure.SECONDS:
        return duration(condition.threshold)
    if condition.measure is Measure.RETENTION:
        return f"{condition.threshold:.0%}"
    return number(condition.threshold)
