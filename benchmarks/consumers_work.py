"""One measurement of the consumers benchmark, in a process of its own: ``SCENARIO VARIANT …``.

Prints one JSON line with the figures. The first record that a handler gets waits until the client
has fetched ahead, and the clock starts some records later: nothing is measured but handling. CPU is
that of the whole process, the client's own threads among it.
"""

# ruff: noqa: PLC0415  # a variant imports what it measures and nothing else

from __future__ import annotations

import asyncio
import itertools
import json
import math
import os
import resource
import statistics
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

AHEAD_SECONDS: Final = 0.8  # less than after how long the runtime pauses, which would empty a queue
BARE_AHEAD_SECONDS: Final = 5.0  # it reads several times as fast as it is fetched
LIMIT_SECONDS: Final = 240
AHEAD: Final = {"queued.min.messages": 1_000_000, "queued.max.messages.kbytes": 1_000_000}
PLAYERS: Final = 500  # that are in the game at once: each far below what one may play
CONNECTIONS: Final = 32  # of whoever plays
IDLE_SECONDS: Final = 2.0  # after which a connection is made anew: the API ends it after five
JSON: Final = {"Content-Type": "application/json"}
NOBODY: Final = "postgresql://nobody@127.0.0.1:1/nothing"  # a no-op needs no database
WARM_SHARE: Final = 10  # one record to this many that count; to get warm
PROBES: Final = ("/healthz", "/readyz", "/status")
PROBE_SECONDS: Final = 0.02  # between two questions
EDGE: Final = 0.05  # of the samples, at the beginning and at the end


class Meter:
    """Count records and take the times at the first and the last that count; any thread."""

    def __init__(self, count: int, *, warm: int | None = None) -> None:
        self._count, self._warm = count, count // WARM_SHARE if warm is None else warm
        self._seen = itertools.count(1)
        self._marks = {1, self._warm, self._warm + count}
        self._start = self._end = (0.0, 0.0)
        self.records = 0
        self.done = threading.Event()

    def tick(self) -> bool:
        """Count a record; say whether it is the first, which is to wait."""
        self.records = seen = next(self._seen)
        if seen not in self._marks:
            return False
        if seen == self._warm:
            self._start = now()
        if seen == self._warm + self._count:
            self._end = now()
            self.done.set()
        return seen == 1

    def figures(self, afterwards: Callable[[], object] | None = None) -> dict[str, Any]:
        """Give records a second and µs of CPU a record; *afterwards* belongs to them too."""
        began = now()
        if afterwards:
            afterwards()
        rest = now()
        seconds, cpu = (
            end - start + last - first
            for start, end, first, last in zip(self._start, self._end, began, rest, strict=True)
        )
        return {"rate": self._count / seconds, "cpu_us": cpu / self._count * 1e6}


def now() -> tuple[float, float]:
    """Give the time and the CPU of this process, seconds."""
    return time.perf_counter(), time.process_time()


def main(scenario: str, *arguments: str) -> None:
    """Measure *scenario*."""
    threading.Thread(target=give_up, daemon=True).start()
    print(json.dumps(SCENARIOS[scenario](*arguments)))


def give_up() -> None:
    """End the process when nothing comes of it."""
    time.sleep(LIMIT_SECONDS)
    print(f"not done after {LIMIT_SECONDS} s", file=sys.stderr, flush=True)
    os._exit(1)


# ---- a handler that does nothing


def noop(variant: str, servers: str, topic: str, count: str) -> dict[str, Any]:
    """Let *variant* handle *count* records of *topic* by a handler that does nothing."""
    return NOOP[variant](servers, topic, Meter(int(count)))


def bare(servers: str, topic: str, meter: Meter) -> dict[str, Any]:
    """Poll and store offsets, nothing else."""
    from confluent_kafka import Consumer

    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": group(),
            "auto.offset.reset": "earliest",
            "enable.auto.offset.store": False,
            **AHEAD,
        }
    )
    consumer.subscribe([topic])
    waited = 0
    while not meter.done.is_set():
        message = consumer.poll(0)
        if message is None:
            waited += 1
            message = consumer.poll(1)
        if message is None or message.error() is not None:
            continue
        if meter.tick():
            time.sleep(BARE_AHEAD_SECONDS)
            waited = 0
        consumer.store_offsets(message)
    figures = meter.figures()
    consumer.close()
    if waited:
        # What came of it would say how fast a broker sends.
        raise RuntimeError(f"the bare loop waited {waited} times for records: measure once more")
    return figures


def ours(servers: str, topic: str, meter: Meter) -> dict[str, Any]:
    """Run the runtime as `consumers worker` does, with one lane."""

    def handle(_: object) -> None:
        if meter.tick():
            time.sleep(AHEAD_SECONDS)

    with service() as flush:
        run(handle, meter, servers, topic)
        return meter.figures(flush)


@contextmanager
def service() -> Iterator[Callable[[], object]]:
    """Set up logs and traces as a service of ours does; give what sends the last spans."""
    from propagation.integrations import logs
    from propagation.sdk import telemetry

    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, telemetry("bench") as traces:
        logs.configure("bench", stream=nowhere)
        yield lambda: traces.flush(60)


def run(
    handler: Any, meter: Meter, servers: str, topic: str, *, batch: bool = False, **more: Any
) -> None:
    """Run a worker with *handler* until *meter* is done; *more* are its settings."""
    from consumers.assembly import make_worker
    from consumers.configuration.settings import WorkerSettings
    from consumers.kafka.client_log import ClientLog
    from consumers.metrics import Metrics

    given = {"database_url": NOBODY, "client": AHEAD, "dlq_create": True, **more}
    settings = WorkerSettings(bootstrap_servers=servers, topic=topic, group=group(), **given)
    metrics = Metrics()
    runtime = make_worker(settings, handler, metrics, ClientLog("bench", metrics), batch=batch)
    runtime.run(meter.done)


def faststream(servers: str, topic: str, meter: Meter) -> dict[str, Any]:
    """Run FastStream's confluent broker with its telemetry; offsets are stored before handling."""
    from faststream.confluent import KafkaBroker
    from faststream.confluent.opentelemetry import KafkaTelemetryMiddleware
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()  # its sampler follows the record
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    telemetry = KafkaTelemetryMiddleware(tracer_provider=provider)
    broker = KafkaBroker(servers, middlewares=[telemetry], config=AHEAD, logger=None)

    async def untouched(message: Any) -> Any:
        return message.body

    @broker.subscriber(topic, group_id=group(), auto_offset_reset="earliest", decoder=untouched)
    async def handle(_: bytes) -> None:
        if meter.tick():
            await asyncio.sleep(AHEAD_SECONDS)

    async def work() -> dict[str, Any]:
        await broker.start()
        await asyncio.to_thread(meter.done.wait)
        figures = meter.figures(provider.force_flush)
        await broker.stop()
        return figures

    return asyncio.run(work())


def group() -> str:
    """Name a group that nobody has used."""
    return f"bench-{uuid4().hex}"


# ---- a handler that writes to Postgres


def postgres(variant: str, servers: str, topic: str, count: str, url: str) -> dict[str, Any]:
    """Settle *count* plays of *topic* in *url*: one by one in some lanes, or by the hundred."""
    from consumers.game.handler import SettlePlay
    from consumers.game.store import Store
    from consumers.metrics import Metrics

    lanes = 8 if variant == "lanes" else 1
    meter = Meter(int(count))
    with service():
        store = Store(url, "bench", connections=lanes)
        store.open()
        settle_one, settle_many = SettlePlay(store, Metrics()), many(url)

        def handle(record: Any) -> None:
            settle_one(record)
            meter.tick()

        def handle_batch(records: Sequence[Any]) -> None:
            settle_many(records)
            for _ in records:
                meter.tick()

        batch = variant == "batch"
        run(handle_batch if batch else handle, meter, servers, topic, batch=batch, lanes=lanes)
        store.close(1)
    return meter.figures()


def many(url: str) -> Callable[[Sequence[Any]], None]:
    """Give what settles plays as the game does, all of them in one transaction."""
    from dataclasses import asdict

    import psycopg

    from consumers.game.events import decode
    from consumers.game.service import spin
    from consumers.game.store import ADD_TO_TOTALS, INSERT_PLAY
    from propagation.integrations.postgres import transaction

    connection = psycopg.connect(url, autocommit=True)

    def values(record: Any) -> dict[str, Any]:
        play = decode(record.value)
        outcome = spin(play.play_id, play.seed, play.bet)
        drawn = {"symbols": list(outcome.symbols), "payout": outcome.payout}
        return {**asdict(play), **drawn, "trace_id": None, "settlement_id": None}

    def settle(records: Sequence[Any]) -> None:
        plays = [values(record) for record in records]
        with transaction(connection, "bench"), connection.cursor() as cursor:
            cursor.executemany(f"{INSERT_PLAY} RETURNING 1", plays, returning=True)
            new = []
            for play in plays:
                new += [play] if cursor.fetchone() else []
                cursor.nextset()
            cursor.executemany(ADD_TO_TOTALS, new)

    return settle


# ---- memory


def memory(servers: str, topic: str, count: str) -> dict[str, Any]:
    """Handle *count* records by nothing, with the client's own queue, and see what memory does."""
    warm = int(count) // 2  # so long the client's queue and the allocator's reserve still fill
    meter = Meter(int(count), warm=warm)
    samples: list[float] = []

    def sample() -> None:
        while meter.records <= warm:
            time.sleep(0.05)
        while not meter.done.wait(0.05):
            samples.append(resident_mb())

    watching = threading.Thread(target=sample)
    watching.start()
    with service():
        run(lambda _: meter.tick() and None, meter, servers, topic, client={})
    watching.join()
    edge = max(1, math.ceil(len(samples) * EDGE))
    first, last = (statistics.median(part) for part in (samples[:edge], samples[-edge:]))
    return {"first_mb": first, "last_mb": last, "peak_mb": max(samples), **meter.figures()}


def resident_mb() -> float:
    """Give what this process has in memory, shared libraries and all."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


# ---- requests


def load(address: str, rate: str, seconds: str) -> dict[str, Any]:
    """Send plays to the API at *address*, *rate* a second, each when it is due.

    By the plainest client there is: what it costs is taken from those who are measured.
    """
    from concurrent.futures import ThreadPoolExecutor
    from http.client import HTTPConnection

    to, own = urlsplit(address), threading.local()

    def play(number: int) -> tuple[int, float]:
        if not hasattr(own, "connection"):
            own.connection = HTTPConnection(str(to.hostname), to.port, timeout=30)
        elif time.perf_counter() - own.used > IDLE_SECONDS:
            own.connection.close()  # the next request opens it again
        bet = {"player_id": f"player-{number % PLAYERS}", "game": "slots", "bet": 100}
        began = time.perf_counter()
        own.connection.request("POST", "/game/slots/play", json.dumps(bet), JSON)
        answer = own.connection.getresponse()
        answer.read()
        own.used = time.perf_counter()
        return answer.status, own.used - began

    every, count = 1 / float(rate), int(float(rate) * float(seconds))
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        began = time.perf_counter()
        sent = []
        for number in range(count):
            time.sleep(max(0.0, began + number * every - time.perf_counter()))
            sent.append(pool.submit(play, number))
        answers = [one.result() for one in sent]
    statuses, taken = zip(*answers, strict=True)
    return {
        "accepted": statuses.count(202),
        "others": sorted({status for status in statuses if status != 202}),
        "request_p99_ms": statistics.quantiles(taken, n=100)[98] * 1000,
    }


def probe(address: str, seconds: str) -> dict[str, Any]:
    """Ask the service at *address* how it is, on one connection, for so many *seconds*."""
    from http.client import HTTPConnection

    to, taken = urlsplit(address), []
    connection = HTTPConnection(str(to.hostname), to.port, timeout=30)
    until = time.perf_counter() + float(seconds)
    for path in itertools.cycle(PROBES):
        began = time.perf_counter()
        if began >= until:
            break
        connection.request("GET", path)
        connection.getresponse().read()
        taken.append(time.perf_counter() - began)
        time.sleep(PROBE_SECONDS)
    percentiles = statistics.quantiles(taken, n=100)
    return {"probe_p50_ms": percentiles[49] * 1000, "probe_p99_ms": percentiles[98] * 1000}


NOOP: Final = {"bare": bare, "ours": ours, "faststream": faststream}
SCENARIOS: Final[dict[str, Callable[..., dict[str, Any]]]] = {
    "noop": noop,
    "postgres": postgres,
    "memory": memory,
    "load": load,
    "probe": probe,
}


if __name__ == "__main__":
    main(*sys.argv[1:])
