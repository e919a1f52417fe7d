"""Messaging spans: the only module that starts and ends them.

`SendSpans` belongs to a producer and `ProcessSpans` to a consumer (or to nobody: a default). Both
keep what does not change from message to message, per topic. Spans are started through
OpenTelemetry's API alone, so that without an SDK nothing is recorded and the context of whoever
called still travels on.

Whoever starts a span here ends it here: a send span at the delivery report or when ``produce``
raises, a process span when its scope is left.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaError, KafkaException
from opentelemetry import trace
from opentelemetry.context import Context, get_current
from opentelemetry.trace import (
    Link,
    NoOpTracer,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
)

from propagation import conventions as names
from propagation.carrier import current_format
from propagation.options import DEFAULT, Options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from confluent_kafka import Message
    from opentelemetry.trace import TracerProvider
    from opentelemetry.util.types import AttributeValue

    from propagation.options import TopicPolicy

    Links = Sequence[Link]

_MAX_TOPICS: Final = 4096  # plans kept; a topic name made up per message must not fill the memory
_MS_PER_SECOND: Final = 1000
_NO_TIMESTAMP: Final = 0  # Message.timestamp()'s type where the record has none


class _Plan:
    """What all spans of one operation on one topic share. Made once, used per message."""

    __slots__ = ("attributes", "name", "policy")

    def __init__(self, name: str, attributes: dict[str, str], policy: TopicPolicy) -> None:
        self.name = name
        self.attributes = attributes
        self.policy = policy


class _Plans:
    """The plans of one client for one operation, by topic."""

    __slots__ = ("_client_id", "_group", "_operation", "_plans", "options")

    def __init__(self, operation: str, client_id: str, group: str, options: Options) -> None:
        self.options = options
        self._operation = operation
        self._client_id = client_id
        self._group = group
        self._plans: dict[str, _Plan] = {}

    def of(self, topic: str) -> _Plan:
        """Give the plan for *topic*, made when the topic is first seen."""
        plan = self._plans.get(topic)
        return self._made(topic) if plan is None else plan

    def _made(self, topic: str) -> _Plan:
        if len(self._plans) >= _MAX_TOPICS:
            self._plans.clear()
        text = _encodable(topic)
        plan = self._plans[topic] = _Plan(
            names.span_name(self._operation, text),
            names.shared_attributes(self._operation, text, self._client_id, self._group),
            self.options.policy(topic),
        )
        return plan


class SendSpans:
    """Start and end the send spans of one producer. *client_id* may be empty: not known."""

    __slots__ = ("_plans", "baggage_keys")

    def __init__(self, *, client_id: str = "", options: Options = DEFAULT) -> None:
        self._plans = _Plans(names.SEND, client_id, "", options)
        self.baggage_keys = options.baggage_keys

    def start(self, topic: str, key: object, value: object, partition: object) -> Span:
        """Start ``send TOPIC``, a child of the current span. The producer ends it."""
        plan = self._plans.of(topic)
        attributes: dict[str, AttributeValue] = {**plan.attributes}
        if isinstance(partition, int) and partition >= 0:
            attributes[names.PARTITION] = str(partition)
        _describe(attributes, key, value)
        return _tracer().start_span(plan.name, kind=SpanKind.PRODUCER, attributes=attributes)

    @staticmethod
    def end_delivered(span: Span, error: KafkaError | None, message: Message) -> None:
        """End *span* with what the delivery report says.

        Partition and offset are missing where the message never reached a broker (purge, abort,
        time-out).
        """
        if error is not None:
            _fail(span, error.name(), error.str())
        partition, offset, latency = message.partition(), message.offset(), message.latency()
        if partition is not None and partition >= 0:
            span.set_attribute(names.PARTITION, str(partition))
        if offset is not None and offset >= 0:
            span.set_attribute(names.OFFSET, offset)
        if latency is not None:
            span.set_attribute(names.QUEUE_TIME_SECONDS, latency)
        span.end()

    @staticmethod
    def end_refused(span: Span, error: BaseException) -> None:
        """End *span* with the *error* that ``produce`` raised: the message was never queued."""
        _fail(span, _error_type(error), str(error))
        span.end()


class ProcessSpans:
    """Start and end the process spans of one consumer. Empty names are not known."""

    __slots__ = ("_identity", "_plans", "options")

    def __init__(self, *, group: str = "", client_id: str = "", options: Options = DEFAULT) -> None:
        self._plans = _Plans(names.PROCESS, client_id, group, options)
        self._identity = (group, client_id)
        self.options = options

    def with_options(self, options: Options) -> ProcessSpans:
        """Give the spans of the same consumer under other *options*."""
        group, client_id = self._identity
        return ProcessSpans(group=group, client_id=client_id, options=options)

    def context_of(self, message: Message) -> Context:
        """Give the context that *message* carries, as far as its topic is trusted."""
        if self._plans.of(message.topic() or "").policy.trust != "continue":
            return Context()
        return current_format().read(message.headers(), Context(), self.options.baggage_keys)

    def start(self, message: Message) -> tuple[Span, Context]:
        """Start ``process TOPIC`` for *message*; give it and the context to process it in.

        The span that is current here becomes a link where the message's span is the parent, and
        is the parent otherwise.
        """
        plan = self._plans.of(message.topic() or "")
        here = get_current()
        parent, links = self._origin(message, plan.policy, here)
        span = _tracer().start_span(
            plan.name,
            context=parent,
            kind=SpanKind.CONSUMER,
            attributes=_process_attributes(plan, message),
            links=links,
        )
        return span, trace.set_span_in_context(span, parent)

    def _origin(
        self, message: Message, policy: TopicPolicy, here: Context
    ) -> tuple[Context, list[Link]]:
        """Decide what the span hangs on: its parent's context, and what it links to."""
        if policy.trust == "ignore":
            return here, []
        keys = self.options.baggage_keys if policy.trust == "continue" else frozenset[str]()
        carried = current_format().read(message.headers(), here, keys)
        ambient, origin = trace.get_current_span(here), trace.get_current_span(carried)
        remote = origin.get_span_context()
        if origin is ambient or not remote.is_valid:
            return carried, []
        if policy.follows == "parent":
            return carried, _links(remote, ambient.get_span_context())
        own = trace.set_span_in_context(ambient, carried)
        return own, [Link(remote)] if policy.follows == "link" else []

    def start_batch(self, topic: str, attributes: dict[str, AttributeValue], links: Links) -> Span:
        """Start ``process TOPIC`` for many messages at once; *topic* is empty if they differ in it.

        It is a child of what is current, or begins a trace.
        """
        plan = self._plans.of(topic)
        told = {**plan.attributes, **attributes}
        return _tracer().start_span(plan.name, kind=SpanKind.CONSUMER, attributes=told, links=links)

    @staticmethod
    def record_links(topic: str, batch: Span, links: Links) -> None:
        """Put *links* that found no room on *batch* on a child of it, which ends at once."""
        name = names.span_name(names.LINKS, _encodable(topic))
        inside = trace.set_span_in_context(batch)
        _tracer().start_span(name, context=inside, links=links).end()

    @staticmethod
    def end(span: Span, error: BaseException | None) -> None:
        """End *span*; an *error* that left its scope is recorded, unless it means to stop.

        ``KeyboardInterrupt``, ``SystemExit``, cancellation: ends, but not failures.
        """
        if isinstance(error, Exception) and span.is_recording():
            span.record_exception(error)
            _fail(span, _error_type(error), f"{type(error).__name__}: {error}")
        span.end()


def _links(remote: SpanContext, ambient: SpanContext) -> list[Link]:
    same = ambient.trace_id == remote.trace_id and ambient.span_id == remote.span_id
    if same or not ambient.is_valid:
        return [Link(remote)]
    return [Link(remote), Link(ambient)]


def _process_attributes(plan: _Plan, message: Message) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {**plan.attributes}
    partition, offset = message.partition(), message.offset()
    if partition is not None:
        attributes[names.PARTITION] = str(partition)
    if offset is not None:
        attributes[names.OFFSET] = offset
    _describe(attributes, message.key(), message.value())
    kind, written_ms = message.timestamp()
    if kind != _NO_TIMESTAMP:
        waited = time.time() - written_ms / _MS_PER_SECOND
        attributes[names.QUEUE_TIME_SECONDS] = max(waited, 0.0)
    return attributes


def _describe(attributes: dict[str, AttributeValue], key: object, value: object) -> None:
    """Add the key, if it is text, and whether the record is a tombstone."""
    if isinstance(key, str):
        attributes[names.MESSAGE_KEY] = _encodable(key)
    elif isinstance(key, bytes):
        with suppress(UnicodeDecodeError):  # the conventions: only a key that is text
            attributes[names.MESSAGE_KEY] = key.decode()
    if value is None:
        attributes[names.TOMBSTONE] = True


def _encodable(text: str) -> str:
    """Replace lone surrogates: one of them on a span costs an exporter its whole batch."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _fail(span: Span, error_type: str, description: str) -> None:
    span.set_attribute(names.ERROR_TYPE, error_type)
    span.set_status(Status(StatusCode.ERROR, description))


def _error_type(error: BaseException) -> str:
    """Name an error: Kafka's own name for it where it has one, else its qualified type."""
    if isinstance(error, KafkaException) and isinstance(error.args[0], KafkaError):
        return error.args[0].name()
    kind = type(error)
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )


def _tracer() -> Tracer:
    """Give this package's tracer, asked for anew when the application sets its provider."""
    global _current  # noqa: PLW0603  # one pair, swapped whole: safe between threads
    provider, current = trace.get_tracer_provider(), _current
    if provider is not current[0]:
        current = _current = (
            provider,
            provider.get_tracer("propagation", schema_url=names.SCHEMA_URL),
        )
    return current[1]


_current: tuple[TracerProvider | None, Tracer] = (None, NoOpTracer())
