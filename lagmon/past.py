"""What a cluster's groups were like in the last hour: their lag, and incidents that are over.

In: what each cycle made of the cluster, in the order of time. Out: for a group its highest lag of
each half minute, and the incidents that ended. It is for people who look, and in memory alone: a
restart forgets it, and nothing is judged by it. Where the lag was not known, or nobody looked, it
says so; it fills in nothing. Bounded by the hour, by `ENDED_KEPT`, and by the groups there are.

No clock: the time is the cycle's. It grows in place, by one writer; other threads may read.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from math import isnan, nan
from typing import TYPE_CHECKING

from lagmon.sharding.ownership import owns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lagmon.model import ClusterLag, Incident
    from lagmon.readings import Share

KEPT_SECONDS = 3600.0
STEP_SECONDS = 30.0
ENDED_KEPT = 200


@dataclass(frozen=True, slots=True)
class Ended:
    """An incident that was open until *at*, in seconds."""

    incident: Incident
    at: float


@dataclass(frozen=True, slots=True)
class Sample:
    """The *lag* of a group around *at*, in seconds; ``None`` when it was not known."""

    at: float
    lag: int | None


class Past:
    """What was, of one cluster."""

    def __init__(self) -> None:
        # By group: time, lag, time, lag, …, where what is not known is not a number.
        self._lags: dict[str, array[float]] = {}
        self._open: tuple[Incident, ...] = ()
        self._ended: tuple[Ended, ...] = ()
        self._at = 0.0

    def put(
        self, lag: ClusterLag, incidents: Sequence[Incident], share: Share | None = None
    ) -> None:
        """Take in what a cycle brought: the *lag*, and the *incidents* that are open now.

        Those of groups that are not in this replica's *share* any more are not over: they moved.
        """
        if lag.at < self._at:  # the clock was set back: times of before fit no more
            self._lags, self._ended = {}, ()
        is_new = lag.at // STEP_SECONDS != self._at // STEP_SECONDS
        self._at = lag.at
        known = {group.group: group.lag for group in lag.groups}
        # One that is gone, or of which nothing is known, has a gap; after the hour it is forgotten.
        for name in known.keys() | self._lags.keys():
            self._add(name, known.get(name), is_new=is_new)
        self._end(incidents, share)

    def lags(self, group: str) -> tuple[Sample, ...]:
        """Give the samples of *group*, the oldest first; none for one that was not seen."""
        flat = tuple(self._lags.get(group, ()))
        pairs = zip(flat[::2], flat[1::2], strict=True)
        return tuple(Sample(at, None if isnan(lag) else int(lag)) for at, lag in pairs)

    def ended(self, group: str | None) -> tuple[Ended, ...]:
        """Give the incidents of *group* that are over, the last one first; None: the cluster's."""
        return tuple(each for each in self._ended if each.incident.key.group == group)

    def _add(self, name: str, lag: int | None, *, is_new: bool) -> None:
        value = nan if lag is None else float(lag)
        series = self._lags.get(name)
        if series is None:
            self._lags[name] = array("d", (self._at, value))
            return
        if is_new:
            series.extend((self._at, value))
        elif isnan(series[-1]) or value > series[-1]:
            series[-2:] = array("d", (self._at, value))
        while self._at - series[0] > KEPT_SECONDS:
            del series[:2]
        if is_new and all(map(isnan, series[1::2])):
            del self._lags[name]

    def _end(self, incidents: Sequence[Incident], share: Share | None) -> None:
        keys = {each.key for each in incidents}
        gone = [each for each in self._open if each.key not in keys]
        over = [Ended(each, self._at) for each in gone if owns(share, each.key.group)]
        self._open = tuple(incidents)
        self._ended = (*reversed(over), *self._ended)[:ENDED_KEPT]
