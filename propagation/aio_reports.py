"""Delivery reports on their way from librdkafka to the event loop.

One thread per producer polls, so that reports come without anybody asking. A report lands in a
queue, and the first of a burst wakes the loop once; the loop then settles the futures of all that
have landed. Nothing here knows of spans, nor refers to the producer that a user holds: one that
was dropped is freed, and its thread ends.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextlib import suppress
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import KafkaException

if TYPE_CHECKING:
    from collections.abc import Callable

    from confluent_kafka import KafkaError, Message, Producer

    Callback = Callable[[KafkaError | None, Message], None]
    Report = tuple[asyncio.Future[Message], Callback | None, KafkaError | None, Message]

# How long the thread may stay in a call of librdkafka: bounds how long closing waits for it.
_POLL_SECONDS: Final = 0.1
# How soon a full queue is tried again where no report has come; the room that a delivered message
# leaves is there a moment after its report.
_RETRY_SECONDS: Final = 0.02


class Reports:
    """Settle in the *loop* what librdkafka reports in any thread."""

    __slots__ = ("_landed", "_loop", "_room", "_woken")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._landed: deque[Report] = deque()
        self._room: asyncio.Future[None] | None = None
        self._woken = False

    def land(
        self,
        future: asyncio.Future[Message],
        callback: Callback | None,
        error: KafkaError | None,
        message: Message,
    ) -> None:
        """Take one report, in any thread."""
        self._landed.append((future, callback, error, message))
        if not self._woken:
            self._woken = True
            with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
                self._loop.call_soon_threadsafe(self._settle, context=Context())

    def _settle(self) -> None:
        # First this, then the queue: whoever lands from here on wakes the loop again.
        self._woken = False
        while self._landed:
            future, callback, error, message = self._landed.popleft()
            if callback is not None:
                self._loop.call_soon(callback, error, message)
            if future.done():  # cancelled
                continue
            if error is None:
                future.set_result(message)
            else:
                future.set_exception(KafkaException(error))
        self._open()

    async def room(self) -> None:
        """Wait until messages have left the queue, and so there may be room in it."""
        if self._room is None:
            self._room = self._loop.create_future()
        retry = self._loop.call_later(_RETRY_SECONDS, self._open)
        try:
            await asyncio.shield(self._room)
        finally:
            retry.cancel()

    def _open(self) -> None:
        room, self._room = self._room, None
        if room is not None:
            room.set_result(None)


class Poller:
    """The thread that polls *producer* until it is stopped."""

    __slots__ = ("_stopped", "_thread")

    def __init__(self, producer: Producer, loop: asyncio.AbstractEventLoop) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=_poll, args=(producer, loop, self._stopped), name="propagation-aio", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Let the thread end, soon. From any thread, more than once."""
        self._stopped.set()

    def join(self) -> None:
        """Wait until the thread has ended."""
        self._thread.join()


def _poll(producer: Producer, loop: asyncio.AbstractEventLoop, stopped: threading.Event) -> None:
    while not stopped.is_set():
        try:
            producer.poll(_POLL_SECONDS)
        except Exception as error:  # noqa: BLE001  # a callback's own: it must not end all others
            told: dict[str, Any] = {
                "message": "a callback of the producer raised",
                "exception": error,
            }
            with suppress(RuntimeError):  # as above
                loop.call_soon_threadsafe(loop.call_exception_handler, told, context=Context())
