"""One measurement of the propagation benchmark, in a process of its own: ``VARIANT SCENARIO``.

Prints one JSON line with the figure. Times are CPU of the calling thread in µs a message, the
median of chunks: waiting for a broker or for another process on the same core does not count.
"""

# ruff: noqa: PLC0415  # a variant imports what it measures and nothing else

from __future__ import annotations

import itertools
import json
import resource
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import confluent_kafka

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

CHUNKS: Final = 20
CHUNK: Final = 1000
WARM_UP: Final = 2
VALUE: Final = b"x" * 100
IN_FLIGHT: Final = 200_000  # a fifth of a million: the bytes a message are the same
ASYNC_MESSAGES: Final = 60_000
ENOUGH: Final = 4_000_000  # of whatever queue: nothing waits and nothing is dropped

PRODUCER: Final = {
    "bootstrap.servers": "mock:1",
    "test.mock.num.brokers": 1,
    "queue.buffering.max.messages": ENOUGH,
    "queue.buffering.max.kbytes": 2_000_000,
    "linger.ms": 5,
    "log_level": 0,
}


def main(variant: str, scenario: str) -> None:
    """Measure *scenario* with the clients of *variant*."""
    print(json.dumps({"figure": SCENARIOS[scenario](variant)}))


def provide(variant: str) -> Any:
    """Set the tracer provider that *variant* asks for: recorded, encoded, unsampled, or none."""
    if variant in {"raw", "ddtrace"}:
        return None
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider, sampling
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    unsampled = variant.endswith("unsampled")
    sampler = sampling.ALWAYS_OFF if unsampled else sampling.ParentBased(sampling.ALWAYS_ON)
    provider = TracerProvider(sampler=sampler)
    provider.add_span_processor(BatchSpanProcessor(exporter(variant), max_queue_size=ENOUGH))
    trace.set_tracer_provider(provider)
    return provider


def exporter(variant: str) -> Any:
    """Give an exporter that throws away what it gets; as OTLP bytes where *variant* says so."""
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    encode: Callable[[Any], object] = len
    if variant.endswith("encoded"):
        encode = encoder(variant)

    class Nowhere(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            encode(spans)
            return SpanExportResult.SUCCESS

    return Nowhere()


def encoder(variant: str) -> Callable[[Any], object]:
    """Give what turns spans into bytes: for contrib the stock encoder, for ours our own."""
    if variant.startswith("ours"):
        from propagation.sdk.otlp import encode

        return encode
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    return lambda spans: encode_spans(spans).SerializeToString()


def clients(variant: str) -> tuple[Any, Any, Callable[[Any, Any], object]]:
    """Give producer class, consumer class and what processes one message."""
    if variant.startswith("ours"):
        from propagation import Consumer, Producer, processing

        def process(message: Any, consumer: Any) -> None:
            with processing(message, consumer=consumer):
                message.value()

        return Producer, Consumer, process
    if variant.startswith("contrib"):
        from opentelemetry.instrumentation.confluent_kafka import ConfluentKafkaInstrumentor

        ConfluentKafkaInstrumentor().instrument()
    if variant == "ddtrace":
        import ddtrace

        ddtrace.patch(kafka=True)
    return (
        confluent_kafka.Producer,
        confluent_kafka.Consumer,
        lambda message, _: message.value(),
    )


def chunked(work: Iterable[float]) -> float:
    """Give the median of the chunks after the first ones, µs a message."""
    return statistics.median(list(work)[WARM_UP:]) / CHUNK * 1e6


def produce(variant: str) -> float:
    """Measure ``produce`` and the delivery report with a callback of the user's."""
    provide(variant)
    kind, _, _ = clients(variant)
    producer = kind(PRODUCER)
    return chunked(produced(producer) for _ in range(CHUNKS + WARM_UP))


def produced(producer: Any) -> float:
    """Give the seconds of CPU of one chunk: produce all, let it be delivered, serve reports."""
    reports = itertools.count()
    told = 0

    def on_delivery(_error: object, _message: object) -> None:
        nonlocal told
        told = next(reports) + 1

    clock = time.thread_time
    began = clock()
    for _ in range(CHUNK):
        producer.produce("plays", VALUE, key=b"player-7", on_delivery=on_delivery)
    used = clock() - began
    while told < CHUNK:
        time.sleep(0.01)
        began = clock()
        producer.poll(0)
        used += clock() - began
    return used


def filled(variant: str, count: int) -> tuple[Any, str]:
    """Put *count* messages into a mock cluster, each with a trace of its own; give who hosts it."""
    flags = "00" if variant.endswith("unsampled") else "01"
    host = confluent_kafka.Producer(PRODUCER)
    for number in range(1, count + 1):
        traceparent = f"00-{number:032x}-{number:016x}-{flags}"
        host.produce("plays", VALUE, b"player-7", 0, headers=[("traceparent", traceparent)])
    host.flush(60)
    [broker] = host.list_topics("plays", timeout=10).brokers.values()
    return host, f"{broker.host}:{broker.port}"


def reader(kind: Any, servers: str) -> Any:
    """Give a consumer that has the topic before it, and let it fetch ahead."""
    settings = {
        "bootstrap.servers": servers,
        "group.id": "bench",
        "client.id": "bench-1",
        "enable.auto.commit": False,
        "queued.min.messages": 1_000_000,
        "queued.max.messages.kbytes": 1_000_000,
        "fetch.wait.max.ms": 10,
        "log_level": 0,
    }
    consumer = kind(settings)
    consumer.assign([confluent_kafka.TopicPartition("plays", 0, 0)])
    time.sleep(1)
    return consumer


def poll(variant: str) -> float:
    """Measure ``poll`` and the processing of each message."""
    count = (CHUNKS + WARM_UP) * CHUNK
    provide(variant)
    kept, servers = filled(variant, count)
    _, kind, process = clients(variant)
    consumer = reader(kind, servers)
    figure = chunked(polled(consumer, process) for _ in range(CHUNKS + WARM_UP))
    del kept
    return figure


def polled(consumer: Any, process: Callable[[Any, Any], object]) -> float:
    """Give the seconds of CPU of one chunk."""
    began = time.thread_time()
    done = 0
    while done < CHUNK:
        message = consumer.poll(5)
        if message is not None:
            process(message, consumer)
            done += 1
    return time.thread_time() - began


def consume(variant: str) -> float:
    """Measure ``consume(500)`` alone, without scopes."""
    batches = (CHUNKS + WARM_UP) * CHUNK // 500
    provide(variant)
    kept, servers = filled(variant, batches * 500)
    _, kind, _ = clients(variant)
    consumer = reader(kind, servers)
    used = []
    for _ in range(batches):
        began = time.thread_time()
        got = len(consumer.consume(500, timeout=5))
        used.append((time.thread_time() - began) / max(got, 1))
    del kept
    return statistics.median(used[WARM_UP:]) * 1e6


def cpu(variant: str) -> float:
    """Measure the CPU of the whole process: produce, deliver, poll, process, export."""
    count = CHUNKS * CHUNK
    provider = provide(variant)
    make, kind, process = clients(variant)
    began = time.process_time()
    producer = make(PRODUCER)
    for _ in range(CHUNKS):
        produced(producer)
    [broker] = producer.list_topics("plays", timeout=10).brokers.values()
    consumer = kind({
        "bootstrap.servers": f"{broker.host}:{broker.port}", "group.id": "bench", "log_level": 0,
        "enable.auto.commit": False,
    })  # fmt: skip
    partitions = range(4)
    consumer.assign([confluent_kafka.TopicPartition("plays", p, 0) for p in partitions])
    for _ in range(CHUNKS):
        polled(consumer, process)
    if provider:
        provider.force_flush()
    return (time.process_time() - began) / count * 1e6


def memory(variant: str) -> float:
    """Measure the bytes that a message in flight holds, by the growth of the process."""
    provide(variant)
    kind, _, _ = clients(variant)
    slow = PRODUCER | {"linger.ms": 600_000, "batch.num.messages": 1_000_000}
    producer = kind(slow | {"batch.size": 2_000_000_000, "message.timeout.ms": 0})

    def on_delivery(_error: object, _message: object) -> None:
        """Make the wrapper of a delivery report necessary."""

    def send() -> None:
        producer.produce("plays", VALUE, key=b"player-7", on_delivery=on_delivery)

    if variant.startswith("sdk"):
        send = sdk_spans(producer)
    for _ in range(CHUNK):
        send()
    before = resident()
    for _ in range(IN_FLIGHT):
        send()
    time.sleep(1)
    grown = resident() - before
    producer.purge()
    return grown / IN_FLIGHT


def sdk_spans(producer: Any) -> Callable[[], None]:
    """Give what sends a message with a span of the SDK's that ends at delivery."""
    from opentelemetry import propagate, trace

    tracer = trace.get_tracer("sdk")
    told = {
        "messaging.system": "kafka",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": "plays",
        "messaging.kafka.message.key": "player-7",
    }

    def send() -> None:
        span = tracer.start_span("send plays", kind=trace.SpanKind.PRODUCER, attributes=told)
        headers: dict[str, str] = {}
        propagate.inject(headers, trace.set_span_in_context(span))

        def ended(_error: object, _message: object) -> None:
            span.end()

        producer.produce("plays", VALUE, b"player-7", on_delivery=ended, headers=headers)

    return send


def resident() -> int:
    """Give the bytes of memory that this process holds now."""
    with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123  # no Path needed
        return int(statm.read().split()[1]) * resource.getpagesize()


def asynchronous(variant: str) -> float:
    """Measure messages a second through the async producer; ours with headers, the real without."""
    import asyncio

    from confluent_kafka.aio import AIOProducer

    provide(variant)
    kind: Any = AIOProducer
    named: dict[str, Any] = {}
    if variant.startswith("ours"):
        from propagation import AIOProducer as Ours

        kind, named = Ours, {"headers": [("a", b"1")]}

    async def send() -> float:
        producer = kind(PRODUCER)
        began = time.perf_counter()
        waiting = [
            await producer.produce("plays", VALUE, b"player-7", **named)
            for _ in range(ASYNC_MESSAGES)
        ]
        await producer.flush()
        await asyncio.gather(*waiting)
        taken = time.perf_counter() - began
        await producer.close()
        return ASYNC_MESSAGES / taken

    return asyncio.run(send())


def log(variant: str) -> float:
    """Measure one log line: structlog's plain JSON line, or ours inside a span."""
    import io

    import structlog
    from opentelemetry import trace

    provide("ours_recorded")
    if variant == "ours":
        from propagation.integrations import logs

        logs.configure("bench", version="1", environment="test", stream=io.StringIO())
    else:
        structlog.configure(
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(),
            ],
            logger_factory=structlog.WriteLoggerFactory(file=io.StringIO()),
            cache_logger_on_first_use=True,
        )
    logger = structlog.get_logger("bench")

    def lines() -> float:
        began = time.thread_time()
        for number in range(CHUNK):
            logger.info("play_settled", play_id="p-1", partition=1, offset=number)
        return time.thread_time() - began

    with trace.get_tracer("bench").start_as_current_span("process plays"):
        return chunked(lines() for _ in range(CHUNKS + WARM_UP))


def export(variant: str) -> float:
    """Measure spans a second that one thread encodes in batches of 512."""
    from propagation import processing
    from propagation.testing import captured_spans, message

    encode = encoder(variant)
    headers = [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")]
    with captured_spans() as spans:
        for offset in range(CHUNKS * 512):
            with processing(message(key="player-7", headers=headers, offset=offset)):
                pass
    began = time.thread_time()
    for first in range(0, len(spans), 512):
        encode(spans[first : first + 512])
    return len(spans) / (time.thread_time() - began)


SCENARIOS: Final[dict[str, Callable[[str], float]]] = {
    "produce": produce,
    "poll": poll,
    "consume": consume,
    "cpu": cpu,
    "memory": memory,
    "async": asynchronous,
    "log": log,
    "export": export,
}

if __name__ == "__main__":
    main(*sys.argv[1:])
