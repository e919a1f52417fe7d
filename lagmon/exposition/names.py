"""Labels as they stand in the lines of a page, made once and kept while they are used. Pure.

A name is made safe and escaped when it is first seen, and not with every page: of 100,000 series
that is most of the work. What a page did not use is forgotten with the next one, so that no more is
kept than one page has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lagmon.exposition.text import escaped
from lagmon.labels import safe

if TYPE_CHECKING:
    from lagmon.readings import TopicPartition


class GroupNames:
    """The labels of one group, of its topics and of its partitions.

    *partitions* has those that were asked for; whoever writes many lines may look into it.
    """

    __slots__ = ("labels", "partitions")

    def __init__(self, cluster: str, group: str) -> None:
        self.labels = f'{{group="{shown(group)}",kafka_cluster="{shown(cluster)}"}}'
        self.partitions: dict[TopicPartition, str] = {}

    def state(self, state: str) -> str:
        """Give the labels of the group in *state*."""
        return f'{self.labels[:-1]},state="{state}"}}'

    def topic(self, topic: str) -> str:
        """Give the labels of one of its topics."""
        return _of_topic(self.labels, topic)

    def partition(self, at: TopicPartition) -> str:
        """Give the labels of one of its partitions."""
        known = self.partitions.get(at)
        if known is None:
            known = self.partitions[at] = _of_partition(self.labels, at)
        return known


class Names:
    """The labels of one cluster: its groups, topics and their partitions."""

    def __init__(self, cluster: str) -> None:
        self._cluster = cluster
        self.labels = f'{{kafka_cluster="{shown(cluster)}"}}'
        self._groups: dict[str, GroupNames] = {}
        self._partitions: dict[TopicPartition, str] = {}
        self._used_groups: dict[str, GroupNames] = {}
        self._used_partitions: dict[TopicPartition, str] = {}

    def group(self, group: str, partitions: int) -> GroupNames:
        """Give the labels of *group*, which has so many *partitions* now."""
        known = self._groups.get(group)
        if known is None or len(known.partitions) > partitions:
            known = GroupNames(self._cluster, group)
        self._used_groups[group] = known
        return known

    def topic(self, topic: str) -> str:
        """Give the labels of *topic*."""
        return _of_topic(self.labels, topic)

    def partition(self, at: TopicPartition) -> str:
        """Give the labels of one partition of a topic."""
        known = self._used_partitions.get(at) or self._partitions.get(at)
        if known is None:
            known = _of_partition(self.labels, at)
        self._used_partitions[at] = known
        return known

    def forget_unused(self) -> None:
        """Keep what was asked for since the last call, and nothing else."""
        self._groups, self._used_groups = self._used_groups, {}
        self._partitions, self._used_partitions = self._used_partitions, {}


def _of_topic(labels: str, topic: str) -> str:
    return f'{labels[:-1]},topic="{shown(topic)}"}}'


def _of_partition(labels: str, at: TopicPartition) -> str:
    return f'{labels[:-1]},partition="{at.partition}",topic="{shown(at.topic)}"}}'


def shown(name: str) -> str:
    """Give *name* as it stands between the quotes of a label: safe and escaped."""
    return escaped(safe(name))
