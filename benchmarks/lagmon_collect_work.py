"""What the benchmark of collecting runs in processes of their own: ``ROW ARGUMENTS``.

``judge CYCLES [GROUPS]``: CPU s to judge 20,000 group partitions, or ten of each of GROUPS.
``memory SERVERS CYCLES GROUPS LEAST``: what parent and child hold. ``racing SERVERS``: a producer
and consumers that never rest. The first two print one JSON line. The snapshots that they judge are
made here, in the form of recorded ones: a steady cluster in which one group in twenty is stuck with
one partition, one has stopped, and one falls behind.
"""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, Producer

from lagmon.board import Board
from lagmon.commands import serve, wiring  # noqa: F401 - what a parent has imported weighs
from lagmon.configuration.settings import Cluster, Groups, Settings
from lagmon.garbage import give_back, look_seldom
from lagmon.loop import Memory, SystemClock, Watch, judge
from lagmon.readings import (
    Committed,
    GroupReading,
    Member,
    PartitionOffsets,
    Peek,
    Plan,
    Probe,
    Snapshot,
    TopicId,
    TopicPartition,
)
from lagmon.recording.lines import snapshot_from_json, snapshot_to_json
from lagmon.supervise import Collector

if TYPE_CHECKING:
    from collections.abc import Callable

TOPICS, PARTITIONS, GROUPS = 200, 10, 2000
STEP_SECONDS, STEP_RECORDS = 5, 7  # from one cycle to the next
LONG_STEPS, LONG_STEP_SECONDS = 30, 60  # the first ones: all that a history keeps of half an hour
BEGAN, FIRST_END = 1_764_000_000.0, 1_000_000
KINDS = 20
STUCK, STOPPED, BEHIND = 0, 1, 2
FULL_CYCLES = LONG_STEPS + 60  # then the history is full, its part of five minutes too
AS_READ = 10  # every so many cycles a snapshot is read from its line, as the parent does
RACE_TOPIC, RACE_PARTITIONS, RACE_GROUPS = "race", 100, 10
RACE_RECORDS_A_SECOND = 2000


def main(row: str, *arguments: str) -> None:
    """Do the work of *row*."""
    look_seldom()  # both as the process that serves does
    give_back()
    work: dict[str, Callable[..., Any]] = {
        "judge": lambda *sizes: judging(*map(int, sizes)),
        "memory": lambda servers, *sizes: asyncio.run(memory(servers, *map(int, sizes))),
        "racing": racing,
    }
    print(json.dumps(work[row](*arguments)))


def settings(servers: str, include: str = ".*") -> Settings:
    """Give the defaults, for the cluster at *servers*; only what goes wrong is logged."""
    groups = Groups(include=(re.compile(include),))
    cluster = Cluster(name="bench", bootstrap_servers=servers, groups=groups)
    return Settings(clusters=(cluster,), log_level="WARNING")


class Recorded:
    """A cluster in which time passes by one step with each snapshot. Takes a collector's place."""

    cluster = "bench"
    restarts = 0
    is_fresh = False

    def __init__(self, groups: int = GROUPS) -> None:
        self._cycle = self._passed = 0  # the latter in seconds
        topics = min(TOPICS, groups // 10)
        self._ids = tuple(TopicId(f"topic-{n:03}", f"id-{n}") for n in range(topics))
        self._all = tuple(
            TopicPartition(f"topic-{n:03}", at) for n in range(topics) for at in range(PARTITIONS)
        )
        self._own = [
            tuple(self._all[n % topics * PARTITIONS :][:PARTITIONS]) for n in range(groups)
        ]
        self._members = [
            (Member(f"member-{n:04}", "bench", "/127.0.0.1", own),)
            for n, own in enumerate(self._own)
        ]

    async def start(self) -> None:
        """Begin: nothing to do."""

    async def stop(self) -> None:
        """End: nothing to do."""

    async def collect(self, plan: Plan, now: float) -> Snapshot:  # noqa: ARG002 - it has its own
        """Give the next snapshot; every tenth one as read from its line."""
        return self.next(plan, as_read=self._cycle % AS_READ == 0)

    def next(self, plan: Plan, *, as_read: bool) -> Snapshot:
        """Give the next snapshot with the answers to *plan*."""
        self._cycle += 1
        self._passed += LONG_STEP_SECONDS if self._cycle <= LONG_STEPS else STEP_SECONDS
        end = FIRST_END + self._passed // STEP_SECONDS * STEP_RECORDS
        snapshot = Snapshot(
            BEGAN + self._passed,
            self.cluster,
            tuple(PartitionOffsets(at, 0, end, end) for at in self._all),
            tuple(self._group(number, end) for number in range(len(self._own))),
            tuple(Peek(one, one.offset, written(one.offset), 100, "00ff") for one in plan.peeks),
            probes=tuple(self._probe(one, end) for one in plan.probes),
            topic_ids=self._ids,
        )
        return snapshot_from_json(snapshot_to_json(snapshot)) if as_read else snapshot

    def _group(self, number: int, end: int) -> GroupReading:
        kind = number % KINDS
        stopped = kind == STOPPED
        reached = end - self._cycle if kind == BEHIND else end - number % 2 * STEP_RECORDS
        first = FIRST_END if kind in {STUCK, STOPPED} else reached
        rest = FIRST_END if stopped else reached
        own = self._own[number]
        return GroupReading(
            f"group-{number:04}",
            "empty" if stopped else "stable",
            "classic",
            0 if stopped else 1,
            (Committed(own[0], first), *(Committed(at, rest) for at in own[1:])),
            () if stopped else self._members[number],
        )

    def _probe(self, question: Any, end: int) -> Probe:
        passed = (question.timestamp - BEGAN) * STEP_RECORDS / STEP_SECONDS
        offset = max(0, FIRST_END + int(passed) + 1)
        return Probe(question, offset, written(offset)) if offset < end else Probe(question)


def written(offset: int) -> float:
    """Give when the record at *offset* was written."""
    return BEGAN + (offset - FIRST_END) * STEP_SECONDS / STEP_RECORDS


def judging(cycles: int, groups: int = GROUPS) -> dict[str, Any]:
    """Judge *cycles* snapshots after a history is there; give the median CPU s."""
    recorded, policy, memory = Recorded(groups), wiring.policy(settings("nowhere:1")), Memory()
    took = []
    for number in range(FULL_CYCLES + cycles):
        snapshot = recorded.next(memory.plan, as_read=number >= FULL_CYCLES - 2)
        began = time.process_time()
        judged = judge(memory, snapshot, policy)
        took.append(time.process_time() - began)
        memory = judged.memory
    rows = sum(len(group.partitions) for group in judged.lag.groups)
    return {
        "cpu_seconds": statistics.median(took[FULL_CYCLES:]),
        "longest": max(took[FULL_CYCLES:]),
        "rows": rows,
        "open": len(memory.state.opened),
    }


async def memory(servers: str, cycles: int, groups: int, least: int) -> dict[str, Any]:
    """Judge *cycles* snapshots of *groups* while a child collects as many groups; weigh both.

    The parent is all of ``lagmon serve`` but its listening: everything is imported, each cycle is
    judged, put on the board and rendered. In a thread of its own it reads the child's snapshots
    too, as many as come in that time and *least* in any case.
    """
    configured = settings(servers, f"active-({'|'.join(f'{n:04}' for n in range(groups))})")
    board = Board("0", ["bench"])
    watch = Watch(Recorded(groups), wiring.policy(configured), board, (), SystemClock())
    child: list[float] = []
    enough = threading.Event()
    rest = 0.05 if least else 1.0  # seconds
    asking = threading.Thread(
        target=lambda: asyncio.run(ask(configured, child, enough, rest, least))
    )
    asking.start()
    parent = []
    try:
        for _ in range(cycles):
            await watch.cycle()
            parent.append(resident_mb("self"))
    finally:
        enough.set()
        asking.join()
    [report] = board.report.clusters
    return {
        "parent_mb": level(parent, 0.95, 1),
        "child_mb": level(child, 0.95, 1),
        "parent_growth_mb": level(parent, 0.95, 1) - level(parent, 0.4, 0.45),
        "child_growth_mb": level(child, 0.95, 1) - level(child, 0.4, 0.45),
        "parent_cycles": len(parent),
        "child_cycles": len(child),
        "error": report.error,
    }


async def ask(
    configured: Settings, held: list[float], enough: threading.Event, rest: float, least: int
) -> None:
    """Have a child read the cluster until *enough* and *least* times; note what it holds."""
    collector = Collector(configured.collector(configured.clusters[0]))
    await collector.start()
    while not enough.is_set() or len(held) < least:
        snapshot = await collector.collect(Plan(), time.time())
        if snapshot.error is None and collector.pid is not None:
            held.append(resident_mb(str(collector.pid)))
        await asyncio.sleep(rest)  # the parent has two cores to share with it and Kafka
    await collector.stop()


def level(values: list[float], first: float, last: float) -> float:
    """Give the median of that part of *values*."""
    return statistics.median(values[int(len(values) * first) : int(len(values) * last)] or [0.0])


def resident_mb(process: str) -> float:
    """Give what *process* has in memory, shared libraries and all."""
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    [line] = [one for one in status.splitlines() if one.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024 / 1e6


def racing(servers: str) -> None:
    """Write to every partition and let each group read and commit, until this process is ended."""
    for number in range(RACE_GROUPS):
        threading.Thread(target=read, args=(servers, f"race-{number}"), daemon=True).start()
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 1})
    due, sent = time.monotonic(), 0
    while True:
        for _ in range(RACE_PARTITIONS):
            producer.produce(RACE_TOPIC, b"x", partition=sent % RACE_PARTITIONS)
            sent += 1
        producer.poll(0)
        due += RACE_PARTITIONS / RACE_RECORDS_A_SECOND
        time.sleep(max(0.0, due - time.monotonic()))


def read(servers: str, group: str) -> None:
    """Read as a member of *group*, and commit each batch as soon as it is there."""
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 20,
        }
    )
    consumer.subscribe([RACE_TOPIC])
    while True:
        if consumer.consume(1000, 0.02):
            consumer.commit(asynchronous=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
