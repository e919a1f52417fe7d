"""Producer: confluent-kafka's, and every message carries the trace of whoever sent it.

Each ``produce`` starts a span ``send TOPIC``, writes its context into the message's headers and
ends it when the message is delivered or has failed, just before the user's callback runs. All
else is the real class. What differs from it, on purpose: an ``on_delivery`` beside
``callback=None`` is called (the real class never calls it), ``produce_batch`` takes headers and
timestamps, and a header name that would crash the process raises `UnicodeEncodeError`.

A producer that is dropped without ``flush`` or ``close`` loses its queued messages without a
report; their spans are lost with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import confluent_kafka

from propagation.carrier import inject_span
from propagation.headers import NO_NAMES, replaced
from propagation.options import DEFAULT, Options
from propagation.spans import SendSpans

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import Span

    DeliveryCallback = Callable[[confluent_kafka.KafkaError | None, confluent_kafka.Message], None]

_ONLY_ERROR: Final = "delivery.report.only.error"
_ON_DELIVERY: Final = "on_delivery"
_QUEUE_FULL: Final = confluent_kafka.KafkaError._QUEUE_FULL  # noqa: SLF001  # public, its name aside

# The unbound method, so that nothing a message in flight holds on to refers to the producer.
_produce: Final[Callable[..., None]] = confluent_kafka.Producer.produce


class Producer(confluent_kafka.Producer):
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
        config: dict[str, Any] | None = None,
        /,
        *,
        options: Options | None = None,
        **more: Any,
    ) -> None:
        settings = {**config, **more} if isinstance(config, dict) else more
        # Told to report failures alone, librdkafka says nothing of a success and no span would
        # end: let it report all, and keep the successes from the user's callback here.
        self._only_error = settings.get(_ONLY_ERROR) is True
        if self._only_error:
            super().__init__({k: v for k, v in settings.items() if k != _ONLY_ERROR})
        elif config is None and not more:
            super().__init__()  # raises: empty keyword arguments would count as a configuration
        elif config is None:
            super().__init__(**more)
        else:
            super().__init__(config, **more)
        self._on_delivery = settings.get(_ON_DELIVERY)
        self._spans = SendSpans(
            client_id=str(settings.get("client.id", "")), options=options or DEFAULT
        )

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
            _produce(self, topic)  # raises the TypeError that the real class words
            return
        callback = on_delivery if callback is None else callback
        span = self._spans.start(topic, key, value, partition)
        if self._only_error or span.is_recording():
            wanted = self._on_delivery if callback is None else callback
            callback = _ending(span, wanted, only_error=self._only_error)
        try:
            carried = inject_span(headers, span, None, self._spans.baggage_keys)
            _produce(self, topic, value, key, partition, callback, None, timestamp, carried)
        except BaseException as error:
            self._spans.end_refused(span, error)
            raise

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


def _ending(span: Span, callback: DeliveryCallback | None, *, only_error: bool) -> DeliveryCallback:
    """Give a delivery callback that ends *span*, then calls the user's *callback* if it is due.

    It must not refer to the producer: librdkafka holds it while the message is in flight.
    """

    def on_delivery(
        error: confluent_kafka.KafkaError | None, message: confluent_kafka.Message
    ) -> None:
        try:
            SendSpans.end_delivered(span, error, message)
        finally:  # a span processor that fails must not cost the user the report
            if callback is not None and (error is not None or not only_error):
                callback(error, message)

    return on_delivery


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
