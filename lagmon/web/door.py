"""Let connections in: with TLS as it is configured at that moment, and no more than can be borne.

asyncio's own server keeps the TLS that it began with, and knows no limit. Here each connection is
taken from the socket by itself. When there are as many as may be, the one that has owed a request
for the longest gives its place to the new one: who holds connections open keeps nobody else out.
Only where all are being answered the new one is turned away.
"""

from __future__ import annotations

import asyncio
import math
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Collection

    from lagmon.web.connections import Connection, Limits

PAUSE_SECONDS = 0.1  # when the system gives no connection: no descriptor is left


class Door:
    """Takes connections from *listener*, which does not block, until `shut`.

    *make* gives the next connection, *inside* are those that have come in, *context* is asked for
    each, and *told* hears why one was turned away.
    """

    def __init__(
        self,
        listener: socket.socket,
        *,
        make: Callable[[], Connection],
        inside: Collection[Connection],
        context: Callable[[], ssl.SSLContext | None],
        limits: Limits,
        told: Callable[[str], None],
    ) -> None:
        self._listener, self._make, self._inside = listener, make, inside
        self._context, self._limits, self._told = context, limits, told
        self._entering: dict[Connection, asyncio.Task[None]] = {}
        self._task = asyncio.create_task(self._accept(), name="web door")

    def turn_out(self) -> None:
        """Turn away those who are still at the handshake."""
        for task in self._entering.values():
            task.cancel()

    async def shut(self) -> None:
        """Let nobody in any more, nor those who are at it."""
        tasks = [self._task, *self._entering.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._listener.close()

    async def _accept(self) -> None:
        while True:
            try:
                came = await self._next()
            except OSError:
                self._told("not_accepted")
                self._make_room()
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            if self._open() >= self._limits.connections and not self._make_room():
                self._told("no_room")
                came.close()
                await asyncio.sleep(0)
                continue
            connection = self._make()
            task = asyncio.create_task(self._enter(came, connection))
            task.add_done_callback(partial(self._done, connection, came))
            self._entering[connection] = task
            await asyncio.sleep(0)  # accepting never waits while somebody comes: others have turns

    async def _next(self) -> socket.socket:
        """Wait for somebody, and take the connection once nothing can keep us from having it.

        `loop.sock_accept` takes it before its caller goes on: cancelled in between, it is lost, and
        stays open.
        """
        loop = asyncio.get_running_loop()
        while True:
            try:
                came, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                somebody = asyncio.Event()
                loop.add_reader(self._listener, somebody.set)
                try:
                    await somebody.wait()
                finally:
                    loop.remove_reader(self._listener)
            else:
                came.setblocking(False)
                return came

    def _open(self) -> int:
        # For a moment one is still entering that is inside already.
        return len(self._inside) + sum(each not in self._inside for each in self._entering)

    async def _enter(self, came: socket.socket, connection: Connection) -> None:
        context, limits = self._context(), self._limits
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection,
                came,
                ssl=context,
                ssl_handshake_timeout=limits.handshake_seconds if context else None,
                ssl_shutdown_timeout=limits.answer_seconds if context else None,
            )
        except OSError:
            self._told("handshake_failed")

    def _done(self, connection: Connection, came: socket.socket, _: asyncio.Task[None]) -> None:
        """Forget who has come in, or will not."""
        del self._entering[connection]
        if connection not in self._inside:
            came.close()

    def _make_room(self) -> bool:
        """Turn away whoever has owed us something for the longest; False if nobody does."""
        oldest = min({*self._inside, *self._entering}, key=_waits_since, default=None)
        if oldest is None or oldest.waits_since is None:
            return False
        if oldest in self._inside:
            oldest.cut("no_room")
        else:
            self._entering[oldest].cancel()
            self._told("no_room")
        return True


def _waits_since(connection: Connection) -> float:
    return math.inf if connection.waits_since is None else connection.waits_since
