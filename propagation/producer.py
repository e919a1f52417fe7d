"""Producers: confluent-kafka's, and every message carries the trace of whoever sent it.

Each ``produce`` starts a span ``send TOPIC``, writes its context into the message's headers and
ends it when the message is delivered or has failed, just before the user's callback runs. All
else is the real class. What differs from it, on purpose: an ``on_delivery`` beside
``callback=None`` is called (the real class never calls it), ``produce_batch`` takes headers and
timestamps, and a header name that would crash the process raises `UnicodeEncodeError`.

Serializers see the headers that will be on the wire. Callbacks run where no trace is current.

A producer that is dropped without ``flush`` or ``close`` loses its queued messages without a
report; their spans are lost with them.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Generic

import confluent_kafka
from confluent_kafka import cimpl  # where no instrumentation puts classes of its own

from propagation import contrib
from propagation.callbacks import outside, outside_all
from propagation.carrier import inject_span
from propagation.delivery import Ending, errors_alone, is_told_errors_alone, reporting_all
from propagation.headers import NO_NAMES, replaced
from propagation.options import Options, in_force
from propagation.spans import SendSpans

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from confluent_kafka._types import HeadersType
    from opentelemetry.trace import Span
    from typing_extensions import TypeVar  # for the type checker alone, which brings it

    from propagation.delivery import DeliveryCallback

    K = TypeVar("K", default=Any)
    V = TypeVar("V", default=Any)
else:
    from typing import TypeVar

    K = TypeVar("K")
    V = TypeVar("V")

_ON_DELIVERY: Final = "on_delivery"
_QUEUE_FULL: Final = confluent_kafka.KafkaError._QUEUE_FULL  # noqa: SLF001  # public, its name aside

# The unbound method, so that nothing a message in flight holds on to refers to the producer.
queue_message: Final[Callable[..., None]] = cimpl.Producer.produce


class Carried(list[Any]):
    """Headers that name a span which has begun already: `produce` starts no other.

    *span* is ended at delivery by whoever queues the message, who says so by *queued*.
    """

    __slots__ = ("queued", "span")

    def __init__(self, span: Span) -> None:
        super().__init__()
        self.span = span
        self.queued = False


class Producer(cimpl.Producer):
    """Produce messages that carry the current trace; a drop-in for `confluent_kafka.Producer`.

    Takes what the real class takes, and *options*. Close it, use it as a context manager, or
    flush it: spans end with the delivery reports.
    """

    # A subclass that skips __init__ meets the real class's own error, not a missing attribute.
    _only_error: bool = False
    _on_delivery: DeliveryCallback | None = None
    _spans: SendSpans = SendSpans()

    def __init__(
        self,
        config: Any = None,
        /,
        *,
        options: Options | None = None,
        **more: Any,
    ) -> None:
        if config is None and not more:
            super().__init__()  # raises: empty keyword arguments would count as a configuration
        elif not isinstance(config, dict | None):
            super().__init__(config, **more)  # raises
        settings = {**(config or {}), **more}
        super().__init__(reporting_all(outside_all(settings)))
        self._trace(settings, options)
        contrib.settle(self)

    def _trace(self, settings: dict[str, Any], options: Options | None) -> None:
        self._only_error = is_told_errors_alone(settings)
        self._on_delivery = settings.get(_ON_DELIVERY)
        self._spans = spans_of(settings, options)
        self._spans.plans.learn_from(self)

    def produce(  # noqa: PLR0917  # the real method's order
        self,
        topic: str,
        value: str | bytes | None = None,
        key: str | bytes | None = None,
        partition: int = -1,
        callback: DeliveryCallback | None = None,
        on_delivery: DeliveryCallback | None = None,
        timestamp: int = 0,
        headers: Any = None,
    ) -> None:
        """Queue one message with the current trace in its *headers*; as the real method.

        *headers* is copied, never changed; trace headers in it are replaced.

        Raises:
            BufferError, KafkaException, TypeError: as the real method does; the span ends then.
        """
        if not isinstance(topic, str):
            queue_message(self, topic)  # raises the TypeError that the real class words
            return
        callback = on_delivery if callback is None else callback
        if type(headers) is Carried:
            report = self._report(headers.span, callback)
            queue_message(self, topic, value, key, partition, report, None, timestamp, headers)
            headers.queued = True
            return
        span = self._spans.start(topic, key, value, partition)
        try:
            carried = inject_span(headers, span, None, self._spans.baggage_keys)
            report = self._report(span, callback)
            queue_message(self, topic, value, key, partition, report, None, timestamp, carried)
        except BaseException as error:
            self._spans.end_refused(span, error)
            raise

    def _report(self, span: Span, callback: DeliveryCallback | None) -> DeliveryCallback | None:
        """Give what the client library is to call at delivery."""
        if not (self._only_error or SendSpans.awaits_report(span)):
            return None if callback is None else outside(callback)
        wanted = self._on_delivery if callback is None else callback
        if wanted is not None and self._only_error:
            wanted = errors_alone(wanted)
        return Ending(span, wanted)

    def produce_batch(
        self,
        topic: str,
        messages: list[dict[str, Any]],
        partition: int = -1,
        callback: DeliveryCallback | None = None,
        on_delivery: DeliveryCallback | None = None,
    ) -> int:
        """Queue *messages* one by one, each with a span and headers of its own.

        The real method can send neither headers nor timestamps. Here a message may have both,
        beside ``value``, ``key``, ``partition`` and ``callback``. As there, a message that could
        not be queued gets its `KafkaError` as ``_error``, the number of queued ones is returned,
        and a malformed one raises before any is queued.
        """
        super().produce_batch(topic, [], partition)  # raises what the real method raises
        _check_batch(messages)
        default = on_delivery if callback is None else callback
        return sum(self._queued(topic, message, partition, default) for message in messages)

    def _queued(
        self,
        topic: str,
        message: dict[str, Any],
        partition: int,
        default: DeliveryCallback | None,
    ) -> bool:
        own_partition = message.get("partition")
        own_callback = message.get("callback")
        try:
            Producer.produce(
                self,
                topic,
                message.get("value"),
                message.get("key"),
                partition if own_partition is None else own_partition,
                default if own_callback is None else own_callback,
                timestamp=message.get("timestamp") or 0,
                headers=message.get("headers"),
            )
        except BufferError as error:
            message["_error"] = confluent_kafka.KafkaError(_QUEUE_FULL, str(error))
        except confluent_kafka.KafkaException as error:
            message["_error"] = error.args[0]
        else:
            return True
        return False


class SerializingProducer(confluent_kafka.SerializingProducer[K, V], Producer, Generic[K, V]):
    """Serialize, then produce; a drop-in for `confluent_kafka.SerializingProducer`.

    Its order is the real one's: topic, *key*, *value*. The serializers are given a copy of the
    message's headers with the trace in it; what they add to that copy is sent.
    """

    def __init__(self, conf: dict[str, Any], *, options: Options | None = None) -> None:
        super().__init__(conf)
        self._trace(conf, options)

    def produce(  # type: ignore[override]  # noqa: PLR0917  # the real method's order
        self,
        topic: str,
        key: K | None = None,
        value: V | None = None,
        partition: int = -1,
        on_delivery: DeliveryCallback | None = None,
        timestamp: int = 0,
        headers: HeadersType | None = None,
    ) -> None:
        """Serialize *key* and *value* and queue the message with the current trace.

        Raises:
            KeySerializationError, ValueSerializationError, and what `Producer.produce` raises: as
            the real method does; the span ends then.
        """
        if not isinstance(topic, str):
            super().produce(topic)  # raises what the real method raises
            return
        with sending(self._spans, topic, key, value, partition, headers) as carried:
            super().produce(topic, key, value, partition, on_delivery, timestamp, carried)


def spans_of(settings: dict[str, Any], options: Options | None) -> SendSpans:
    """Give the spans of the producer that has these *settings*."""
    return SendSpans(
        client_id=str(settings.get("client.id", "")),
        servers=str(settings.get("bootstrap.servers", "")),
        options=options or in_force.options,
    )


@contextmanager
def sending(  # noqa: PLR0917  # the order of produce
    spans: SendSpans, topic: str, key: object, value: object, partition: object, headers: object
) -> Iterator[Carried]:
    """Begin a send span and give the headers that carry it, for a ``produce`` further down.

    The span ends here where the block raises before the message was queued.
    """
    span = spans.start(topic, key, value, partition)
    carried = Carried(span)
    try:
        carried += inject_span(headers, span, None, spans.baggage_keys)
        yield carried
    except BaseException as error:
        if not carried.queued:
            spans.end_refused(span, error)
        raise


def _check_batch(messages: object) -> None:
    """Refuse what the real ``produce_batch`` refuses, and headers that ``produce`` would refuse."""
    if not isinstance(messages, list):
        raise TypeError("messages must be a list")
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            raise TypeError(f"Message at index {index} must be a dict")
        for part in ("value", "key"):
            if not isinstance(message.get(part), str | bytes | None):
                raise TypeError(f"Message {part} at index {index} must be bytes or str")
        for part in ("partition", "timestamp"):
            if not isinstance(message.get(part), int | None):
                raise TypeError(f"Message {part} at index {index} must be int")
        replaced(message.get("headers"), NO_NAMES)
