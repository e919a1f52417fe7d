"""An HTTP server inside a running event loop that leaves the signals to whoever owns the process.

uvicorn by itself takes SIGTERM, stops, and raises it again, so that nothing after it would run.
Here the socket is bound before anything else, which makes a wrong address an `OSError` at the start
and the port known, and the end is asked for by `WebServer.stop`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp

# Longer than any usual scrape interval, so that Prometheus keeps its connection.
KEEP_ALIVE_SECONDS = 75
_BACKLOG = 128


class _Server(uvicorn.Server):
    """uvicorn's server without its hands on the signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture nothing."""
        yield


class WebServer:
    """Serves *app* on *host* and *port* (0: any free one) between `start` and `stop`."""

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._server = _Server(
            uvicorn.Config(
                app,
                log_config=None,
                log_level="warning",  # its start and stop are our own events
                access_log=False,
                lifespan="off",
                ws="none",
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
            )
        )
        self._socket: socket.socket | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """Bind, begin to serve, and give the address that clients can use at once.

        Raises:
            OSError: The address cannot be bound.
        """
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        self._socket = socket.create_server(
            (self._host, self._port), family=family, backlog=_BACKLOG
        )
        # Inherited by every connection (asyncio does it only where it has made the socket itself).
        # Without it the body of a page waits for the client's delayed acknowledgement: 40 ms.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._task = asyncio.create_task(
            self._server.serve(sockets=[self._socket]), name="web server"
        )
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._socket.getsockname()[1]}"

    async def stop(self, timeout_seconds: float) -> None:
        """Finish the requests under way, at most *timeout_seconds*, and close."""
        if self._task is None or self._socket is None:
            return
        self._server.should_exit = True
        await asyncio.wait([self._task], timeout=timeout_seconds)
        if not self._task.done():
            self._server.force_exit = True
            self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._socket.close()
