"""Open a handler's object before its first record, and close it after its last one.

What is awaited is opened and closed in the event loop that its records are handled in: connections
of asyncio belong to one. An exception of ``open()`` is `Fatal`; one of ``close()`` is logged, for
everything that counts has been done by then.
"""

from __future__ import annotations

import inspect
import threading
from typing import TYPE_CHECKING, Any

import structlog

from consumers.errors import Fatal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Self

    from consumers.handlers import Found

log = structlog.get_logger(__name__)


class CalledLifetime:
    """The object of a handler that is called."""

    def __init__(self, found: Found) -> None:
        self._found = found

    def open(self) -> None:
        """Open it, if it can be. Raises `Fatal`."""
        try:
            given = self._found.open() if self._found.open else None
        except Exception as error:
            raise _not_opened(error) from error
        if inspect.isawaitable(given):
            raise Fatal("open() of the handler is async, but its records are not awaited")

    def close(self, timeout_seconds: float) -> None:
        """Close it, if it can be; what takes longer is left behind."""
        closing = threading.Thread(target=self._close, name="close-handler", daemon=True)
        closing.start()
        closing.join(timeout_seconds)
        if closing.is_alive():
            log.warning("handler_not_closed_in_time")

    def _close(self) -> None:
        try:
            if self._found.close:
                self._found.close()
        except Exception as error:
            log.exception("handler_not_closed", exc_info=error)


class AwaitedLifetime:
    """A handler that is awaited. Its object is open inside of ``async with``."""

    def __init__(self, found: Found) -> None:
        self._found = found
        self._call: Callable[[Any], Awaitable[None]] = found.call  # type: ignore[assignment]
        self._closed = threading.Event()

    async def __call__(self, given: Any, /) -> None:
        """Handle *given*: a record or several."""
        await self._call(given)

    async def __aenter__(self) -> Self:
        try:
            await _awaited(self._found.open)
        except Exception as error:
            self._closed.set()
            raise _not_opened(error) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await _awaited(self._found.close)
        except Exception as error:
            log.exception("handler_not_closed", exc_info=error)
        finally:
            self._closed.set()

    def wait(self, timeout_seconds: float) -> None:
        """Wait until the object is closed. Called by the thread that has stopped the worker."""
        if not self._closed.wait(timeout_seconds):
            log.warning("handler_not_closed_in_time")


async def _awaited(call: Callable[[], object] | None) -> None:
    given = call() if call else None
    if inspect.isawaitable(given):
        await given


def _not_opened(error: Exception) -> Fatal:
    return Fatal(f"the handler cannot be opened: {type(error).__name__}: {error}")
