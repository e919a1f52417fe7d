"""Carry out one `Plan`: read a whole cluster once, in the order that makes its numbers fit.

Comes in: a plan. Goes out: always one `Snapshot`, within the cycle's deadline as far as librdkafka
keeps its own time-outs. What failed is a value in it; the whole snapshot fails only without
metadata. From one cycle to the next it remembers which groups and partitions were there, so that
they are asked for by name before they count as gone, and which groups failed, to ask those last.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lagmon.collector import assemble
from lagmon.collector.answers import Failure, partitions
from lagmon.collector.calls import Calls, Deadline
from lagmon.collector.client import Client
from lagmon.collector.peek import look
from lagmon.collector.probes import probe
from lagmon.collector.questions import Questions
from lagmon.errors import ClusterError
from lagmon.readings import Isolation, Snapshot, StepDuration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lagmon.collector.assemble import Leaders, Missing, Topics
    from lagmon.readings import Committed, GroupReading, PartitionOffsets, Plan, TopicPartition
    from lagmon.settings import CollectorSettings

    Commits = dict[str, tuple[Committed, ...] | Failure]


class Cycle:
    """The collecting of one cluster. `run` it again and again, from one thread."""

    def __init__(self, settings: CollectorSettings) -> None:
        self._settings = settings
        self._cluster = settings.cluster
        self._client = Client(settings.cluster)
        self._calls = Calls(
            self._client, request_timeout=settings.request_timeout, fan_out=settings.fan_out
        )
        self._questions = Questions(self._calls, self._client)
        self._known: dict[str, frozenset[TopicPartition]] = {}  # group -> where it had commits
        self._failed: frozenset[str] = frozenset()
        self._durations: list[StepDuration] = []

    def run(self, plan: Plan) -> Snapshot:
        """Read the cluster and look at the records that *plan* asks for."""
        until = Deadline(self._settings.cycle_deadline)
        self._durations = []
        try:
            return self._read(plan, until)
        except ClusterError as error:
            heard = self._client.take_last_words()
            text = f"{error}; last heard: {heard}" if heard else str(error)
            durations = tuple(self._durations)
            return Snapshot(time.time(), self._cluster.name, durations=durations, error=text)
        finally:
            self._client.take_last_words()  # of this cycle: not to be taken for the next one's

    def _read(self, plan: Plan, until: Deadline) -> Snapshot:
        self._calls.begin()
        with self._step("metadata"):
            leaders = partitions(self._questions.metadata(until))
        with self._step("groups"):
            heads, list_errors = self._heads(until)
            self._questions.confirm()
        # Committed before ends: a record that arrives in between overstates the lag by one. The
        # other way round a commit in between would lie past the end, and the lag below 0.
        with self._step("committed"):
            groups, missing = self._groups(heads, assemble.by_topic(leaders), until)
        at = time.time()
        topics = self._topics(groups, leaders, missing, until)
        with self._step("peeks"):
            peeks = look(plan.peeks, self._cluster, until, headers=self._settings.peek_headers)
        with self._step("probes"):
            probes = probe(plan.probes, topics, self._client, until)
        return Snapshot(
            at,
            self._cluster.name,
            topics,
            groups,
            peeks,
            list_errors,
            tuple(self._durations),
            probes=probes,
        )

    def _heads(self, until: Deadline) -> tuple[dict[str, GroupReading], tuple[str, ...]]:
        groups = self._cluster.groups
        if groups.static:
            described = self._questions.descriptions(groups.static, until)
            return assemble.static_heads(groups.static, described), ()
        everything, errors = self._questions.groups(until)
        # By name: one group is one, even when two coordinators list it.
        listed = {one.group: one for one in everything if groups.accepts(one.group)}
        described = self._questions.descriptions(self._failed_last({*listed, *self._known}), until)
        return assemble.heads(listed, described, errors), errors

    def _groups(
        self, heads: dict[str, GroupReading], topics: Topics, until: Deadline
    ) -> tuple[tuple[GroupReading, ...], Missing]:
        static = self._cluster.groups.static
        readable = self._failed_last({name for name, head in heads.items() if head.error is None})
        asked = {
            name: assemble.named(static[name], topics) if name in static else None
            for name in readable
        }
        commits = self._questions.committed(asked, until)
        commits |= self._asked_again(heads, commits, topics, until)
        # Asked for by name: the metadata leaves out what was deleted and what may not be seen.
        missing = self._questions.missing(assemble.orphans(commits.values(), topics), until)
        readings = tuple(
            assemble.reading(head, commits[name], self._cluster.topics) if name in commits else head
            for name, head in sorted(heads.items())
        )
        self._remember(readings)
        return readings, missing

    def _asked_again(
        self, heads: dict[str, GroupReading], commits: Commits, topics: Topics, until: Deadline
    ) -> Commits:
        """Complete each answer by what it should have had and has not."""
        static = self._cluster.groups.static
        whole = {name: one for name, one in commits.items() if not isinstance(one, Failure)}
        missing = {
            name: assemble.unanswered(heads[name], one, self._known.get(name, ()), topics)
            for name, one in whole.items()
            if name not in static
        }
        asked = {name: named for name, named in missing.items() if named}
        answers = self._questions.committed(asked, until)
        found: Commits = {
            name: assemble.joined(whole[name], asked[name], answers[name], topics) for name in asked
        }
        for name in static.keys() & whole.keys():
            found[name] = assemble.told(whole[name], topics)
        return found

    def _topics(
        self, groups: tuple[GroupReading, ...], leaders: Leaders, missing: Missing, until: Deadline
    ) -> tuple[PartitionOffsets, ...]:
        wanted = assemble.partitions_of(groups)
        asked = assemble.askable(wanted, leaders)
        with self._step("ends"):
            # Stable first: read the other way round it may lie past the high watermark.
            stable = self._questions.ends(asked, Isolation.READ_COMMITTED, until)
            asked = assemble.answered(stable)
            high = self._questions.ends(asked, Isolation.READ_UNCOMMITTED, until)
        with self._step("starts"):
            asked = assemble.answered(high)
            start = self._questions.starts(asked, until)
        return assemble.logs(wanted, leaders, missing, start=start, high=high, stable=stable)

    def _remember(self, readings: tuple[GroupReading, ...]) -> None:
        self._known = {
            one.group: self._known.get(one.group, frozenset())
            if one.error is not None
            else assemble.remembered(one)
            for one in readings
        }
        self._failed = frozenset(one.group for one in readings if one.error is not None)

    def _failed_last(self, names: set[str]) -> list[str]:
        # A hung coordinator costs its groups the time, not those that have another.
        return sorted(names, key=lambda name: (name in self._failed, name))

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self._durations.append(StepDuration(name, time.monotonic() - began))
