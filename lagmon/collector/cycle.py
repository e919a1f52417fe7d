"""Carry out one `Plan`: read a whole cluster once, in the order that makes its numbers fit.

Comes in: a plan. Goes out: always one `Snapshot`, within the cycle's deadline as far as librdkafka
keeps its own time-outs. What failed is a value in it; the whole snapshot fails only without
metadata. What it remembers from one cycle to the next is in `groups` and `caches`.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lagmon.collector import assemble
from lagmon.collector.answers import partitions
from lagmon.collector.caches import Sizes, Starts, TopicIds
from lagmon.collector.calls import Calls, Deadline
from lagmon.collector.client import Client
from lagmon.collector.grants import words
from lagmon.collector.groups import Groups
from lagmon.collector.peek import look
from lagmon.collector.probes import probe
from lagmon.collector.questions import Questions
from lagmon.collector.rights import Rights
from lagmon.collector.shares import sharing
from lagmon.errors import ClusterError
from lagmon.readings import Isolation, Snapshot, StepDuration
from lagmon.sharding.ownership import OFFSETS_TOPIC, without_others

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from lagmon.collector.assemble import Leaders, Missing
    from lagmon.configuration.settings import CollectorSettings
    from lagmon.readings import GroupReading, MissingRight, PartitionOffsets, Plan

TOLD_AT_MOST = 10  # missing rights, in words
COMMITS_SHARE = 0.5  # of the time that is left: without ends no commit is worth anything


class Cycle:
    """The collecting of one cluster. `run` it again and again, from one thread."""

    def __init__(self, settings: CollectorSettings) -> None:
        self._settings = settings
        self._cluster = settings.cluster
        self._client = Client(settings.cluster, settings.secret_files)
        self._calls = Calls(
            self._client, request_timeout=settings.request_timeout, fan_out=settings.fan_out
        )
        self._questions = Questions(self._calls, self._client)
        self._groups = Groups(settings, self._questions)
        self._sharing = sharing(settings, self._client)
        self._rights = Rights(settings.cluster, self._calls, self._questions)
        self._sizes = Sizes()
        self._ids = TopicIds()
        self._starts = Starts()
        self._changed: set[str] = set()  # topics made anew, as the last cycle noticed
        self._durations: list[StepDuration] = []

    def run(self, plan: Plan) -> Snapshot:
        """Read the cluster and look at the records that *plan* asks for."""
        if plan.known:
            self._groups.recall(plan.known)
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

    def leave(self) -> None:
        """Let other replicas have what is this one's; nothing is read after it."""
        self._sharing.leave()

    def _read(self, plan: Plan, until: Deadline) -> Snapshot:
        self._client.refresh()
        self._calls.begin()
        now = time.time()
        with self._step("metadata"):
            leaders = partitions(self._questions.metadata(until))
        topics = assemble.by_topic(leaders)
        self._groups.share = self._sharing.begin(len(topics.get(OFFSETS_TOPIC, ())))
        with self._step("groups"):
            heads, list_errors = self._groups.heads(until, now)
            self._questions.confirm(heads, until)
        # Committed before ends: a record that arrives in between overstates the lag by one. The
        # other way round a commit in between would lie past the end, and the lag below 0.
        with self._step("committed"):
            changed = self._sizes.learn(topics) | self._changed
            soon = until.shorter(COMMITS_SHARE * until.left())
            groups, missing = self._groups.read(heads, topics, changed, soon, now)
        at, missing_rights = time.time(), self._missing_rights(topics, until, now)
        logs = self._logs(groups, leaders, missing, until, now)
        with self._step("peeks"):
            peeks = look(
                plan.peeks, self._client.cluster, until, headers=self._settings.peek_headers
            )
        with self._step("probes"):
            probes = probe(plan.probes, logs, self._questions, until)
        snapshot = Snapshot(
            at,
            self._cluster.name,
            logs,
            groups,
            peeks,
            (*list_errors, *(words(one, self._cluster) for one in missing_rights[:TOLD_AT_MOST])),
            tuple(self._durations),
            probes=probes,
            topic_ids=self._ids.all(),
            missing_rights=missing_rights,
            owned=self._sharing.confirmed(until),
        )
        return without_others(snapshot)

    def _missing_rights(
        self, topics: Collection[str], until: Deadline, now: float
    ) -> tuple[MissingRight, ...]:
        with self._step("rights"):
            return self._rights.missing(topics, until, now)

    def _logs(
        self,
        groups: tuple[GroupReading, ...],
        leaders: Leaders,
        missing: Missing,
        until: Deadline,
        now: float,
    ) -> tuple[PartitionOffsets, ...]:
        wanted = assemble.partitions_of(groups)
        asked = assemble.askable(wanted, leaders)
        with self._step("topic_ids"):
            due = self._ids.due({at.topic for at in asked}, now)
            self._changed = self._ids.learn(self._questions.topic_ids(due, until), now)
        with self._step("ends"):
            # Stable first: read the other way round it may lie past the high watermark.
            stable = self._questions.ends(asked, Isolation.READ_COMMITTED, until)
            asked = assemble.answered(stable)
            high = self._questions.ends(asked, Isolation.READ_UNCOMMITTED, until)
        with self._step("starts"):
            due_starts = self._starts.due(high, self._changed, now)
            answers = self._questions.starts(due_starts, until)
            start = self._starts.learn(answers, high, now)
        return assemble.logs(wanted, leaders, missing, start=start, high=high, stable=stable)

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        self._sharing.take_part()
        try:
            yield
        finally:
            self._durations.append(StepDuration(name, time.monotonic() - began))
