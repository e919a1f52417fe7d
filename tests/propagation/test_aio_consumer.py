"""The async consumer: untouched messages, callbacks without a trace, names for its spans."""

from __future__ import annotations

import asyncio
import concurrent.futures
import pickle
import uuid
from typing import TYPE_CHECKING, Any

import confluent_kafka
import confluent_kafka.aio
import pytest
from opentelemetry import trace
from opentelemetry.context import attach, get_current

from propagation import AIOConsumer, AIOProducer, Consumer, Producer, processing
from propagation.testing import message
from tests.propagation.builders import context, ids

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    Spans = list[ReadableSpan]


@pytest.fixture
def settings(bootstrap_servers: str) -> dict[str, Any]:
    """Give the configuration of a consumer in a group of its own."""
    return {
        "bootstrap.servers": bootstrap_servers,
        "group.id": uuid.uuid4().hex,
        "client.id": "worker-1",
        "group.protocol": "consumer",
        "auto.offset.reset": "earliest",
        "log_level": 0,
    }


@pytest.fixture
def sent(bootstrap_servers: str, topic: str, spans: Spans) -> None:  # noqa: ARG001  # collects
    """Put two messages on the topic, each in a trace of its own."""
    with Producer({"bootstrap.servers": bootstrap_servers, "log_level": 0}) as producer:
        producer.produce(topic, b"1", partition=0)
        producer.produce(topic, b"2", partition=0)


async def first(consumer: confluent_kafka.aio.AIOConsumer) -> confluent_kafka.Message:
    """Poll until a message comes."""
    while (got := await consumer.poll(1)) is None:
        """The timeout of the test bounds it."""
    assert isinstance(got, confluent_kafka.Message)
    return got


@pytest.mark.usefixtures("sent")
def test_messages_are_untouched_and_their_scope_is_the_tasks(
    settings: dict[str, Any], topic: str, spans: Spans
) -> None:
    """Receiving makes nothing current; the scope holds over an await, and in this task alone."""

    async def other() -> trace.Span:
        return trace.get_current_span()

    async def play() -> None:
        async with AIOConsumer(settings) as consumer:
            await consumer.subscribe([topic])
            one = await first(consumer)
            assert trace.get_current_span() is trace.INVALID_SPAN
            asker = asyncio.create_task(other())
            with processing(one, consumer=consumer) as span:
                [two] = await consumer.consume(1, 60)
                assert trace.get_current_span() is span
                assert await asker is trace.INVALID_SPAN
            assert [one.value(), two.value()] == [b"1", b"2"]
            await consumer.commit(one)

    asyncio.run(play())

    [send, _, process] = spans
    assert process.parent
    assert send.context
    assert ids(process.parent) == ids(send.context)
    assert (process.attributes or {})["messaging.client.id"] == "worker-1"
    assert (process.attributes or {})["messaging.consumer.group.name"] == settings["group.id"]


@pytest.mark.parametrize("named", [False, True])
def test_rebalance_callbacks_see_no_trace(
    settings: dict[str, Any], topic: str, *, named: bool
) -> None:
    """Coroutine functions, by name or in order, even where the executor hands its context on."""
    seen: list[tuple[str, bool]] = []

    class Inheriting(concurrent.futures.ThreadPoolExecutor):
        """Hands the submitter's trace to the worker, as instrumented pools do."""

        def submit(self, work: Any, *args: Any, **more: Any) -> Any:  # type: ignore[override]  # wider
            here = get_current()

            def run() -> Any:
                attach(here)
                return work(*args, **more)

            return super().submit(run)

    def callback(name: str) -> Any:
        async def told(consumer: AIOConsumer, partitions: list[Any]) -> None:
            assert await consumer.assignment() is not None
            assert partitions
            seen.append((name, bool(get_current())))

        return told

    async def play() -> None:
        with Inheriting(4) as executor:
            consumer = AIOConsumer(settings, executor=executor)
            callbacks = [callback("assign"), callback("revoke"), callback("lost")]
            names = ("on_assign", "on_revoke", "on_lost")
            with processing(message(headers=[])):
                if named:
                    await consumer.subscribe([topic], **dict(zip(names, callbacks, strict=True)))
                else:
                    await consumer.subscribe([topic], *callbacks)
                while not seen:
                    await consumer.poll(0.1)
                await consumer.close()

    asyncio.run(play())

    assert seen == [("assign", False), ("revoke", False)]


@pytest.mark.usefixtures("sent")
def test_a_commit_is_reported_without_a_trace(settings: dict[str, Any], topic: str) -> None:
    """The configured on_commit is a coroutine function, as ever; the settings stay as they were."""
    seen: list[bool] = []

    async def on_commit(*_: object) -> None:
        seen.append(bool(get_current()))

    async def play() -> None:
        own = {**settings, "on_commit": on_commit}
        consumer = AIOConsumer(own)
        assert own["on_commit"] is on_commit
        await consumer.subscribe([topic])
        with processing(await first(consumer)):
            await consumer.commit()
            while not seen:
                await consumer.poll(0.1)
        await consumer.close()

    asyncio.run(play())

    assert seen[0] is False


def test_a_cancelled_poll_leaves_the_consumer_usable(settings: dict[str, Any], topic: str) -> None:
    """Nothing is current after it, and the next poll waits its turn and works."""

    async def play() -> None:
        consumer = AIOConsumer(settings)
        await consumer.subscribe([topic])
        attach(context())
        here = get_current()
        for _ in range(3):
            polling = asyncio.create_task(consumer.poll(0.3))
            await asyncio.sleep(0)  # it is begun
            polling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await polling
            assert get_current() is here
        assert await consumer.poll(0.01) is None
        await consumer.close()
        with pytest.raises(RuntimeError, match="Consumer closed"):
            await consumer.poll(0)

    asyncio.run(play())


def test_no_client_can_be_pickled(settings: dict[str, Any]) -> None:
    """The error is the real class's, its name aside."""
    nowhere = {"bootstrap.servers": "127.0.0.1:1", "log_level": 0}

    async def play() -> None:
        pairs: list[tuple[Any, Any]] = [
            (Producer(nowhere), confluent_kafka.Producer(nowhere)),
            (Consumer(settings), confluent_kafka.Consumer(settings)),
            (AIOProducer(nowhere), confluent_kafka.aio.AIOProducer(dict(nowhere))),
            (AIOConsumer(settings), confluent_kafka.aio.AIOConsumer(dict(settings))),
        ]
        for ours, theirs in pairs:
            with pytest.raises(TypeError, match="cannot pickle"):
                pickle.dumps(theirs)
            with pytest.raises(TypeError, match="cannot pickle"):
                pickle.dumps(ours)
        for ours, theirs in pairs[2:]:
            await ours.close()
            await theirs.close()

    asyncio.run(play())


def test_what_the_real_class_refuses_is_refused(settings: dict[str, Any]) -> None:
    """No worker, no running loop, no group: in the real words."""

    async def make(*args: Any, **more: Any) -> None:
        AIOConsumer(*args, **more)

    with pytest.raises(ValueError, match="max_workers must be at least 1"):
        asyncio.run(make(settings, 0))
    with pytest.raises(RuntimeError, match="no running event loop"):
        AIOConsumer(settings)
    with pytest.raises(ValueError, match=r"group\.id must be set"):
        asyncio.run(make({"bootstrap.servers": "127.0.0.1:1"}))
