"""Messaging spans: the only module that starts and ends them.

`SendSpans` belongs to a producer and `ProcessSpans` to a consumer (or to nobody: a default). Both
keep what does not change from message to message, per topic. Who makes the spans is decided in
`propagation.recorders`: without an SDK nothing is recorded and the context of whoever called still
travels on.

Whoever starts a span here ends it here: a send span at the delivery report or when ``produce``
raises, a process span when its scope is left. Where instrumentation is suppressed there is no span:
a message goes out as it was given, and a scope changes nothing.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from opentelemetry.context import Context
from opentelemetry.trace import (
    INVALID_SPAN,
    INVALID_SPAN_CONTEXT,
    Span,
    SpanKind,
    Status,
    StatusCode,
)

from propagation import conventions as names
from propagation import instruments
from propagation.carrier import current_format
from propagation.contexts import get_current, is_suppressed, span_in, with_span
from propagation.failures import error_text, error_type, record_error
from propagation.measures import (
    ProcessMeasure,
    SendMeasure,
    close_measure,
    open_batch,
    open_measure,
)
from propagation.options import DEFAULT, Options
from propagation.origins import read_origin
from propagation.plans import Plan, Plans, encodable
from propagation.recorders import finish, recorder

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message
    from opentelemetry.trace import SpanContext
    from opentelemetry.util.types import AttributeValue

    from propagation.recorders import Linked

_MS_PER_SECOND: Final = 1000
_NO_TIMESTAMP: Final = 0  # Message.timestamp()'s type where the record has none


class SendSpans:
    """Start and end the send spans of one producer.

    *client_id* and *servers* (its ``bootstrap.servers``) may be empty: not known.
    """

    __slots__ = ("baggage_keys", "plans")

    def __init__(
        self, *, client_id: str = "", servers: str = "", options: Options = DEFAULT
    ) -> None:
        shared = names.client_attributes(client_id, "", servers)
        self.plans = Plans(names.SEND, shared, options)
        self.baggage_keys = options.baggage_keys

    def start(self, topic: str, key: object, value: object, partition: object) -> Span:
        """Start ``send TOPIC``, a child of the current span. The producer ends it."""
        here = get_current()
        parent = INVALID_SPAN_CONTEXT
        if here:
            if is_suppressed(here):
                return INVALID_SPAN
            parent = span_in(here).get_span_context()
        maker = recorder()
        span = maker.dropped(parent)
        if span is None:
            plan = self.plans.of(topic)
            attributes = plan.attributes.copy()
            if isinstance(partition, int) and partition >= 0:
                attributes[names.PARTITION] = str(partition)
            describe(attributes, key, value)
            span = maker.start(plan.name, SpanKind.PRODUCER, attributes, (), None, parent)
        heard = instruments.current()
        if heard is not None:
            return open_measure(span, SendMeasure(heard, self.plans.of(topic)))
        return span

    @staticmethod
    def awaits_report(span: Span) -> bool:
        """Tell whether `end_delivered` has anything to do for *span*."""
        return span.is_recording() or instruments.current() is not None

    @staticmethod
    def end_delivered(span: Span, error: KafkaError | None, message: Message) -> None:
        """End *span* with what the delivery report says.

        Partition and offset are missing where the message never reached a broker (purge, abort,
        time-out).
        """
        if instruments.current() is not None:
            measure = close_measure(span)
            if isinstance(measure, SendMeasure):
                measure.end(error, message)
        if not span.is_recording():
            return
        attributes: dict[str, AttributeValue] = {}
        if error is not None:
            attributes[names.ERROR_TYPE] = error.name()
            span.set_status(Status(StatusCode.ERROR, error.str()))
        partition, offset, latency = message.partition(), message.offset(), message.latency()
        if partition is not None and partition >= 0:
            attributes[names.PARTITION] = str(partition)
        if offset is not None and offset >= 0:
            attributes[names.OFFSET] = offset
        if latency is not None:
            attributes[names.QUEUE_TIME_SECONDS] = latency
        finish(span, attributes)

    @staticmethod
    def end_refused(span: Span, error: BaseException) -> None:
        """End *span* with the *error* that ``produce`` raised: the message was never queued."""
        measure = close_measure(span)
        if isinstance(measure, SendMeasure):
            measure.refuse(error_type(error))
        _fail(span, error_type(error), error_text(error) or "")
        span.end()


class ProcessSpans:
    """Start and end the process spans of one consumer. Empty names are not known."""

    __slots__ = ("identity", "options", "plans")

    def __init__(
        self,
        *,
        group: str = "",
        client_id: str = "",
        servers: str = "",
        options: Options = DEFAULT,
    ) -> None:
        self.identity = (client_id, group, servers)
        self.plans = Plans(names.PROCESS, names.client_attributes(*self.identity), options)
        self.options = options

    def with_options(self, options: Options) -> ProcessSpans:
        """Give the spans of the same consumer under other *options*."""
        client_id, group, servers = self.identity
        made = ProcessSpans(group=group, client_id=client_id, servers=servers, options=options)
        made.plans.share(self.plans.shared)
        return made

    def context_of(self, message: Message) -> Context:
        """Give the context that *message* carries, as far as its topic is trusted."""
        if self.plans.of(message.topic() or "").trust != "continue":
            return Context()
        return current_format().read(message.headers(), Context(), self.options.baggage_keys)

    def start(self, message: Message, here: Context) -> tuple[Span, Context]:
        """Start ``process TOPIC`` for *message*; give it and the context to process it in.

        *here* is the current context. Its span becomes a link where the message's span is the
        parent, and is the parent otherwise.
        """
        ambient = INVALID_SPAN_CONTEXT
        if here:
            if is_suppressed(here):
                return INVALID_SPAN, here
            ambient = span_in(here).get_span_context()
        topic = message.topic() or ""
        plan = self.plans.known.get(topic) or self.plans.of(topic)
        base, remote = here, None
        if plan.trust != "ignore":
            base, remote = read_origin(message.headers(), here, plan.baggage_keys)
        parent = ambient
        linked: tuple[SpanContext, ...] = ()
        if remote is not None and plan.follows == "parent":
            parent = remote
            is_other = ambient is not INVALID_SPAN_CONTEXT and ambient[:2] != remote[:2]  # the ids
            linked = (remote, ambient) if is_other and ambient.is_valid else (remote,)
        else:
            if remote is not None and plan.follows == "link":
                linked = (remote,)
            if base is not here:
                base = with_span(span_in(here), base)
        maker = recorder()
        span = maker.dropped(parent)
        if span is None:
            attributes = _process_attributes(plan, message)
            span = maker.start(plan.name, SpanKind.CONSUMER, attributes, linked, base, parent)
        heard = instruments.current()
        if heard is not None:
            span = open_measure(span, ProcessMeasure(heard, plan, message))
        return span, with_span(span, base)

    def start_batch(
        self, topic: str, attributes: dict[str, AttributeValue], linked: Linked
    ) -> Span:
        """Start ``process TOPIC`` for many messages at once; *topic* is empty if they differ in it.

        It is a child of what is current, or begins a trace.
        """
        plan = self.plans.of(topic)
        if is_suppressed(get_current()):
            return INVALID_SPAN
        span = _start(plan.name, SpanKind.CONSUMER, {**plan.attributes, **attributes}, linked)
        return open_batch(span, plan, attributes.get(names.PARTITION))

    @staticmethod
    def record_links(topic: str, batch: Span, linked: Linked) -> None:
        """Put what is *linked*, and found no room on *batch*, on a child that ends at once."""
        name = names.span_name(names.LINKS, encodable(topic))
        inside = with_span(batch, get_current())
        _start(name, SpanKind.INTERNAL, {}, linked, inside).end()

    @staticmethod
    def end(span: Span, error: BaseException | None) -> None:
        """End *span*; an *error* that left its scope is recorded, unless it means to stop.

        ``KeyboardInterrupt``, ``SystemExit``, cancellation: ends, but not failures.
        """
        if instruments.current() is not None:
            measure = close_measure(span)
            if isinstance(measure, ProcessMeasure):
                measure.end(error_type(error) if isinstance(error, Exception) else "")
        if error is not None and isinstance(error, Exception) and span.is_recording():
            record_error(span, error)
            _fail(span, error_type(error), f"{type(error).__name__}: {error_text(error) or ''}")
        span.end()


def _start(
    name: str,
    kind: SpanKind,
    attributes: dict[str, AttributeValue],
    linked: Linked = (),
    context: Context | None = None,
) -> Span:
    """Start a span as a child of the one in *context* (None: what is current)."""
    here = get_current() if context is None else context
    if is_suppressed(here):
        return INVALID_SPAN
    parent = span_in(here).get_span_context()
    maker = recorder()
    dropped = maker.dropped(parent)
    if dropped is not None:
        return dropped
    return maker.start(name, kind, attributes, linked, context, parent)


def _process_attributes(plan: Plan, message: Message) -> dict[str, AttributeValue]:
    attributes = plan.attributes.copy()
    partition, offset = message.partition(), message.offset()
    if partition is not None:
        attributes[names.PARTITION] = str(partition)
    if offset is not None:
        attributes[names.OFFSET] = offset
    describe(attributes, message.key(), message.value())
    kind, written_ms = message.timestamp()
    if kind != _NO_TIMESTAMP:
        waited = time.time() - written_ms / _MS_PER_SECOND
        attributes[names.QUEUE_TIME_SECONDS] = max(waited, 0.0)
    return attributes


def describe(attributes: dict[str, AttributeValue], key: object, value: object) -> None:
    """Add the key, if it is text, and whether the record is a tombstone."""
    if isinstance(key, str):
        attributes[names.MESSAGE_KEY] = encodable(key)
    elif isinstance(key, bytes):
        try:  # noqa: SIM105  # suppress() costs more than the rest of this; only a key that is text
            attributes[names.MESSAGE_KEY] = key.decode()
        except UnicodeDecodeError:
            pass
    if value is None:
        attributes[names.TOMBSTONE] = True


def _fail(span: Span, error_type: str, description: str) -> None:
    span.set_attribute(names.ERROR_TYPE, error_type)
    span.set_status(Status(StatusCode.ERROR, description))
