"""Labels as they stand in the lines of a page, made once and kept while they are used. Pure.

A name is made safe and escaped when it is first seen, and not with every page: of 100,000 series
that is most of the work. Of partitions the lines of many groups are one form, in which only the
numbers are to be filled in. What a page did not use is forgotten with the next one, so that no
more is kept than one page has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lagmon.exposition.text import escaped
from lagmon.labels import safe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lagmon.readings import TopicPartition


class GroupNames:
    """The labels of one group, of its topics and of its partitions."""

    __slots__ = ("_partitions", "_places", "_rows", "labels")

    def __init__(self, cluster: str, group: str) -> None:
        self.labels = f'{{group="{shown(group)}",kafka_cluster="{shown(cluster)}"}}'
        self._partitions: dict[TopicPartition, str] = {}
        self._places: Sequence[TopicPartition] = ()
        self._rows: Sequence[str] = ()

    @property
    def size(self) -> int:
        """How many partitions were asked for."""
        return len(self._partitions)

    def state(self, state: str) -> str:
        """Give the labels of the group in *state*."""
        return f'{self.labels[:-1]},state="{state}"}}'

    def topic(self, topic: str) -> str:
        """Give the labels of one of its topics."""
        return _of_topic(self.labels, topic)

    def partition(self, at: TopicPartition) -> str:
        """Give the labels of one of its partitions."""
        known = self._partitions.get(at)
        if known is None:
            known = self._partitions[at] = _of_partition(self.labels, at)
        return known

    def rows(self, places: Sequence[TopicPartition]) -> Sequence[str]:
        """Give the labels of *places*: the same objects for the same places as the last time."""
        if self._places != places:
            self._places, self._rows = places, list(map(self.partition, places))
        return self._rows


class Names:
    """The labels of one cluster: its groups, topics and their partitions."""

    def __init__(self, cluster: str) -> None:
        self._cluster = cluster
        self.labels = f'{{kafka_cluster="{shown(cluster)}"}}'
        self._groups: dict[str, GroupNames] = {}
        self._partitions: dict[TopicPartition, str] = {}
        self._used_groups: dict[str, GroupNames] = {}
        self._used_partitions: dict[TopicPartition, str] = {}
        self._forms: dict[tuple[str, int], tuple[Sequence[str], str]] = {}
        self._used_forms: dict[tuple[str, int], tuple[Sequence[str], str]] = {}

    def group(self, group: str, partitions: int) -> GroupNames:
        """Give the labels of *group*, which has so many *partitions* now."""
        known = self._groups.get(group)
        if known is None or known.size > partitions:
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

    def form(self, family: str, run: int, labels: Sequence[str]) -> str:
        """Give a line of *family* for each of *labels*, with ``%s`` where its number belongs.

        It is kept, as that of the *run* of that number, while the labels stay the same.
        """
        known, form = self._forms.get((family, run), ((), ""))
        if known != labels:
            lines = (f"{family}{each.replace('%', '%%')} %s\n" for each in labels)
            form = "".join(lines)
        self._used_forms[family, run] = labels, form
        return form

    def forget_unused(self) -> None:
        """Keep what was asked for since the last call, and nothing else."""
        self._groups, self._used_groups = self._used_groups, {}
        self._partitions, self._used_partitions = self._used_partitions, {}
        self._forms, self._used_forms = self._used_forms, {}


def _of_topic(labels: str, topic: str) -> str:
    return f'{labels[:-1]},topic="{shown(topic)}"}}'


def _of_partition(labels: str, at: TopicPartition) -> str:
    return f'{labels[:-1]},partition="{at.partition}",topic="{shown(at.topic)}"}}'


def shown(name: str) -> str:
    """Give *name* as it stands between the quotes of a label: safe and escaped."""
    return escaped(safe(name))
