"""Stand between a client and a server: cut connections, heal them, slow them, lose answers.

TCP on 127.0.0.1, bytes in both directions, nothing understood. It runs in a thread of its own;
every method may be called from any other thread and returns when its effect is there.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, Any, TypeAlias

from tests.infra.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Self

# Bytes and when they are due; no bytes are the end of the stream.
Chunks: TypeAlias = "asyncio.Queue[tuple[float, bytes]]"
Look: TypeAlias = "Callable[[bytes, asyncio.Event], None]"

CHUNK_BYTES = 1 << 16
CHUNKS_UNDERWAY = 64  # in each direction of a delayed connection; then the sender has to wait
ANSWER_SECONDS = 30


class TcpProxy:
    """Lead *port* of 127.0.0.1 to *target_host* and *target_port*. A context manager.

    Without *port* it finds a free one.
    """

    def __init__(self, target_host: str, target_port: int, port: int | None = None) -> None:
        self.port = port or free_port()
        self._target = (target_host, target_port)
        self._delay_seconds = 0.0
        self._question, self._to_lose = b"", 0
        self.lost = 0  # answers that the server gave and nobody got
        self._listener: socket.socket | None = None
        self._joined: set[asyncio.Task[Any]] = set()
        self._failures: list[Exception] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen and lead on."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self.heal()

    def stop(self) -> None:
        """Cut everything and end; raise what went wrong inside the proxy."""
        if self._loop is None or self._thread is None:
            return
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._loop = self._thread = None
        if self._failures:
            raise ExceptionGroup("inside the proxy", self._failures)

    def cut(self) -> None:
        """Reset every connection and refuse new ones."""
        self._do(self._cut())

    def heal(self) -> None:
        """Accept connections again; the cut ones stay cut."""
        self._do(self._listen())

    def delay(self, seconds: float) -> None:
        """Keep every byte back for *seconds*, in each direction, from now on; 0 for no delay."""
        self._delay_seconds = seconds

    def lose_answers(self, to: bytes, times: int) -> None:
        """Reset the next *times* connections that send *to*, when the server has answered that.

        The server did what it was asked for, and nobody knows. `lost` counts them.
        """
        self._question, self._to_lose = to, times

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        if self._loop is None:
            work.close()
            raise RuntimeError("the proxy was not started")
        asyncio.run_coroutine_threadsafe(work, self._loop).result(ANSWER_SECONDS)

    async def _listen(self) -> None:
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self._listener.setblocking(False)
            asyncio.get_running_loop().add_reader(self._listener, self._accept, self._listener)

    async def _cut(self) -> None:
        if self._listener:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        for task in self._joined:
            task.cancel()
        await asyncio.gather(*self._joined, return_exceptions=True)

    def _accept(self, listener: socket.socket) -> None:
        near, _ = listener.accept()
        # Known from here on, so that a cut in the next moment does not miss it.
        task = asyncio.get_running_loop().create_task(self._lead(near))
        self._joined.add(task)
        task.add_done_callback(self._joined.discard)
        task.add_done_callback(lambda _: reset(near))  # even if it was cancelled before it began

    async def _lead(self, near: socket.socket) -> None:
        try:
            near.setblocking(False)
            coming, back = await asyncio.open_connection(sock=near)
            try:
                going, onward = await asyncio.open_connection(*self._target)
                await self._join((coming, onward), (going, back))
            finally:
                abort(back)
        except* OSError:
            pass  # either side went away or was not there: the other one learns it by the reset
        except* Exception as unforeseen:  # noqa: BLE001 - stop() raises it again
            self._failures += unforeseen.exceptions

    async def _join(self, *ways: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        """Carry bytes both *ways* until both have ended; reset both if one breaks."""
        doomed = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as tasks:
                for (reader, writer), look in zip(ways, (self._asked, self._answered), strict=True):
                    chunks: Chunks = asyncio.Queue(CHUNKS_UNDERWAY)
                    tasks.create_task(self._take(reader, chunks, look, doomed))
                    tasks.create_task(deliver(chunks, writer))
            for _, writer in ways:
                writer.close()
                await writer.wait_closed()
        finally:
            for _, writer in ways:
                abort(writer)

    def _asked(self, chunk: bytes, doomed: asyncio.Event) -> None:
        if self._to_lose and self._question in chunk:
            self._to_lose -= 1
            doomed.set()

    def _answered(self, _: bytes, doomed: asyncio.Event) -> None:
        if doomed.is_set():
            self.lost += 1
            raise ConnectionResetError("its answer is to be lost")

    async def _take(
        self, reader: asyncio.StreamReader, chunks: Chunks, look: Look, doomed: asyncio.Event
    ) -> None:
        """Put what *reader* gives into *chunks* with the time when it is due."""
        while chunk := await reader.read(CHUNK_BYTES):
            look(chunk, doomed)
            await chunks.put((time.monotonic() + self._delay_seconds, chunk))
        await chunks.put((time.monotonic() + self._delay_seconds, b""))


def abort(writer: asyncio.StreamWriter) -> None:
    """Break the connection of *writer* if it is open: the peer sees a reset, not an end."""
    if not writer.is_closing():
        linger_not(writer.get_extra_info("socket"))
        writer.transport.abort()


def reset(connection: socket.socket) -> None:
    """Break *connection* if it is open."""
    if connection.fileno() != -1:
        linger_not(connection)
        connection.close()


def linger_not(connection: Any) -> None:
    """Make the close of *connection* a reset (socket(7), SO_LINGER with 0 s)."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def deliver(chunks: Chunks, writer: asyncio.StreamWriter) -> None:
    """Write each of *chunks* to *writer* when it is due; end the stream after the last."""
    while True:
        due, chunk = await chunks.get()
        await asyncio.sleep(due - time.monotonic())
        if not chunk:
            writer.write_eof()
            return
        writer.write(chunk)
        await writer.drain()
