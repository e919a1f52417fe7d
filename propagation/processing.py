"""The scope of a message: `processing` makes its trace current, `context_of` gives it to carry.

A message stays what the client gave; its trace is in its headers. Inside the scope the span is
current, and so its trace id is on every log line and span. Leaving restores what was current
before, and only where the scope's own span still is: a scope left late, twice, or in another
thread than it was entered in changes nothing there. Where such a scope is still current, or would
come back, the next one clears it away. `processing_batch` is the scope of several
messages at once. Both work with ``with`` and with ``async with``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from opentelemetry import trace

from propagation import conventions as names
from propagation.batches import start_batch
from propagation.contexts import (
    attach,
    get_current,
    leave_late,
    left_late,
    span_in,
    unwound,
    with_span,
)
from propagation.options import in_force
from propagation.spans import ProcessSpans

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from confluent_kafka import Message
    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    from propagation.consumer import Lender
    from propagation.options import Options

_ANONYMOUS: Final = ProcessSpans()


class ProcessingScope:
    """The block in which one message is processed. Made by `processing`."""

    __slots__ = ("_before", "_inside", "_message", "_span", "_spans")

    def __init__(self, message: Message, spans: ProcessSpans) -> None:
        self._message = message
        self._spans = spans

    def __enter__(self) -> Span:
        self._before = unwound(get_current()) if left_late else get_current()
        self._span, self._inside = self._spans.start(self._message, self._before)
        # The token is dropped: it could only be used in this very thread and task, and would put
        # back what was current here even where somebody else has moved on since.
        attach(self._inside)
        return self._span

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        here = get_current()
        if here is self._inside or span_in(here) is self._span:
            attach(unwound(self._before) if left_late else self._before)
        elif self._inside is not self._before:
            leave_late(self._span, self._before)
        self._spans.end(self._span, error)

    async def __aenter__(self) -> Span:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)


class BatchScope(ProcessingScope):
    """The block in which several messages are processed. Made by `processing_batch`."""

    __slots__ = ("_messages",)

    def __init__(self, messages: Iterable[Message], spans: ProcessSpans) -> None:
        self._messages = messages
        self._spans = spans

    def __enter__(self) -> Span:
        self._before = unwound(get_current()) if left_late else get_current()
        self._span = start_batch(self._messages, self._spans)
        self._inside = self._before
        if self._span is not trace.INVALID_SPAN:
            self._inside = with_span(self._span, self._before)
            attach(self._inside)
        return self._span


def processing(
    message: Message, *, consumer: Lender | None = None, options: Options | None = None
) -> ProcessingScope:
    """Give the block in which *message* is processed; ``with`` or ``async with`` gives its span.

    The span ``process TOPIC`` is a child of the span that sent the message and links to it; a
    span that is current here becomes a second link. *consumer* lends it the names of its group
    and client, and its options, if it is traced; *options* go before those. An exception that
    leaves the block is recorded on the span and passes on unchanged.

    Raises:
        ValueError: *message* carries an error of the client, not a record. Look at
            ``message.error()`` first: there is nothing to process.
    """
    if (error := message.error()) is not None:
        raise ValueError(f"the message is an error of the client, not a record: {error.str()}")
    return ProcessingScope(message, spans_for(consumer, options))


def processing_batch(
    messages: Iterable[Message],
    *,
    consumer: Lender | None = None,
    options: Options | None = None,
) -> BatchScope:
    """Give the block in which *messages* are processed together; it gives one span for them all.

    The span ``process TOPIC`` (``process`` alone, where they are of several topics) is in none of
    the messages' traces: it is a child of what is current here, or begins a trace, and links to
    the context of every message. Open ``processing(message)`` inside for what belongs to one
    message alone: that span is in the message's trace and links to the batch.

    Errors of the client among *messages* are no records and left out. Without any record there is
    no span: the block changes nothing and gives an invalid one. *consumer* and *options* as for
    `processing`. No link is lost,
    however many there are: see `propagation.batches`.
    """
    return BatchScope(messages, spans_for(consumer, options))


def context_of(
    message: Message, *, consumer: Lender | None = None, options: Options | None = None
) -> Context:
    """Give the context that *message* carries: empty where it has none, or none to be trusted.

    It works anywhere, and never raises because of what a header says: to go on with a trace in
    another thread, or to look at the trace id of a record that nobody processes.
    """
    return spans_for(consumer, options).context_of(message)


def spans_for(consumer: Lender | None, options: Options | None) -> ProcessSpans:
    """Give what starts the spans of *consumer*'s messages under *options*; both may be unknown.

    A consumer that is not traced (made before `instrument`, or a class that is none of ours) lends
    nothing.
    """
    spans = _ANONYMOUS if consumer is None else getattr(consumer, "process_spans", _ANONYMOUS)
    if spans is _ANONYMOUS:
        options = options or in_force.options
    if options is None or options is spans.options:
        return spans
    return _with_options(spans, options, names.CLUSTER_ID in spans.plans.shared)


@lru_cache(maxsize=64)
def _with_options(
    spans: ProcessSpans,
    options: Options,
    knows_cluster: bool,  # noqa: ARG001, FBT001  # part of the key: a client learns it in its life
) -> ProcessSpans:
    return spans.with_options(options)
