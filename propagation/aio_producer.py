"""Async producers: confluent-kafka's, and every message carries the trace of whoever sent it.

The real class collects messages and sends them as batches, in which there is no place for headers,
and whatever a full queue refuses has failed. Here each message goes to librdkafka as it comes,
which batches by ``linger.ms`` itself; a full queue is waited for. Messages leave in the order in
which their ``produce`` was started, and a span ends at delivery, before the message's future is
done. All else is the real class. ``await produce(…)`` gives the future of the delivery, as ever.

Cancelling: a ``produce`` cancelled while it waited for room has sent nothing; a cancelled future
leaves its message under way.
"""

from __future__ import annotations

import asyncio
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Generic

import confluent_kafka.aio
from confluent_kafka import KafkaException

from propagation.aio_reports import Poller, Reports
from propagation.callbacks import outside_all
from propagation.carrier import inject_span
from propagation.delivery import errors_alone, is_told_errors_alone, reporting_all
from propagation.producer import Carried, queue_message, sending, spans_of
from propagation.spans import SendSpans

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Generator
    from typing import Self

    from confluent_kafka import KafkaError, Message
    from confluent_kafka._types import HeadersType
    from opentelemetry.trace import Span
    from typing_extensions import TypeVar  # for the type checker alone, which brings it

    from propagation.delivery import DeliveryCallback
    from propagation.options import Options

    K = TypeVar("K", default=Any)
    V = TypeVar("V", default=Any)
else:
    from typing import TypeVar

    K = TypeVar("K")
    V = TypeVar("V")

_NO_BUFFER_SECONDS: Final = 0  # the real class starts no task to empty a buffer that stays empty


class AIOProducer(confluent_kafka.aio.AIOProducer):
    """Produce messages that carry the current trace; a drop-in for the real ``AIOProducer``.

    Takes what the real class takes, and *options*. After every *batch_size* messages the event
    loop gets a turn; *buffer_timeout* means nothing here, where nothing is buffered. Close it, or
    use it with ``async with``.
    """

    def __init__(
        self,
        producer_conf: dict[str, Any],
        max_workers: int = 4,
        executor: concurrent.futures.Executor | None = None,
        batch_size: int = 1000,
        buffer_timeout: float = 1.0,
        *,
        options: Options | None = None,
    ) -> None:
        del buffer_timeout
        own = _settings(producer_conf)
        super().__init__(own, max_workers, executor, batch_size, _NO_BUFFER_SECONDS)
        self._begin(producer_conf, options)

    def _begin(self, settings: dict[str, Any], options: Options | None) -> None:
        self._spans = spans_of(settings, options)
        self._spans.plans.learn_from(self, attrgetter("_producer"))
        self._only_error = is_told_errors_alone(settings)
        self._on_delivery: DeliveryCallback | None = settings.get("on_delivery")
        self._reports = Reports(self._loop)
        self._turns = asyncio.Lock()
        self._waiting = 0  # calls of produce that wait for room, or for those that do
        self._since_turn = 0  # messages since the loop had a turn
        self._poller = Poller(self._producer, self._loop)

    async def produce(  # noqa: PLR0917  # the real order, and what it drops
        self,
        topic: str,
        value: str | bytes | None = None,
        key: str | bytes | None = None,
        partition: int = -1,
        callback: DeliveryCallback | None = None,
        on_delivery: DeliveryCallback | None = None,
        timestamp: int = 0,
        headers: Any = None,
    ) -> asyncio.Future[Message]:
        """Queue one message with the current trace in its *headers*; give the future of its report.

        The future gives the delivered message or raises `KafkaException`. A callback, which the
        real method drops, is called in the event loop.

        Raises:
            RuntimeError: the producer is closed.
            TypeError: as the synchronous produce raises it.
        """
        if not isinstance(topic, str):
            queue_message(self._producer, topic)  # raises the TypeError that the client words
        begun = headers if type(headers) is Carried else None
        span = begun.span if begun else self._spans.start(topic, key, value, partition)
        future: asyncio.Future[Message] = self._loop.create_future()
        try:
            carried = begun or inject_span(headers, span, None, self._spans.baggage_keys)
            report = self._report(span, future, on_delivery if callback is None else callback)
            message = (topic, value, key, partition, report, None, timestamp, carried)
            if self._waiting or not self._queued(message, span, future):
                await self._wait(message, span, future)
        except BaseException as error:
            if begun is None:
                self._spans.end_refused(span, error)
            raise
        if begun is not None:
            begun.queued = True
        if self._is_others_turn():
            await asyncio.sleep(0)
        return future

    def _queued(
        self, message: tuple[Any, ...], span: Span, future: asyncio.Future[Message]
    ) -> bool:
        """Say whether there was room."""
        if self._is_closed:
            raise RuntimeError("Producer has been closed")
        try:
            queue_message(self._producer, *message)
        except BufferError:
            return False
        except KafkaException as error:  # the real class tells this by the future
            self._spans.end_refused(span, error)
            future.set_exception(error)
        return True

    async def _wait(
        self, message: tuple[Any, ...], span: Span, future: asyncio.Future[Message]
    ) -> None:
        """Queue a message as soon as there is room, after those that came before it."""
        self._waiting += 1
        try:
            async with self._turns:  # first come, first served
                while not self._queued(message, span, future):
                    await self._reports.room()
        finally:
            self._waiting -= 1

    def _is_others_turn(self) -> bool:
        """Say, once every so many messages, that other tasks should get theirs."""
        self._since_turn += 1
        if self._since_turn < self._batch_size:
            return False
        self._since_turn = 0
        return True

    def _report(
        self, span: Span, future: asyncio.Future[Message], callback: DeliveryCallback | None
    ) -> DeliveryCallback:
        """Give what librdkafka is to call. It must refer neither to this nor to the client."""
        wanted = self._on_delivery if callback is None else callback
        if wanted is not None and self._only_error:
            wanted = errors_alone(wanted)
        land = partial(self._reports.land, future, wanted)
        return partial(_delivered, span, land) if SendSpans.awaits_report(span) else land

    async def close(self) -> None:
        """Flush, then close; as the real method. A ``produce`` that still waits for room fails."""
        await super().close()
        self._poller.stop()
        await self._loop.run_in_executor(None, self._poller.join)

    def __del__(self) -> None:
        if hasattr(self, "_poller"):
            self._poller.stop()
        super().__del__()


class AsyncSerializingProducer(
    confluent_kafka.aio.AsyncSerializingProducer[K, V], AIOProducer, Generic[K, V]
):
    """Serialize, then produce; a drop-in for the real ``AsyncSerializingProducer``.

    Made by ``await AsyncSerializingProducer(conf)``. Its order is the real one's: topic, *key*,
    *value*. The serializers are given a copy of the message's headers with the trace in it; what
    they add to that copy is sent.
    """

    if TYPE_CHECKING:

        def __await__(self) -> Generator[Any, None, Self]:
            """Be made: calling the class gives a coroutine, by what the real class does."""

    async def __init__(  # type: ignore[misc]  # awaited, as the real one
        self, conf: dict[str, Any], *, options: Options | None = None, **kwargs: Any
    ) -> None:
        kwargs["buffer_timeout"] = _NO_BUFFER_SECONDS
        await super().__init__(_settings(conf), **kwargs)
        self._begin(conf, options)

    async def produce(  # type: ignore[override]  # noqa: PLR0917  # the real method's order
        self,
        topic: str,
        key: K | None = None,
        value: V | None = None,
        partition: int = -1,
        timestamp: int = 0,
        headers: HeadersType | None = None,
    ) -> asyncio.Future[Message]:
        """Serialize *key* and *value* and queue the message; give the future of its report.

        Raises:
            KeySerializationError, ValueSerializationError, and what `AIOProducer.produce` raises.
        """
        if not isinstance(topic, str):
            return await super().produce(topic)  # raises what the real method raises
        with sending(self._spans, topic, key, value, partition, headers) as carried:
            return await super().produce(topic, key, value, partition, timestamp, carried)


def _delivered(
    span: Span, land: DeliveryCallback, error: KafkaError | None, message: Message
) -> None:
    try:
        SendSpans.end_delivered(span, error, message)
    finally:  # a span processor that fails must not cost the user the report
        land(error, message)


def _settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Copy *settings* for the client, which would write into the caller's own."""
    own = reporting_all(outside_all(settings, asynchronous=True))
    own.pop("on_delivery", None)  # called in the event loop, not where librdkafka reports
    return own
