"""The stages that tell ages, joined as the loop joins them, and a partition to try them on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lagmon.judge.arrivals import Arrivals
from lagmon.judge.history import History
from lagmon.judge.lag import measure
from lagmon.judge.seconds import ages, doubts, plan
from lagmon.readings import (
    Committed,
    GroupReading,
    PartitionOffsets,
    Peek,
    Plan,
    Probe,
    ProbeRequest,
    Snapshot,
    TopicPartition,
)
from tests.lagmon.builders import CLUSTER, GROUP, NOON, at

if TYPE_CHECKING:
    from collections.abc import Callable

    from lagmon.model import Age
    from lagmon.readings import PeekRequest, TopicId


@dataclass
class Ages:
    """One lagmon's memory of ages; a new one is a restart."""

    calls: int = 4
    peeks: int = 0
    history: History = field(default_factory=History)
    known: Arrivals = field(default_factory=Arrivals)
    plan: Plan = field(default_factory=Plan)

    def judge(self, snapshot: Snapshot) -> dict[tuple[str, TopicPartition], Age]:
        """Give the ages of *snapshot* and know what to ask next."""
        lag = measure(snapshot)
        self.history.observe(snapshot)
        self.known.learn(snapshot)
        found = ages(lag, self.history, self.known, lag.at)
        asked = plan(self.known, lag.at, calls=self.calls)
        looks = doubts(self.known, self.history, lag.at, limit=self.peeks)
        self.plan = Plan(looks, asked)
        return {
            (group.group, row.at): age
            for group in lag.groups
            for row, age in zip(group.partitions, found.get(group.group, ()), strict=True)
            if age is not None
        }


@dataclass
class Log:
    """One partition as its leader has it, and one group on it.

    *records* are offset and own time of each record, in the order of their offsets. Offsets without
    one were compacted away or hold markers. Time is that of the test: `now`, after `NOON`.
    """

    records: list[tuple[int, float]] = field(default_factory=list)
    end: int = 0
    start: int = 0
    stable: int | None = None
    committed: int | None = 0
    now: float = 0.0
    peek: Callable[[PeekRequest], Peek] | None = None
    ids: tuple[TopicId, ...] = ()
    asked: list[ProbeRequest] = field(default_factory=list)

    def write(self, count: int = 1, *, time: float | None = None) -> None:
        """Write *count* records now, of which each has *time* for its own, or this moment."""
        for _ in range(count):
            self.records.append((self.end, NOON + (self.now if time is None else time)))
            self.end += 1

    def snapshot(self, asked: Plan | None = None, error: str | None = None) -> Snapshot:
        """Read everything, and answer what is *asked*."""
        if error is not None:
            return Snapshot(NOON + self.now, CLUSTER, error=error)
        asked = asked or Plan()
        self.asked += asked.probes
        log = PartitionOffsets(
            at(), self.start, self.end, self.end if self.stable is None else self.stable
        )
        group = GroupReading(
            GROUP, "stable", members=1, committed=(Committed(at(), self.committed),)
        )
        return Snapshot(
            NOON + self.now,
            CLUSTER,
            (log,),
            (group,),
            tuple(self.peek(one) for one in asked.peeks if self.peek),
            probes=tuple(self._probe(one) for one in asked.probes),
            topic_ids=self.ids,
        )

    def step(self, watch: Ages, seconds: float = 5.0, error: str | None = None) -> Age | None:
        """Let *seconds* pass and give the group's age then."""
        self.now += seconds
        return watch.judge(self.snapshot(watch.plan, error)).get((GROUP, at()))

    def _probe(self, question: ProbeRequest) -> Probe:
        there = (one for one in self.records if one[0] >= self.start)
        found = next((one for one in there if one[1] >= question.timestamp - 1e-4), None)
        return Probe(question, *found) if found else Probe(question)
