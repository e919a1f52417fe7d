"""A `WebServer` in a thread of its own, for tests whose clients are plain sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from lagmon.web.connections import Limits
from lagmon.web.server import WebServer
from tests.infra.wait import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Self

    from starlette.requests import Request

    from lagmon.webconfig.live import LiveWebConfig

LONG_SECONDS = 3600.0
# Nobody is late by these, however busy the machine is.
PATIENT = Limits(
    handshake_seconds=LONG_SECONDS, request_seconds=LONG_SECONDS, answer_seconds=LONG_SECONDS
)
LARGE = 30_000_000  # more than the kernel takes in on a client's behalf
ASK = b"GET / HTTP/1.1\r\nHost: lagmon\r\n\r\n"


async def _large(_: Request) -> PlainTextResponse:
    return PlainTextResponse("x" * LARGE)


async def _page(_: Request) -> PlainTextResponse:
    return PlainTextResponse("page")


async def _stream(_: Request) -> StreamingResponse:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"data: tick\n\n"
            await asyncio.sleep(0.05)

    return StreamingResponse(endless(), media_type="text/event-stream")


class Served:
    """Serves a page at ``/``, one that is large, and a stream without an end."""

    def __init__(self, limits: Limits = PATIENT, live: LiveWebConfig | None = None) -> None:
        routes = [Route("/", _page), Route("/large", _large), Route("/stream", _stream)]
        self._app = Starlette(routes=routes)
        self._given = (limits, live)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self.address = ""

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(PATIENCE_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        close(self._loop)

    def stop(self, timeout_seconds: float = 0.5) -> None:
        """Have the server stop, with *timeout_seconds* for what is under way."""
        stopping = asyncio.run_coroutine_threadsafe(self.server.stop(timeout_seconds), self._loop)
        stopping.result(PATIENCE_SECONDS)

    def connect(self) -> socket.socket:
        """Open a connection, whose reading fails after a while."""
        to = urlsplit(self.address)
        assert to.hostname is not None
        return socket.create_connection((to.hostname, to.port or 0), PATIENCE_SECONDS)

    def turned_away(self, why: str) -> int:
        """Count who was turned away for the reason *why*."""
        return self.server.turned_away.get(why, 0)

    async def _start(self) -> None:
        limits, live = self._given
        self.server = WebServer(self._app, "127.0.0.1", 0, live=live, limits=limits)
        self.address = await self.server.start()


def close(loop: asyncio.AbstractEventLoop) -> None:
    """End what is left in *loop*, which does not run any more, and close it."""
    loop.run_until_complete(_cancelled(asyncio.all_tasks(loop)))
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


async def _cancelled(tasks: set[asyncio.Task[Any]]) -> None:
    """End *tasks*: one that has just taken a connection would leave it open."""
    for each in tasks:
        each.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0)


def ended(connection: socket.socket) -> bytes:
    """Read until the other side ends the connection; give what it said."""
    said = bytearray()
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65_536):
            said += part
    return bytes(said)


def answer(connection: socket.socket, request: bytes = ASK) -> bytes:
    """Send *request* and give what is answered: all of it if it is short."""
    connection.sendall(request)
    said = b""
    while b"\r\n\r\n" not in said:
        part = connection.recv(65_536)
        if not part:
            raise ConnectionResetError("no answer")
        said += part
    head, _, body = said.partition(b"\r\n\r\n")
    length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
    while len(body) < length < LARGE:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body
