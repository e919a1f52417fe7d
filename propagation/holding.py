"""Hold a message's scope from one poll to the next, for code that names no scope itself.

A poll ends the scope that this consumer held, puts back what was current before it, and only then
calls the client library, so that no callback sees the message. What it gets becomes current in the
thread or task that polled: one message as `processing` does it, several as `processing_batch`.
``close``, the end of a ``with`` block, and the process's own end close the scope too.

There are no tokens, which break between threads and tasks. What is current is put back only where
the span of a scope that has been closed still is current; a span that the application started
stays. So a scope that was closed elsewhere is cleared away by the next poll in its own thread.
What cannot be seen from here: that handling ended before the next poll, and that it failed, unless
the exception leaves the ``with`` block of the consumer.
"""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace
from opentelemetry.context import Context, attach, create_key, get_current, set_value

from propagation.batches import start_batch
from propagation.processing import spans_for
from propagation.spans import ProcessSpans

if TYPE_CHECKING:
    from types import TracebackType

    from confluent_kafka import Message
    from opentelemetry.trace import Span

_KEY: Final = create_key("propagation-held")


class _Hold:
    """A scope between two polls: its *span*, and the *base* that was current before it."""

    __slots__ = ("base", "open", "span")

    def __init__(self, span: Span, base: Context) -> None:
        self.span = span
        self.base = base
        self.open = True
        _open.add(self)

    def close(self, error: BaseException | None = None) -> None:
        """End the span. What is current is put back by `_clear`, wherever it is current."""
        if self.open:
            self.open = False
            _open.discard(self)
            ProcessSpans.end(self.span, error)


_open: Final[set[_Hold]] = set()
_switch: Final = {"on": False}


def start_holding() -> None:
    """Let every `HoldingConsumer` and `HoldingAIOConsumer` hold scopes."""
    _switch["on"] = True
    atexit.register(close_all)


def stop_holding() -> None:
    """Let none hold any, and close those that are open."""
    _switch["on"] = False
    atexit.unregister(close_all)
    close_all()
    _clear()


def close_all() -> None:
    """Close every scope that is held, of whatever consumer."""
    for hold in tuple(_open):
        hold.close()


class _Holding:
    """What ends a scope beside the next poll. It stands before the client's class.

    It has no layout of its own (no instance dict), so that it can be put before the client's
    class under subclasses that exist already.
    """

    __slots__ = ()
    _hold: _Hold | None = None

    def close(self, *args: Any, **kwargs: Any) -> Any:
        """Close the scope held, then the consumer."""
        _release(self)
        return super().close(*args, **kwargs)  # type: ignore[misc]  # the client\'s

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Any:
        _release(self, error)  # the client's own __exit__ does not call close
        return super().__exit__(kind, error, traceback)  # type: ignore[misc]  # the client\'s

    def __del__(self) -> None:
        if self._hold is not None:
            _release(self)


class HoldingConsumer(_Holding):
    """The methods of a consumer that holds scopes."""

    __slots__ = ()

    def poll(self, *args: Any, **kwargs: Any) -> Message | None:
        """Close the scope held, poll as the client does, hold the message's scope."""
        _release(self)
        polled: Message | None = super().poll(*args, **kwargs)  # type: ignore[misc]  # the client\'s
        if polled is not None:
            _hold_one(self, polled)
        return polled

    def consume(self, num_messages: int = 1, *args: Any, **kwargs: Any) -> list[Message]:
        """Do as `poll`; asked for more than one message, hold the scope of the batch."""
        _release(self)
        consumed: list[Message] = super().consume(num_messages, *args, **kwargs)  # type: ignore[misc]  # the client\'s
        _hold_all(self, consumed, num_messages)
        return consumed


class HoldingShareConsumer(_Holding):
    """The methods of a share consumer that holds scopes: it polls as many as there are."""

    __slots__ = ()

    def poll(self, *args: Any, **kwargs: Any) -> list[Message]:
        """Close the scope held, poll, hold the scope of the one message, or of the batch."""
        _release(self)
        polled: list[Message] = super().poll(*args, **kwargs)  # type: ignore[misc]  # the client\'s
        _hold_all(self, polled, len(polled))
        return polled


class HoldingAIOConsumer:
    """As `HoldingConsumer`, for asyncio: the scope is current in the task that awaited the poll."""

    __slots__ = ()
    _hold: _Hold | None = None

    async def poll(self, *args: Any, **kwargs: Any) -> Message | None:
        """Close the scope held, poll as the client does, hold the message's scope."""
        _release(self)
        polled: Message | None = await super().poll(*args, **kwargs)  # type: ignore[misc]  # the client\'s
        if polled is not None:
            _hold_one(self, polled)
        return polled

    async def consume(self, num_messages: int = 1, *args: Any, **kwargs: Any) -> list[Message]:
        """Do as `poll`; asked for more than one message, hold the scope of the batch."""
        _release(self)
        consumed: list[Message] = await super().consume(num_messages, *args, **kwargs)  # type: ignore[misc]  # the client\'s
        _hold_all(self, consumed, num_messages)
        return consumed

    async def close(self, *args: Any, **kwargs: Any) -> Any:
        """Close the scope held, then the consumer."""
        _release(self)
        return await super().close(*args, **kwargs)  # type: ignore[misc]  # the client\'s

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Any:
        _release(self, error)
        return await super().__aexit__(kind, error, traceback)  # type: ignore[misc]  # the client\'s

    def __del__(self) -> None:
        if self._hold is not None:
            _release(self)


def _release(consumer: Any, error: BaseException | None = None) -> None:
    """Close what *consumer* holds, and clear away what closed scopes left current here."""
    hold: _Hold | None = consumer._hold  # noqa: SLF001  # of the classes above
    if hold is not None:
        consumer._hold = None  # noqa: SLF001
        hold.close(error)
    _clear()


def _clear() -> None:
    here = get_current()
    base = _unwound(here)
    if base is not here:
        attach(base)


def _unwound(context: Context) -> Context:
    """Give *context*, or what was current before it where its scope has been closed.

    Scopes of several consumers may lie upon each other and be closed in any order: what lies below
    an open one is unwound as well, so that no chain of closed ones grows.
    """
    hold = context.get(_KEY)
    if not isinstance(hold, _Hold):
        return context
    if hold.open or trace.get_current_span(context) is not hold.span:
        hold.base = _unwound(hold.base)
        return context
    return _unwound(hold.base)


def _hold_one(consumer: Any, message: Message) -> None:
    if _switch["on"] and message.error() is None:
        base = get_current()
        span, context = spans_for(consumer, None).start(message, base)
        _enter(consumer, span, context, base)


def _hold_all(consumer: Any, messages: list[Message], asked: int) -> None:
    if not _switch["on"] or not messages:
        return
    if asked == 1:
        _hold_one(consumer, messages[0])
        return
    base = get_current()
    span = start_batch(messages, spans_for(consumer, None))
    if span is not trace.INVALID_SPAN:
        _enter(consumer, span, trace.set_span_in_context(span, base), base)


def _enter(consumer: Any, span: Span, context: Context, base: Context) -> None:
    hold = consumer._hold = _Hold(span, base)  # noqa: SLF001
    attach(set_value(_KEY, hold, context))
