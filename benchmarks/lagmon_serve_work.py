"""What the benchmark of serving runs in processes of their own: ``ROW ARGUMENTS``.

``render SERIES``: CPU s to write a page of that many series, all of which have changed, by lagmon
and by prometheus_client. ``serve GROUPS CYCLES FILE``: lagmon as it serves, its cycles fed with
snapshots that are made here; each line on stdin is what Kafka does from then on, ``stopped`` or
``running``. ``scrape URL SCRAPERS SECONDS INTERVAL``: seconds of each scrape. The first and the
last print one JSON line.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import statistics
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from lagmon import loop
from lagmon.board import Board, Cycle
from lagmon.commands import wiring
from lagmon.exposition.page import Renderer
from lagmon.exposition.publish import SWITCH_SECONDS
from lagmon.exposition.text import Form
from lagmon.garbage import look_seldom
from lagmon.model import Age, ClusterLag, GroupLag, Method, PartitionLag
from lagmon.readings import Plan, Snapshot, TopicPartition
from lagmon.report import Links
from lagmon.web.app import create_app
from lagmon.web.server import WebServer
from lagmon.wire import Reader, Writer

# Last in the path: beside this lies propagation.py, which must not hide the package of that name.
sys.path.append(str(Path(__file__).parent))
import lagmon_collect_work as made

if TYPE_CHECKING:
    from collections.abc import Callable

PARTITIONS = 10
FAMILIES = 3  # of a partition of a group: lag, seconds, committed offset
ROUNDS = 5
SPARE_CYCLES = 20
ACCEPT = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


def main(row: str, *arguments: str) -> None:
    """Do the work of *row*."""
    look_seldom()  # as the process that serves does
    work: dict[str, Callable[..., Any]] = {
        "render": lambda series: rendering(int(series)),
        "serve": lambda groups, cycles, file: asyncio.run(
            serving(Collector(int(groups), int(cycles)), Path(file).write_text)
        ),
        "scrape": lambda url, *numbers: scraping(url, *map(float, numbers)),
    }
    print(json.dumps(work[row](*arguments)))


def rendering(series: int) -> dict[str, Any]:
    """Write pages of *series*; no number of one is that of the one before."""
    board, renderer = Board("0", ["bench"]), Renderer()
    ours: list[float] = []
    reports = []  # all kept: to take down what was read before is no part of writing a page
    for number in range(ROUNDS + 1):  # in the first one labels are made
        lag = behind(series // (PARTITIONS * FAMILIES), number)
        board.put(Cycle(Snapshot(lag.at, "bench"), lag))
        reports.append(board.report)
    for report in reports:
        began = time.process_time()
        page = renderer.render(report)
        page.make(Form())
        ours.append(time.process_time() - began)
    registry = gauges(lag)
    theirs = []
    for _ in range(ROUNDS):
        began = time.process_time()
        generate_latest(registry)
        theirs.append(time.process_time() - began)
    per_series = statistics.median(ours[1:]) / page.series
    return {
        "ratio": per_series / (statistics.median(theirs) / (len(lag.groups) * 30)),
        "ours_seconds": statistics.median(ours[1:]),
        "theirs_seconds": statistics.median(theirs),
        "first_seconds": ours[0],
        "series": page.series,
    }


def behind(groups: int, step: int) -> ClusterLag:
    """Give the lag of *groups*, each of whose numbers hangs on *step*."""
    return ClusterLag(
        made.BEGAN + step, "bench", tuple(group_behind(number, step) for number in range(groups))
    )


def group_behind(number: int, step: int) -> GroupLag:
    """Give one group."""
    rows = tuple(
        PartitionLag(
            TopicPartition(f"topic-{number % 200:03}", at),
            lag=(lag := number * 31 + at * 7 + step),
            committed=made.FIRST_END + number * 10_007 + at * 101 + step,
            end=made.FIRST_END + number * 10_007 + at * 101 + step + lag,
            age=Age(lag / 7 + 0.001, Method.HISTORY),
        )
        for at in range(PARTITIONS)
    )
    total = sum(row.lag or 0 for row in rows)
    return GroupLag(f"group-{number:05}", total, members=1, partitions=rows)


def gauges(lag: ClusterLag) -> CollectorRegistry:
    """Give prometheus_client's registry with the partitions of *lag*."""
    registry = CollectorRegistry()
    labels = ["kafka_cluster", "group", "topic", "partition"]
    names = ("messages", "seconds", "committed")
    lags, seconds, offsets = (
        Gauge(f"lagmon_partition_lag_{name}", "Of a partition.", labels, registry=registry)
        for name in names
    )
    for group in lag.groups:
        for row in group.partitions:
            own = (lag.cluster, group.group, row.at.topic, str(row.at.partition))
            lags.labels(*own).set(row.lag or 0)
            seconds.labels(*own).set(round(row.age.seconds, 3) if row.age else 0)
            offsets.labels(*own).set(row.committed or 0)
    return registry


class Collector:
    """Takes a collector's place: gives what was read before, or nothing while Kafka is *stopped*.

    The line of a child is read in a thread, as it is of a real one; the lines are made beforehand,
    with some to spare: who waits for a slow machine has cycles meanwhile.
    """

    cluster, restarts, is_fresh = "bench", 0, False

    def __init__(self, groups: int, cycles: int) -> None:
        recorded, writer = made.Recorded(groups), Writer()
        self._lines = [
            writer.line(recorded.next(Plan(), as_read=False)) for _ in range(cycles + SPARE_CYCLES)
        ]
        self._reader, self._last = Reader(), Snapshot(0.0, self.cluster)
        self.stopped = False

    async def start(self) -> None:
        """Begin: nothing to do."""

    async def stop(self) -> None:
        """End: nothing to do."""

    async def collect(self, plan: Plan, now: float) -> Snapshot:  # noqa: ARG002 - nothing is asked
        """Give what the cluster says *now*; after the last line that one."""
        if self.stopped:
            return Snapshot(now, self.cluster, error="no broker answers")
        if self._lines:
            line = self._lines.pop(0)
            self._last = await asyncio.to_thread(self._reader.snapshot, line)
        return replace(self._last, at=now)


async def serving(collector: Collector, told: Callable[[str], Any]) -> dict[str, Any]:
    """Serve until stdin ends; *told* is called with the address."""
    sys.setswitchinterval(SWITCH_SECONDS)
    settings = made.settings("nowhere:1")
    policy, board, stop = wiring.policy(settings), Board("0", ["bench"]), asyncio.Event()
    clock, running = loop.SystemClock(), asyncio.get_running_loop()

    def listen() -> None:
        for line in sys.stdin:
            collector.stopped = line.strip() == "stopped"
        running.call_soon_threadsafe(stop.set)

    web = WebServer(create_app(board, policy.rules, Links(), clock.now), "127.0.0.1", 0)
    address = await web.start()
    threading.Thread(target=listen, daemon=True).start()
    told(address)
    began = time.process_time()
    await loop.run([collector], policy, board, [], clock=clock, until=stop)
    await web.stop(1)
    [report] = board.report.clusters
    return {
        "cycles": report.asked,
        "cpu_seconds": time.process_time() - began,  # says more than waiting does on a busy machine
        "series": board.page.series,
        "error": report.error,
    }


def scraping(url: str, scrapers: float, seconds: float, interval: float) -> dict[str, Any]:
    """Scrape by *scrapers* for *seconds*, each once an *interval*, evenly staggered."""
    answers: list[tuple[float, int]] = []
    host = url.removeprefix("http://")
    threads = [
        threading.Thread(
            target=scrape, args=(host, number * interval / scrapers, seconds, interval, answers)
        )
        for number in range(int(scrapers))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = sorted(seconds for seconds, _ in answers)
    return {
        "p99_ms": took[int(len(took) * 0.99)] * 1000,
        "median_ms": statistics.median(took) * 1000,
        "longest_ms": took[-1] * 1000,
        "scrapes": len(took),
        "bytes": max(size for _, size in answers),
    }


def scrape(
    host: str, first: float, seconds: float, interval: float, answers: list[tuple[float, int]]
) -> None:
    """Scrape over one connection, as Prometheus does; note how long each took, and its bytes."""
    connection = http.client.HTTPConnection(host)
    began = time.monotonic()
    due = began + first
    while due < began + seconds:
        time.sleep(max(0.0, due - time.monotonic()))
        asked = time.monotonic()
        connection.request("GET", "/metrics", headers={"Accept": ACCEPT, "Accept-Encoding": "gzip"})
        answer = connection.getresponse()
        body = answer.read()
        answers.append((time.monotonic() - asked, len(body)))
        if answer.status != 200 or answer.getheader("Content-Encoding") != "gzip":
            raise RuntimeError(f"no page: {answer.status}")
        due += interval
    connection.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
