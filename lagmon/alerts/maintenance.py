"""When and for whom nobody is to be woken: windows once, and windows that come again. Pure.

In: windows as the settings give them, and the time. Out: whether a key is held back now, and what
Prometheus is told to hold back of its copy. What is held back is judged all the same; see
`incidents`.

A window is meant by the clock on the wall of its time zone. So one from 01:00 to 03:00 lasts one
hour in the night in which the clocks are set from 02:00 to 03:00, and three in that in which they
are set back. A beginning or end that the clocks skip comes when they would have shown it, had they
not been set: after the gap. Of a time that comes twice the first counts for the beginning and the
second for the end, so that a window is rather too long than too short.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from lagmon.alerts.rules import Scope
from lagmon.model import IncidentKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import time
    from zoneinfo import ZoneInfo

    from lagmon.alerts.rules import Rule
    from lagmon.model import ClusterLag

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LONGEST_DAYS = 7  # of one that comes again: it would meet itself
# Prometheus reads of a window with the next scrape: it must not page between beginning and scrape.
AHEAD_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Once:
    """From *begins* to *ends*, both as the clock on the wall of *zone* shows them."""

    begins: datetime
    ends: datetime
    zone: ZoneInfo

    def covers(self, now: float) -> bool:
        """Tell whether it is on at *now* (seconds since the epoch)."""
        return _first(self.begins, self.zone) <= now < _second(self.ends, self.zone)


@dataclass(frozen=True, slots=True)
class Weekly:
    """On each of *days* (0 is Monday) from *at*, for *lasts* on the clock on the wall of *zone*."""

    days: frozenset[int]
    at: time
    lasts: timedelta
    zone: ZoneInfo

    def covers(self, now: float) -> bool:
        """Tell whether it is on at *now* (seconds since the epoch)."""
        return any(each.covers(now) for each in self._near(now))

    def _near(self, now: float) -> Iterator[Once]:
        today = datetime.fromtimestamp(now, self.zone).date()
        # A day more than it lasts, and one ahead: the clocks may be set between then and now.
        for back in range(-1, self.lasts.days + 3):
            day = today - timedelta(days=back)
            if day.weekday() in self.days:
                begins = datetime.combine(day, self.at)
                yield Once(begins, begins + self.lasts, self.zone)


@dataclass(frozen=True, slots=True)
class Window:
    """A time of maintenance by its *name*, and whom it is for, each by a pattern of the whole name.

    What is about a whole cluster is held back only by a window for all groups.
    """

    name: str
    when: Once | Weekly
    clusters: str = ".*"
    groups: str = ".*"
    rules: str = ".*"

    def is_for(self, key: IncidentKey) -> bool:
        """Tell whether it is for what *key* is about."""
        return (
            _matches(self.rules, key.rule)
            and _matches(self.clusters, key.cluster)
            and (self.groups == ".*" if key.group is None else _matches(self.groups, key.group))
        )


def holding(windows: Iterable[Window], now: float) -> Callable[[IncidentKey], bool]:
    """Give what tells of a key whether one of *windows* holds it back at *now*."""
    on = [window for window in windows if window.when.covers(now)]
    return lambda key: any(window.is_for(key) for window in on)


def announced(
    windows: Iterable[Window], rules: Iterable[Rule], lag: ClusterLag, now: float
) -> tuple[IncidentKey, ...]:
    """Give what Prometheus is to hold back: by rule the cluster, or the groups of *lag*, sorted.

    A window counts from `AHEAD_SECONDS` before it begins. Topics and partitions are held back with
    their group.
    """
    near = [each for each in windows if _is_near(each, now)]
    if not near:
        return ()
    groups = [each.group for each in lag.groups]
    keys = (
        IncidentKey(rule.name, lag.cluster, group)
        for rule in rules
        for group in ([None] if rule.scope is Scope.CLUSTER else groups)
    )
    held = [key for key in keys if any(window.is_for(key) for window in near)]
    return tuple(sorted(held, key=lambda key: (key.rule, key.group or "")))


def _is_near(window: Window, now: float) -> bool:
    return window.when.covers(now) or window.when.covers(now + AHEAD_SECONDS)


def _matches(pattern: str, name: str) -> bool:
    return re.fullmatch(pattern, name, re.DOTALL) is not None


def _first(wall: datetime, zone: ZoneInfo) -> float:
    """Give the moment at which the clock in *zone* shows *wall*, the first of two."""
    # PEP 495: of a time that the clocks skip, fold=0 takes the offset before the gap.
    return wall.replace(tzinfo=zone, fold=0).astimezone(UTC).timestamp()


def _second(wall: datetime, zone: ZoneInfo) -> float:
    """Give the moment at which the clock in *zone* shows *wall*, the second of two."""
    moment = wall.replace(tzinfo=zone, fold=1).astimezone(UTC).timestamp()
    # In a gap fold=1 is the earlier of the two.
    return max(moment, _first(wall, zone))
