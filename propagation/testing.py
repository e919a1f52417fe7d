"""Test what an application traces: `captured_spans`, `message`, `drawn`. Part of the product.

    with captured_spans() as spans, processing(message(topic="plays", value=b"{}")):
        ...
    assert spans[-1].name == "process plays"

No broker is needed, nothing is exported. Needs the ``sdk`` extra, and says so when it is missing.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
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
    from collections.abc import Iterable, Iterator

    from opentelemetry.trace import SpanContext

_DEFAULT_TOPIC: Final = "test"
_ELSEWHERE: Final = "elsewhere"


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


def drawn(spans: Iterable[ReadableSpan]) -> str:
    """Draw *spans* as the trees they are, one trace after the other, in the order they began.

    Links follow a span's name as ``··> NAME``. Spans that share a name are numbered. A parent or
    a linked span that is not among *spans* is ``elsewhere``. For a failing test to print, and for
    a passing one to compare with: ids and times, which differ each time, are not in it.
    """
    return _Drawing(spans).text()


class _Drawing:
    """Names and places of the spans to be drawn; ids are (trace id, span id)."""

    def __init__(self, spans: Iterable[ReadableSpan]) -> None:
        began = sorted(spans, key=lambda span: span.start_time or 0)
        self._spans = {_ids(span.context): span for span in began}
        self._traces = list(dict.fromkeys(trace_id for trace_id, _ in self._spans))
        total, seen = Counter(span.name for span in began), Counter[str]()
        self._names: dict[tuple[int, int], str] = {}
        for ids, span in self._spans.items():
            seen[span.name] += 1
            number = f" #{seen[span.name]}" if total[span.name] > 1 else ""
            self._names[ids] = span.name + number

    def text(self) -> str:
        """Give all traces, a line a span."""
        return "\n\n".join(
            "\n".join([f"trace {number}", *self._below(trace_id, None, "  ")])
            for number, trace_id in enumerate(self._traces, start=1)
        )

    def _below(self, trace_id: int, parent: tuple[int, int] | None, indent: str) -> Iterator[str]:
        children = [
            ids
            for ids, span in self._spans.items()
            if ids[0] == trace_id and self._parent(span) == parent
        ]
        for ids in children:
            last = ids == children[-1]
            branch, deeper = ("└─ ", "   ") if last else ("├─ ", "│  ")
            if parent is None:
                branch = deeper = ""
            yield f"{indent}{branch}{self._names[ids]}{self._arrows(ids)}"
            yield from self._below(trace_id, ids, indent + deeper)

    def _parent(self, span: ReadableSpan) -> tuple[int, int] | None:
        ids = _ids(span.parent)
        return ids if ids in self._spans else None

    def _arrows(self, ids: tuple[int, int]) -> str:
        span = self._spans[ids]
        missing = f" (parent {_ELSEWHERE})" if span.parent and not self._parent(span) else ""
        names = ", ".join(self._linked(_ids(link.context), ids[0]) for link in span.links)
        return missing + (f" ··> {names}" if names else "")

    def _linked(self, ids: tuple[int, int], here: int) -> str:
        if ids not in self._spans:
            return _ELSEWHERE
        other = "" if ids[0] == here else f" of trace {self._traces.index(ids[0]) + 1}"
        return self._names[ids] + other


def _ids(context: SpanContext | None) -> tuple[int, int]:
    return (0, 0) if context is None else (context.trace_id, context.span_id)


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
