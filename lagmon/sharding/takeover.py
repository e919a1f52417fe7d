"""Take over incidents with the groups that they are about: ask those who were told of them.

In: the share of each cycle. Out: the incidents that are open of what is new in it, once somebody
has told. They are asked for beside the loop: a receiver that is slow delays no cycle. Until they
have answered, what is new in the share is judged like anything that was never seen.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from lagmon.labels import safe
from lagmon.model import Incident, IncidentKey
from lagmon.sharding.ownership import OF_THE_CLUSTER, home

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from lagmon.notify.open_alerts import OpenAlert
    from lagmon.readings import Share, Snapshot

    Ask = Callable[[str], Awaitable[tuple[OpenAlert, ...] | None]]

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Asking:
    """A question that is under way, on behalf of *partitions*."""

    partitions: frozenset[int]
    task: asyncio.Task[tuple[OpenAlert, ...] | None]


class Takeover:
    """Takes over at *cluster*; *ask* tells what is open there, None if nobody knows.

    An alert that nobody sends again stays open for *holds_seconds*: so long it is asked.
    """

    def __init__(self, cluster: str, ask: Ask, holds_seconds: float) -> None:
        self._cluster = cluster
        self._ask = ask
        self._holds_seconds = holds_seconds
        self._owned: frozenset[int] = frozenset()
        self._due: frozenset[int] = frozenset()
        self._gained_at = 0.0
        self._asking: _Asking | None = None

    def incidents(self, snapshot: Snapshot) -> tuple[Incident, ...]:
        """Give what was found out since the last time; have what is new in the share asked for."""
        share = snapshot.owned
        if share is None:
            return ()
        gained = frozenset(share.owned) - self._owned
        self._owned = frozenset(share.owned)
        self._due = (self._due | gained) & self._owned
        self._gained_at = snapshot.at if gained else self._gained_at
        if self._asking is not None:
            self._asking.partitions -= gained  # it was asked before they came
        found = self._answered(snapshot, share)
        if self._due and self._asking is None:
            task = asyncio.ensure_future(self._ask(self._cluster))
            self._asking = _Asking(self._due, task)
        return found

    async def stop(self) -> None:
        """Give up what is under way."""
        if self._asking is not None:
            self._asking.task.cancel()
            await asyncio.gather(self._asking.task, return_exceptions=True)

    def _answered(self, snapshot: Snapshot, share: Share) -> tuple[Incident, ...]:
        asking = self._asking
        if asking is None or not asking.task.done():
            return ()
        self._asking = None
        alerts = asking.task.result()
        if alerts is None:
            self._give_up(snapshot.at - self._gained_at)
            return ()
        mine = asking.partitions & self._due
        self._due -= mine
        found = taken_over(alerts, self._cluster, _names(snapshot), mine, share.of)
        if found:
            log.info("incidents_taken_over", kafka_cluster=self._cluster, count=len(found))
        return found

    def _give_up(self, seconds: float) -> None:
        if seconds >= self._holds_seconds:
            log.warning("incidents_not_taken_over", kafka_cluster=self._cluster, seconds=seconds)
            self._due = frozenset()


def taken_over(
    alerts: Iterable[OpenAlert],
    cluster: str,
    names: Mapping[str, str],
    partitions: frozenset[int],
    of: int,
) -> tuple[Incident, ...]:
    """Give the incidents of *cluster* that *alerts* are about and that are in *partitions*.

    *names* has, by the label that it has in an alert, each group and topic that there is. They are
    to be sent again at once: nobody knows how long they still hold where they are.
    """
    found = []
    for one in alerts:
        group = None if one.group is None else names.get(one.group, one.group)
        topic = None if one.topic is None else names.get(one.topic, one.topic)
        if (OF_THE_CLUSTER if group is None else home(group, of)) in partitions:
            key = IncidentKey(one.rule, cluster, group, topic, one.partition)
            found.append(Incident(key, one.since, one.opened_at, one.value, sent_at=0.0))
    return tuple(found)


def _names(snapshot: Snapshot) -> dict[str, str]:
    groups = {safe(one.group): one.group for one in snapshot.groups}
    return {safe(one.at.topic): one.at.topic for one in snapshot.topics} | groups
