"""Sum a group up by topic: what stands between a group and its partitions. Pure.

In: a group. Out: a row a topic, with the rules that hold for a group: its lag is the sum of what is
known, a lower bound while something is not, and its age is unknown rather than 0 then.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from lagmon import waited

if TYPE_CHECKING:
    from lagmon.model import Age, GroupLag


class TopicRow(NamedTuple):
    """How far a group is behind on one topic; ``None`` where nothing is known."""

    topic: str
    lag: int | None
    age: Age | None


def by_topic(group: GroupLag) -> list[TopicRow]:
    """Give a row for each topic of *group*, in the order of their names."""
    rows = []
    parts = sorted(group.partitions, key=lambda part: part.at)
    for topic, found in groupby(parts, key=lambda part: part.at.topic):
        own = tuple(found)
        lags = [part.lag for part in own if part.lag is not None]
        rows.append(TopicRow(topic, sum(lags) if lags else None, waited.by_all(own)))
    return rows
