"""Test what an application traces: `captured_spans` and `message`. Part of the product.

    with captured_spans() as spans, processing(message(topic="plays", value=b"{}")):
        ...
    assert spans[-1].name == "process plays"

No broker is needed, nothing is exported. Needs the ``sdk`` extra, and says so when it is missing.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_NOT_AVAILABLE, Message
from opentelemetry import trace

from propagation.headers import NO_NAMES, replaced

try:
    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON
except ImportError as error:
    raise ImportError(
        "propagation.testing needs the sdk extra: pip install 'lagmon[sdk]'"
    ) from error

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEFAULT_TOPIC = "test"


class _Listener(SpanProcessor):
    """Adds every span that ends to all lists that are open. One for each provider, for good."""

    def __init__(self) -> None:
        self.open: tuple[list[ReadableSpan], ...] = ()

    def on_end(self, span: ReadableSpan) -> None:
        for spans in self.open:
            spans.append(span)


_listeners: WeakKeyDictionary[TracerProvider, _Listener] = WeakKeyDictionary()


@contextmanager
def captured_spans() -> Iterator[list[ReadableSpan]]:
    """Collect the spans that end inside the block, of whatever thread, in the order they end.

    The list fills while the block runs. Listens to the global tracer provider; where none is set,
    one is, which records all and exports nothing, for the rest of the process (OpenTelemetry
    allows no second).

    Raises:
        TypeError: the global provider is not the SDK's; it has no place to listen.
    """
    listener = _listener()
    spans: list[ReadableSpan] = []
    listener.open = (*listener.open, spans)
    try:
        yield spans
    finally:
        listener.open = tuple(one for one in listener.open if one is not spans)


def message(
    *,
    topic: str = _DEFAULT_TOPIC,
    value: str | bytes | None = b"",
    key: str | bytes | None = None,
    headers: object = None,
    partition: int = 0,
    offset: int = 0,
    timestamp: int | None = None,
) -> Message:
    """Make a message as a consumer gives it.

    *headers* as ``produce`` takes them; ``inject()`` makes those of the current span. *timestamp*
    is the record's, in ms since the epoch; without it the message has none.

    Raises:
        TypeError: *headers* is of a shape that no producer accepts.
    """
    written = (
        (TIMESTAMP_NOT_AVAILABLE, 0) if timestamp is None else (TIMESTAMP_CREATE_TIME, timestamp)
    )
    return Message(
        topic=topic,
        partition=partition,
        offset=offset,
        key=key.encode() if isinstance(key, str) else key,
        value=value.encode() if isinstance(value, str) else value,
        headers=[*replaced(headers, NO_NAMES)] or None,
        timestamp=written,
    )


def _listener() -> _Listener:
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        trace.set_tracer_provider(TracerProvider(sampler=ALWAYS_ON))
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        kind = type(provider).__qualname__
        raise TypeError(f"captured_spans needs the SDK's TracerProvider, the global one is {kind}")
    if provider not in _listeners:
        _listeners[provider] = listener = _Listener()
        provider.add_span_processor(listener)
    return _listeners[provider]
