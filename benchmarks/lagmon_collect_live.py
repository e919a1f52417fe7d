"""The rows of the benchmark of collecting that need a real broker; each gives its figures.

A figure is a number, or text that says why there is none. Every cycle that counts is checked: each
group's commit in the snapshot has to be the newest one, so that nothing is fast by not looking.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
import urllib.request
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lagmon_collect_world import Group, World

from lagmon import garbage
from lagmon.commands import wiring
from lagmon.configuration.settings import Cluster, Settings
from lagmon.loop import Judgement, Memory, judge
from lagmon.supervise import Collector
from tests.infra.alertmanager import Alertmanager
from tests.infra.kafka_nodes import KafkaNodes
from tests.infra.ports import free_port
from tests.infra.process import Service
from tests.infra.product import Product, address
from tests.infra.reading import values
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Self

    from lagmon.readings import Snapshot

Figure = float | str

WORK: Final = Path(__file__).with_name("lagmon_collect_work.py")
OFFSETS_PARTITIONS: Final = {"offsets.topic.num.partitions": "50"}  # as Kafka has it by default
TOPICS, PARTITIONS, GROUPS, IDLE = 200, 10, 2000, 63_000
FIRST_CYCLES, WARM_UP = 3, 2
CYCLES_AT_MOST = 5  # until every newest commit was read, where one cycle was not enough
SCRAPE_SECONDS: Final = 120
STEADY_SECONDS: Final = 150  # groups that stand are read less often only after a while
UNREAD_SECONDS: Final = 300  # to have read every one of 65,000 groups once
SAMPLES: Final = 100_000
RACE_SECONDS: Final = 240
BESIDE: Final = 200  # groups beside the one that hangs
HANG_SECONDS: Final = 40
CROSSINGS, APART_SECONDS = 5, 1.1
THRESHOLD: Final = 1000
ALERT_SECONDS: Final = 120


class Lagmon:
    """lagmon's two processes at work on one cluster, as its loop has them work."""

    def __init__(self, servers: str, **cluster: Any) -> None:
        given = Cluster(name="bench", bootstrap_servers=servers, **cluster)
        settings = Settings(clusters=(given,), log_level="WARNING")
        self._policy = wiring.policy(settings)
        self._collector = Collector(settings.collector(given))
        self._interval_seconds = settings.poll_interval
        self._memory = Memory()
        self._began = 0.0
        self.seconds = self.judge_seconds = 0.0
        self.snapshot: Snapshot
        self.judged: Judgement

    async def __aenter__(self) -> Self:
        garbage.look_seldom()  # as `lagmon serve` does
        await self._collector.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._collector.stop()

    async def cycle(self) -> float:
        """Go from plan to incidents once; give the seconds."""
        self._began = time.monotonic()
        self.snapshot = await self._collector.collect(self._memory.plan, time.time())
        collected = time.monotonic()
        self.judged = judge(self._memory, self.snapshot, self._policy)
        self.judge_seconds = time.monotonic() - collected
        self._memory = self.judged.memory
        self.seconds = time.monotonic() - self._began
        return self.seconds

    def steps(self) -> str:
        """Say what the last cycle spent its time on; the pipe is all that no step has."""
        steps = {one.step: one.seconds for one in self.snapshot.durations}
        steps |= {"judge": self.judge_seconds}
        steps |= {"start and pipe": self.seconds - sum(steps.values())}
        return ", ".join(f"{step} {took:.2f}" for step, took in steps.items())

    async def rest(self) -> None:
        """Wait until the next cycle is due."""
        await asyncio.sleep(self._began + self._interval_seconds - time.monotonic())

    def outdated(self, groups: Iterable[Group]) -> int:
        """Count what the last cycle lacks of *groups*: a lag for each newest commit."""
        known = {group.group: group for group in self.judged.lag.groups}
        return sum(
            group.partitions
            - sum(
                part.lag is not None and part.committed == group.committed
                for part in (known[group.name].partitions if group.name in known else ())
            )
            for group in groups
        )

    async def whole(self, groups: list[Group]) -> float:
        """Give the seconds until the newest commits of *groups* are judged: of one cycle, or more.

        Between two cycles it rests as the loop does. Raises if that does not help.
        """
        began = time.monotonic()
        for _ in range(CYCLES_AT_MOST):
            await self.cycle()
            if not self.outdated(groups):
                return time.monotonic() - began
            await self.rest()
        raise RuntimeError(self.lacking(groups))

    def lacking(self, groups: list[Group]) -> str:
        """Say how many of the newest commits of *groups* the last cycle lacks, and why."""
        said = {one.error for one in self.snapshot.groups} | {self.snapshot.error}
        why = "; ".join(sorted(one for one in said if one)) or "no error was said"
        return f"the newest of {self.outdated(groups)} commits were not read: {why}"


def populated(servers: str) -> World:
    """Give 2,000 groups with a member each, that read ten partitions of 2,000."""
    world = World(servers)
    world.create({f"topic-{number:03}": PARTITIONS for number in range(TOPICS)})
    world.produce(10)
    world.join(
        Group(f"active-{number:04}", f"topic-{number % TOPICS:03}", PARTITIONS, committed=5)
        for number in range(GROUPS)
    )
    return world


def cycle(world: World, rounds: int) -> list[Figure]:
    """Measure steady cycles, both partners in turn with them, and the first cycle."""
    with ExitStack() as stack:
        kminion = partner(stack, "KMINION_BIN", world.servers)
        exporter = partner(stack, "KAFKA_EXPORTER_BIN", world.servers)
        steady, kminions, exporters, first = asyncio.run(_cycle(world, rounds, kminion, exporter))
    ours = statistics.median(steady)
    return [
        ours,
        kminion if isinstance(kminion, str) else ours / statistics.median(kminions),
        exporter if isinstance(exporter, str) else ours / statistics.median(exporters),
        statistics.median(first),
    ]


async def _cycle(
    world: World, rounds: int, kminion: Partner | str, exporter: Partner | str
) -> tuple[list[float], list[float], list[float], list[float]]:
    steady, kminions, exporters, first = [], [], [], []
    for _ in range(min(rounds, FIRST_CYCLES)):
        began = time.monotonic()
        async with Lagmon(world.servers) as lagmon:
            await lagmon.whole(world.groups)
            first.append(time.monotonic() - began)
    async with Lagmon(world.servers) as lagmon:
        for number in range(WARM_UP + rounds):
            await asyncio.to_thread(world.advance)
            took = await lagmon.whole(world.groups)
            if number >= WARM_UP:
                print(f"{took:.2f} s: {lagmon.steps()}")
                steady.append(took)
                kminions += [] if isinstance(kminion, str) else [kminion.scrape()]
            await lagmon.rest()
    if not isinstance(exporter, str):  # one scrape of it takes several seconds
        exporters = [exporter.scrape() for _ in range(min(rounds, FIRST_CYCLES))]
    print("steady", said(steady), "first", said(first))
    print("one scrape: kminion", said(kminions), "kafka_exporter", said(exporters))
    return steady, kminions, exporters, first


class Partner:
    """Another exporter, on this machine; *series* is its lag of one partition of one group."""

    def __init__(self, url: str, series: str) -> None:
        self._url, self._series = url, series.encode()

    def scrape(self) -> float:
        """Scrape once; give the seconds."""
        began = time.monotonic()
        with urllib.request.urlopen(self._url, timeout=SCRAPE_SECONDS) as answer:  # noqa: S310 - our own
            body = answer.read()
        took = time.monotonic() - began
        if (found := body.count(self._series)) < GROUPS * PARTITIONS:
            raise RuntimeError(f"{self._url} gave {found} lags only")
        return took

    def answers(self) -> bool:
        """Tell whether it can be asked at all."""
        try:
            self.scrape()
        except OSError:
            return False
        return True


def partner(stack: ExitStack, variable: str, servers: str) -> Partner | str:
    """Start the program that *variable* names with its defaults, or say why there is none."""
    program = os.environ.get(variable)
    if not program:
        return f"{variable} names no program"
    port = free_port()
    command, env, series = (
        [program],
        dict(os.environ),
        "kminion_kafka_consumer_group_topic_partition_lag{",
    )
    if variable == "KMINION_BIN":
        env |= {
            "KAFKA_BROKERS": servers,
            "EXPORTER_HOST": "127.0.0.1",
            "EXPORTER_PORT": str(port),
            "MINION_LOGDIRS_ENABLED": "false",  # lagmon does not read them either
        }
    else:
        command += [f"--kafka.server={servers}", f"--web.listen-address=127.0.0.1:{port}"]
        series = "kafka_consumergroup_lag{"
    stack.enter_context(Service(command, env=env, name=variable))
    one = Partner(f"http://127.0.0.1:{port}/metrics", series)
    until(one.answers, timeout=SCRAPE_SECONDS, what=program)
    return one


def many(world: World, rounds: int) -> list[Figure]:
    """Measure steady cycles with 63,000 groups beside those of *world* that stand still."""
    idle = [
        Group(f"idle-{number:05}", f"topic-{number % TOPICS:03}", 1, committed=5)
        for number in range(IDLE)
    ]
    began = time.monotonic()
    world.commit(idle)
    print(f"made {IDLE:,} groups in {time.monotonic() - began:.1f} s")
    return [asyncio.run(_many(world, idle, rounds))]


async def _many(world: World, idle: list[Group], rounds: int) -> Figure:
    steady: list[float] = []
    began, whole_after = time.monotonic(), None
    async with Lagmon(world.servers) as lagmon:
        while len(steady) < rounds:
            await asyncio.to_thread(world.advance)
            await lagmon.cycle()
            passed, unread = time.monotonic() - began, lagmon.outdated(idle)
            if whole_after is None and not unread:
                whole_after = passed
            if whole_after is not None and passed > STEADY_SECONDS:
                if lagmon.outdated(world.groups + idle):
                    return lagmon.lacking(world.groups + idle)
                print(f"{lagmon.seconds:.2f} s: {lagmon.steps()}")
                steady.append(lagmon.seconds)
            elif passed > UNREAD_SECONDS:
                return f"{unread} groups were still unread after {UNREAD_SECONDS} s"
            await lagmon.rest()
    print("steady", said(steady), f"; every group was read after {whole_after:.1f} s")
    return statistics.median(steady)


def race(servers: str) -> list[Figure]:
    """Count what is negative while a producer and ten consumers race on 100 partitions.

    A sample is one group's commit of one partition that has moved since the cycle before.
    """
    World(servers).create({"race": 100})
    command = [sys.executable, "-P", str(WORK), "racing", servers]
    with ExitStack() as stack:
        racing = Service(command, name="racing")
        stack.callback(racing.close)
        racing.start()
        return asyncio.run(_race(servers))


async def _race(servers: str) -> list[Figure]:
    samples = negative = clamped = 0
    before: dict[Any, int] = {}
    until_then = time.monotonic() + RACE_SECONDS
    async with Lagmon(servers, groups={"include": ["race-.*"]}) as lagmon:
        while samples < SAMPLES and time.monotonic() < until_then:
            await lagmon.cycle()
            ends = {one.at: one.high for one in lagmon.snapshot.topics}
            for group in lagmon.snapshot.groups:
                for one in group.committed:
                    end = ends.get(one.at)
                    if one.offset is None or end is None:
                        continue
                    negative += one.offset > end
                    # One that stood still did not race.
                    samples += one.offset > before.get((group.group, one.at), one.offset)
                    before[group.group, one.at] = one.offset
            clamped += sum(
                part.clamped for group in lagmon.judged.lag.groups for part in group.partitions
            )
    if samples < SAMPLES:
        return [f"only {samples} commits moved in {RACE_SECONDS} s"] * 2
    return [negative, clamped]


def alert(servers: str) -> list[Figure]:
    """Let groups fall behind one after another; give how long the slowest page took."""
    groups = [Group(f"alert-{number}", f"alert-{number}", 1) for number in range(CROSSINGS)]
    world = World(servers)
    world.create({group.topic: 1 for group in groups})
    world.join(groups)
    with Alertmanager() as alertmanager, Product(kafka=servers) as product:
        lagmon = product.lagmon(alertmanagers=[{"url": alertmanager.url}])
        metrics = f"{address(lagmon)}/metrics"

        def seen() -> bool:
            with urllib.request.urlopen(metrics, timeout=10) as answer:  # noqa: S310 - our own
                return have_read_all(answer.read().decode(), groups)

        until(seen, timeout=60, what="lagmon to see every group")
        crossed: dict[str, float] = {}
        for group in groups:
            crossed[group.name] = time.monotonic()
            World(servers, {group.topic: 1}).produce(THRESHOLD + 1)
            time.sleep(APART_SECONDS)
        took: dict[str, float] = {}

        def paged() -> bool:
            for one in alertmanager.alerts():
                labels = one["labels"]
                if labels["alertname"] == "KafkaConsumerLag" and labels["group"] in crossed:
                    took.setdefault(labels["group"], time.monotonic() - crossed[labels["group"]])
            return len(took) == len(groups)

        until(paged, timeout=ALERT_SECONDS, every=0.1, what="Alertmanager to have every page")
    print("crossed to paged", said(took.values()))
    return [max(took.values())]


def have_read_all(page: str, groups: Iterable[Group]) -> bool:
    """Tell whether each of *groups* has a lag of 0 on lagmon's *page* of metrics."""
    name = "lagmon_group_lag_messages"
    return all(values(page, name, {"group": group.name}) == [0] for group in groups)


def hang(rounds: int) -> list[Figure]:
    """Let one group's coordinator stand still; give the delay of the other groups' values.

    The third of three brokers coordinates that group and nothing else. After nine seconds the
    cluster gives it up, and the group has no coordinator at all.
    """
    with KafkaNodes(3, OFFSETS_PARTITIONS) as nodes:
        placed: dict[int, list[Group]] = {1: [], 2: [], 3: []}
        names = (f"group-{number:04}" for number in range(2 * BESIDE))
        admin = nodes.admin()
        for name, future in admin.describe_consumer_groups(list(names)).items():
            coordinator = future.result(60).coordinator.id
            topic = f"topic-{coordinator % 2 + 1}"
            placed[coordinator].append(Group(name, topic, PARTITIONS, committed=5))
        world = World(nodes.server(1))
        for node in (1, 2):
            world.create({f"topic-{node}": PARTITIONS}, placed=[node])
        world.produce(10)
        worlds = [World(nodes.server(node), dict(world.topics)) for node in (1, 2)]
        for each, node in zip(worlds, (1, 2), strict=True):
            each.join(placed[node][: BESIDE // 2])
        World(nodes.server(3)).join(placed[3][:1])
        return [asyncio.run(_hang(nodes, worlds, rounds))]


async def _hang(nodes: KafkaNodes, worlds: list[World], rounds: int) -> float:
    others = [group for world in worlds for group in world.groups]
    healthy: list[float] = []
    delays: list[float] = []
    async with Lagmon(nodes.bootstrap_servers) as lagmon:
        for number in range(WARM_UP + rounds):
            for world in worlds:
                await asyncio.to_thread(world.advance)
            took = await lagmon.whole(others)
            healthy += [took] if number >= WARM_UP else []
            await lagmon.rest()
        nodes.pause(3)
        usual, began = statistics.median(healthy), time.monotonic()
        due = None
        for _ in count():
            for world in worlds:
                await asyncio.to_thread(world.advance)
            due = due or time.monotonic()
            await lagmon.cycle()
            if not lagmon.outdated(others):
                delays.append(time.monotonic() - due - usual)
                due = None
            if time.monotonic() - began > HANG_SECONDS:
                break
            await lagmon.rest()
        if due is not None:
            delays.append(time.monotonic() - due - usual)
    print(
        "healthy", said(healthy), "delays while one hangs, in turn:", *(f"{d:.2f}" for d in delays)
    )
    return max(delays)


def said(values: Iterable[float]) -> str:
    """Write *values* as their median and range."""
    known = sorted(values)
    if not known:
        return "-"
    return f"{statistics.median(known):.2f} s ({known[0]:.2f} - {known[-1]:.2f})"
