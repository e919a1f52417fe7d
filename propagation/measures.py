"""Measurements of one message that last from its span's start to its end.

`open_measure` ties one to a span, `close_measure` takes it off again: whoever ends the span has
nothing else in hand. Nothing is tied while no meter provider is set, and a span that is forgotten
takes its measurement with it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeAlias
from weakref import WeakKeyDictionary

from confluent_kafka import KafkaError
from opentelemetry.trace import NonRecordingSpan, Span

from propagation import instruments
from propagation.forwarding import first_sent_ms

if TYPE_CHECKING:
    from confluent_kafka import Message
    from opentelemetry.util.types import AttributeValue

    from propagation.instruments import Instruments
    from propagation.plans import Plan

    Measure: TypeAlias = "SendMeasure | ProcessMeasure"

_MS_PER_SECOND: Final = 1000
_NO_TIMESTAMP: Final = 0  # Message.timestamp()'s type where the record has none
# Dropped before the broker saw it: the conventions do not let it count as sent.
_NEVER_SENT: Final = frozenset((KafkaError._PURGE_QUEUE, KafkaError._UNKNOWN_PARTITION))  # noqa: SLF001  # public, the names aside


class SendMeasure:
    """From ``produce`` to the delivery report, as librdkafka's own clock has it.

    Where ``produce`` raises there is no report, and the clock is this process's.
    """

    __slots__ = ("_began", "_heard", "_plan")

    def __init__(self, heard: Instruments, plan: Plan) -> None:
        self._heard = heard
        self._plan = plan
        self._began = time.perf_counter()

    def refuse(self, error: str) -> None:
        """Record that ``produce`` raised; *error* is the ``error.type``. Nothing was sent."""
        attributes = self._plan.measured(None, error)
        self._heard.operation_duration.record(time.perf_counter() - self._began, attributes)

    def end(self, error: KafkaError | None, message: Message) -> None:
        """Record what the report says."""
        kind = error.name() if error is not None else ""
        attributes = self._plan.measured(message.partition(), kind)
        latency = message.latency()
        if latency is not None and latency >= 0:
            self._heard.operation_duration.record(latency, attributes)
        if error is None or error.code() not in _NEVER_SENT:
            self._heard.sent_messages.add(1, attributes)


class ProcessMeasure:
    """From the beginning of a scope to its end, and since the first send."""

    __slots__ = ("_began", "_first_ms", "_heard", "_partition", "_plan")

    def __init__(self, heard: Instruments, plan: Plan, message: Message) -> None:
        self._heard = heard
        self._plan = plan
        self._partition = message.partition()
        self._began = time.perf_counter()
        kind, written_ms = message.timestamp()
        written = None if kind == _NO_TIMESTAMP else written_ms
        if written is not None:
            heard.queue_time.record(_seconds_since(written), plan.measured(self._partition))
        is_believed = plan.trust == "continue"
        self._first_ms = first_sent_ms(message.headers(), written) if is_believed else written

    def end(self, error: str) -> None:
        """Record the end; *error* is the ``error.type``, empty for none."""
        attributes = self._plan.measured(self._partition, error)
        self._heard.process_duration.record(time.perf_counter() - self._began, attributes)
        if self._first_ms is not None:
            self._heard.end_to_end.record(_seconds_since(self._first_ms), attributes)


class BatchMeasure(ProcessMeasure):
    """From the beginning of a batch's scope to its end.

    A batch has no timestamp: queue and end-to-end time are its messages' own, and told by theirs.
    """

    __slots__ = ()

    def __init__(self, heard: Instruments, plan: Plan, partition: int | None) -> None:
        self._heard = heard
        self._plan = plan
        self._partition = partition
        self._began = time.perf_counter()
        self._first_ms = None


def open_measure(span: Span, measure: Measure) -> Span:
    """Tie *measure* to *span*; give the span to use, which is one of its own."""
    if not span.is_recording():
        # Without an SDK all messages may have one and the same span.
        span = NonRecordingSpan(span.get_span_context())
    _open[span] = measure
    return span


def open_batch(span: Span, plan: Plan, partition: AttributeValue | None) -> Span:
    """Measure the batch that *span* stands for; *partition* as on the span, if all share it."""
    heard = instruments.current()
    if heard is None:
        return span
    shared = int(partition) if isinstance(partition, str) else None
    return open_measure(span, BatchMeasure(heard, plan, shared))


def close_measure(span: Span) -> Measure | None:
    """Take off what is tied to *span*, if anything is."""
    return None if instruments.current() is None else _open.pop(span, None)


def _seconds_since(then_ms: int) -> float:
    """Give the time since *then_ms*; 0 where the clocks disagree."""
    return max(time.time() - then_ms / _MS_PER_SECOND, 0.0)


_open: WeakKeyDictionary[Span, Measure] = WeakKeyDictionary()
