"""The async producer: headers on the wire, order, a full queue, cancelling, one wake-up a burst."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import threading
from typing import TYPE_CHECKING, Any

import confluent_kafka
import confluent_kafka.aio
import pytest
from opentelemetry import trace
from opentelemetry.trace import StatusCode

from propagation import AIOProducer, Options, extract, processing
from propagation.aio_reports import Reports
from propagation.testing import message
from tests.infra.wait import until
from tests.propagation.builders import ids, span_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import ReadableSpan

    from tests.propagation.conftest import Records

    Make = Callable[..., AIOProducer]
    Spans = list[ReadableSpan]

NOWHERE = {"bootstrap.servers": "127.0.0.1:1", "log_level": 0}
KafkaException = confluent_kafka.KafkaException


@pytest.fixture
def make(bootstrap_servers: str) -> Make:
    """Give a function that makes a producer for the mock cluster, inside a loop."""

    def producer(*, options: Options | None = None, **more: Any) -> AIOProducer:
        servers = {"bootstrap.servers": bootstrap_servers, "log_level": 0, "linger.ms": 1}
        return AIOProducer({**servers, **more}, options=options)

    return producer


def pollers() -> list[threading.Thread]:
    """List the threads that poll for an async producer."""
    return [thread for thread in threading.enumerate() if thread.name == "propagation-aio"]


def headers_of(record: confluent_kafka.Message) -> dict[str, Any]:
    """Give the headers of a record, each name once."""
    headers: Any = record.headers() or []
    assert len(dict(headers)) == len(headers)
    return dict(headers)


async def purged(producer: AIOProducer) -> None:
    """Close a producer that reaches no broker."""
    await producer.purge()
    await producer.close()


@pytest.mark.parametrize("positional", [False, True])
def test_headers_and_trace_are_on_the_wire(
    make: Make, topic: str, spans: Spans, records: Records, *, positional: bool
) -> None:
    """By name or as the eighth argument, beside the context of the task that sends."""

    async def send() -> Any:
        async with make() as producer:
            with trace.get_tracer("test").start_as_current_span("request"):
                if positional:
                    sent = producer.produce(topic, b"v", b"k", 2, None, None, 5, [("a", b"1")])
                else:
                    sent = producer.produce(
                        topic, value=b"v", key=b"k", partition=2, timestamp=5, headers={"a": b"1"}
                    )
                return await (await sent)

    delivered = asyncio.run(send())

    [record] = records(topic, 1)
    send_span, request = spans
    assert send_span.context
    assert send_span.parent
    assert request.context
    assert headers_of(record)["a"] == b"1"
    assert ids(span_in(extract(record.headers()))) == ids(send_span.context)
    assert ids(send_span.parent) == ids(request.context)
    assert (record.value(), record.key(), record.partition()) == (b"v", b"k", 2)
    assert record.timestamp()[1] == 5
    assert (delivered.partition(), delivered.offset()) == (2, 0)


def test_the_span_has_ended_when_the_future_is_done(make: Make, topic: str, spans: Spans) -> None:
    """Whoever awaits the delivery finds the span complete, with the record's place."""

    async def send() -> int:
        async with make(**{"client.id": "api-1"}) as producer:
            await (await producer.produce(topic, b"", partition=1))
            return len(spans)

    assert asyncio.run(send()) == 1

    attributes = dict(spans[0].attributes or {})
    assert attributes["messaging.client.id"] == "api-1"
    assert attributes["messaging.destination.partition.id"] == "1"
    assert attributes["messaging.kafka.offset"] == 0


@pytest.mark.parametrize("capacity", [100_000, 7])
def test_order_is_kept_and_a_full_queue_loses_nothing(
    make: Make, topic: str, records: Records, capacity: int
) -> None:
    """Tasks started in order send in order, with headers and without, however small the queue."""

    async def send() -> list[confluent_kafka.Message]:
        async with make(**{"queue.buffering.max.messages": capacity}) as producer:
            calls = [
                producer.produce(topic, b"%d" % n, partition=0, headers=[("a", b"1")] * (n % 2))
                for n in range(300)
            ]
            return await asyncio.gather(*await asyncio.gather(*calls))

    delivered = asyncio.run(send())

    assert [record.offset() for record in delivered] == list(range(300))
    assert [record.value() for record in records(topic, 300)] == [b"%d" % n for n in range(300)]


def test_a_queue_of_one_keeps_moving(make: Make, topic: str) -> None:
    """The room that a delivery leaves may come after its report: nobody waits for ever."""

    async def send() -> int:
        async with make(**{"queue.buffering.max.messages": 1, "linger.ms": 0}) as producer:
            futures = await asyncio.gather(*[producer.produce(topic, b"") for _ in range(20)])
            return len(await asyncio.gather(*futures))

    assert asyncio.run(send()) == 20


def test_nobody_overtakes_those_who_wait(spans: Spans) -> None:
    """A message that comes when there is room again, before they know of it, goes behind them."""

    async def send() -> tuple[bool, bool]:
        producer = AIOProducer({**NOWHERE, "queue.buffering.max.messages": 1})
        one = await producer.produce("plays", b"1")
        waits = asyncio.create_task(producer.produce("plays", b"2"))
        await asyncio.sleep(0)
        # There is room from here on, and the loop has had no turn to tell it.
        producer._producer.purge()
        until(lambda: producer._producer.flush(1) == 0, what="an empty queue")
        late = asyncio.create_task(producer.produce("plays", b"3"))

        await asyncio.wait([waits, late], return_when=asyncio.FIRST_COMPLETED)
        first, last = waits.done(), late.done()
        await producer.purge()
        await asyncio.wait([waits, late])
        await purged(producer)
        await asyncio.gather(one, waits.result(), late.result(), return_exceptions=True)
        return first, last

    assert asyncio.run(send()) == (True, False)

    assert len(spans) == 3


def test_a_cancelled_produce_has_sent_nothing(spans: Spans) -> None:
    """What waits for room and is cancelled leaves the queue to the others, and no span open."""

    async def send() -> tuple[int, int]:
        producer = AIOProducer({**NOWHERE, "queue.buffering.max.messages": 1})
        first = await producer.produce("plays", b"first")
        waiting = [asyncio.create_task(producer.produce("plays", b"%d" % n)) for n in range(3)]
        await asyncio.sleep(0)  # all are begun

        for task in waiting[:2]:
            task.cancel()
        await asyncio.gather(*waiting[:2], return_exceptions=True)
        refused = len(spans)
        await producer.purge()
        last = await waiting[2]
        await purged(producer)
        told = await asyncio.gather(first, last, return_exceptions=True)
        assert [str(error.args[0].name()) for error in told] == ["_PURGE_QUEUE"] * 2  # type: ignore[union-attr]  # exceptions
        return refused, len(spans)

    assert asyncio.run(send()) == (2, 4)
    assert {(s.attributes or {})["error.type"] for s in spans[:2]} == {
        "asyncio.exceptions.CancelledError"
    }


def test_a_cancelled_future_leaves_its_message_under_way(
    make: Make, topic: str, spans: Spans, records: Records
) -> None:
    """Nobody waits for the report; the message is delivered and its span ends."""

    async def send() -> None:
        async with make() as producer:
            future = await producer.produce(topic, b"1")
            future.cancel()

    asyncio.run(send())

    assert [record.value() for record in records(topic, 1)] == [b"1"]
    assert [span.status.status_code for span in spans] == [StatusCode.UNSET]


class CountingLoop(asyncio.SelectorEventLoop):
    """Counts how often another thread wakes it."""

    woken = 0

    def call_soon_threadsafe(self, *args: Any, **more: Any) -> asyncio.Handle:  # type: ignore[override]  # any of them
        """Count, then do."""
        self.woken += 1
        return super().call_soon_threadsafe(*args, **more)


def test_a_burst_of_reports_wakes_the_loop_once() -> None:
    """However many land before the loop has its turn; the next burst wakes it again."""
    loop = CountingLoop()
    reports = Reports(loop)
    delivered = message()

    def land() -> list[asyncio.Future[confluent_kafka.Message]]:
        futures = [loop.create_future() for _ in range(500)]
        with concurrent.futures.ThreadPoolExecutor(1) as elsewhere:
            for future in futures:
                elsewhere.submit(reports.land, future, None, None, delivered).result(60)
        return futures

    for burst in (1, 2):
        done = loop.run_until_complete(asyncio.wait_for(gathered(land()), 60))
        assert done == [delivered] * 500
        assert loop.woken == burst
    loop.close()


async def gathered(futures: list[Any]) -> list[Any]:
    """Await *futures*."""
    return await asyncio.gather(*futures)


def test_a_report_after_the_loop_has_closed_is_dropped(
    make: Make, topic: str, spans: Spans, records: Records
) -> None:
    """The span ends all the same; the thread that polls goes on, and ends with the producer."""

    async def send() -> tuple[AIOProducer, asyncio.Future[confluent_kafka.Message]]:
        producer = make(**{"linger.ms": 60_000, "batch.num.messages": 2})
        return producer, await producer.produce(topic, b"1", partition=0)

    producer, future = asyncio.run(send())
    producer._producer.produce(topic, b"2", partition=0)  # it fills the batch: now both leave
    held = [producer]
    del producer
    until(lambda: len(held[0]) == 0 and spans, what="the delivery")

    assert [record.value() for record in records(topic, 2)] == [b"1", b"2"]
    assert [span.status.status_code for span in spans] == [StatusCode.UNSET]
    assert not future.done()
    assert len(pollers()) == 1
    held.clear()
    gc.collect()

    until(lambda: not pollers(), what="the end of the thread")


def test_the_loop_gets_its_turn(make: Make, topic: str) -> None:
    """A task that sends and sends does not starve the others: batch_size says how long."""

    async def send() -> int:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async with make() as producer:
            producer._batch_size = 10
            task = asyncio.create_task(other())
            for _ in range(100):
                await producer.produce(topic, b"")
            task.cancel()
            return turns

    assert asyncio.run(send()) >= 10


def test_a_failed_delivery_fails_the_future(make: Make, topic: str, spans: Spans) -> None:
    """With the KafkaException of the real class, whether librdkafka refuses at once or later."""

    async def send() -> list[str]:
        async with make(**{"message.max.bytes": 1000}) as producer:
            late = await producer.produce(topic, b"", partition=99)
            early = await producer.produce(topic, b"x" * 2000)
            errors = await asyncio.gather(late, early, return_exceptions=True)
            assert all(isinstance(error, KafkaException) for error in errors)
            return [error.args[0].name() for error in errors]  # type: ignore[union-attr]  # as asserted

    expected = ["_UNKNOWN_PARTITION", "MSG_SIZE_TOO_LARGE"]
    assert asyncio.run(send()) == expected

    told = [(span.attributes or {})["error.type"] for span in spans]
    assert sorted(map(str, told)) == sorted(expected)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [((5,), {}), (("t", 5), {}), (("t",), {"headers": 5}), (("t",), {"partition": None})],
)
def test_wrong_arguments_raise_the_clients_errors(
    broker: confluent_kafka.Producer, spans: Spans, arguments: Any, named: Any
) -> None:
    """At once, in the words of the synchronous produce, and not out of somebody else's batch."""

    async def send() -> str:
        async with AIOProducer(NOWHERE) as producer:
            with pytest.raises(TypeError) as ours:
                await producer.produce(*arguments, **named)
            return str(ours.value)

    with pytest.raises(TypeError) as theirs:
        broker.produce(*arguments, **named)
    assert asyncio.run(send()) == str(theirs.value)
    assert all(span.status.status_code is StatusCode.ERROR for span in spans)


def test_close_delivers_and_ends_the_thread(make: Make, topic: str, spans: Spans) -> None:
    """Nothing is left: no message, no span, no thread; what comes later is refused."""

    async def send() -> None:
        producer = make(**{"linger.ms": 60_000})  # all three wait until it is closed
        futures = [await producer.produce(topic, b"") for _ in range(3)]
        assert producer
        assert len(producer) == 3

        await producer.close()

        assert [future.done() for future in futures] == [True] * 3
        assert len(producer) == 0
        with pytest.raises(RuntimeError, match="Producer has been closed"):
            await producer.produce(topic, b"")

    asyncio.run(send())

    assert [span.status.status_code for span in spans[:3]] == [StatusCode.UNSET] * 3
    assert [(span.attributes or {})["error.type"] for span in spans[3:]] == ["RuntimeError"]
    assert not pollers()


def test_a_producer_that_was_dropped_is_freed(spans: Spans) -> None:
    """With messages in flight: neither they nor the thread keep it."""

    async def send() -> None:
        producer = AIOProducer(NOWHERE)
        await producer.produce("plays", b"")
        producer.executor.shutdown()
        del producer
        gc.collect()
        until(lambda: not pollers(), what="the end of the thread")

    asyncio.run(send())

    assert spans == []


def test_flush_and_poll_are_the_real_ones(make: Make, topic: str) -> None:
    """Flush gives the number that is left, with every future of the others done."""

    async def send() -> None:
        async with make(**{"linger.ms": 60_000}) as producer:
            future = await producer.produce(topic, b"")
            assert await producer.flush(60) == 0
            assert future.done()
            assert await producer.poll(0) == 0
            assert (await producer.list_topics(topic)).topics[topic]

    asyncio.run(send())


def test_transactions_are_the_real_ones(make: Make, topic: str, spans: Spans) -> None:
    """What is committed is delivered, what is aborted was delivered and is not read."""

    async def send() -> list[Any]:
        group = confluent_kafka.Consumer({**NOWHERE, "group.id": topic})
        async with make(**{"transactional.id": topic}) as producer:
            await producer.init_transactions(60)
            await producer.begin_transaction()
            kept = await producer.produce(topic, b"kept")
            offsets = [confluent_kafka.TopicPartition(topic, 0, 1)]
            await producer.send_offsets_to_transaction(offsets, group.consumer_group_metadata(), 60)
            await producer.commit_transaction(60)
            await producer.begin_transaction()
            dropped = await producer.produce(topic, b"dropped")
            await producer.abort_transaction(60)
            group.close()
            return [await kept, await dropped]

    assert len(asyncio.run(send())) == 2
    assert len(spans) == 2


@pytest.mark.parametrize("only_error", [False, True])
def test_callbacks_run_in_the_loop_without_a_trace(
    topic: str, make: Make, *, only_error: bool
) -> None:
    """A message's own or the configured one, of failures alone where that was asked."""
    told: list[tuple[str, str | None]] = []
    loop_thread = threading.get_ident()

    def callback(name: str) -> Any:
        def report(error: confluent_kafka.KafkaError | None, _: confluent_kafka.Message) -> None:
            assert threading.get_ident() == loop_thread
            assert trace.get_current_span() is trace.INVALID_SPAN
            told.append((name, error.name() if error else None))

        return report

    async def send() -> None:
        settings = {"on_delivery": callback("set"), "delivery.report.only.error": only_error}
        async with make(**settings) as producer:
            with processing(message()):
                # First: once the client knows the topic, it refuses this without a report.
                lost = await producer.produce(topic, b"", partition=99, callback=callback("own"))
                good = await producer.produce(topic, b"")
                await producer.produce(topic, b"", on_delivery=callback("own"))
                await asyncio.gather(lost, return_exceptions=True)
                await asyncio.wait_for(good, 60)  # a success is always known here
                await producer.flush()
        await asyncio.sleep(0)

    asyncio.run(send())

    delivered = [] if only_error else [("own", None), ("set", None)]
    assert sorted(told, key=str) == sorted([*delivered, ("own", "_UNKNOWN_PARTITION")], key=str)


def test_configured_callbacks_are_coroutine_functions(spans: Spans) -> None:
    """They run in the loop and see no trace; one that fails stops no later one."""
    told: list[trace.Span] = []
    complaints: list[str] = []

    async def error_cb(_: object) -> None:
        told.append(trace.get_current_span())
        raise LookupError("the callback's own")

    async def wait() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, told: complaints.append(str(told["exception"])))
        with processing(message()):
            producer = AIOProducer({**NOWHERE, "error_cb": error_cb})
            async with asyncio.timeout(60):
                while len(told) < 2:  # noqa: ASYNC110  # another thread says so
                    await asyncio.sleep(0.05)
        await producer.close()

    asyncio.run(wait())

    assert len(told) >= 2
    assert set(told) == {trace.INVALID_SPAN}
    assert set(complaints) == {"the callback's own"}
    assert len(spans) == 1


def test_an_executor_of_ones_own_is_used(bootstrap_servers: str, topic: str) -> None:
    """One worker is enough: the thread that polls is not one of its."""

    async def send() -> None:
        with concurrent.futures.ThreadPoolExecutor(1) as executor:
            settings = {"bootstrap.servers": bootstrap_servers, "log_level": 0}
            async with AIOProducer(settings, 4, executor, 10, 0.5) as producer:
                assert producer.executor is executor
                await (await producer.produce(topic, b""))

    asyncio.run(send())


def test_the_callers_settings_stay_as_they_were() -> None:
    """The real class writes its own callbacks into them."""

    async def error_cb(_: object) -> None:
        """Never called."""

    async def construct() -> None:
        settings = {**NOWHERE, "error_cb": error_cb, "delivery.report.only.error": True}
        before = dict(settings)
        async with AIOProducer(settings):
            assert settings == before

    asyncio.run(construct())
