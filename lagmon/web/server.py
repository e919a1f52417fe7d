"""An HTTP server inside a running event loop that leaves the signals to whoever owns the process.

uvicorn by itself takes SIGTERM, stops, and raises it again, so that nothing after it would run.
Here the socket is bound before anything else, which makes a wrong address an `OSError` at the start
and the port known, and the end is asked for by `WebServer.stop`. What comes in is let in by the
`Door`, each request passes the `Gate`, and neither has more or longer than `Limits` say.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from typing import TYPE_CHECKING, cast

import uvicorn

from lagmon.web.connections import Connection, Limits
from lagmon.web.door import Door
from lagmon.web.gate import Gate
from lagmon.webconfig.live import LiveWebConfig

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from starlette.types import ASGIApp

REFRESH_SECONDS = 1.0  # how often the web configuration file is looked at
_BACKLOG = 1024
_ABORTED_SECONDS = 0.5  # for what was cut off to notice


class _Server(uvicorn.Server):
    """uvicorn's server without its hands on the signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture nothing."""
        yield


class WebServer:
    """Serves *app* on *host* and *port* (0: any free one) between `start` and `stop`.

    *live* says how and for whom: by default without TLS, and for everybody.
    """

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        *,
        live: LiveWebConfig | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._host, self._port = host, port
        self.live, self._limits = live or LiveWebConfig(), limits or Limits()
        self._gate = Gate(app, self.live, self._limits)
        self._turned_away: Counter[str] = Counter()
        self._server = _Server(
            uvicorn.Config(
                self._gate,
                http="h11",
                log_config=None,
                log_level="error",  # what strangers do wrong is counted; it would fill the log
                access_log=False,
                lifespan="off",
                ws="none",
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=self._limits.idle_seconds,
                h11_max_incomplete_event_size=self._limits.head_bytes,
            )
        )
        self._inside = cast("set[Connection]", self._server.server_state.connections)
        self._socket: socket.socket | None = None
        self._door: Door | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._inside)

    @property
    def turned_away(self) -> Mapping[str, int]:
        """How many connections were ended or not let in, by reason, since the start."""
        return self._turned_away

    def show(self, app: ASGIApp) -> None:
        """Serve *app* from the next request on."""
        self._gate.app = app

    async def start(self) -> str:
        """Bind, begin to serve, and give the address that clients can use at once.

        Raises:
            OSError: The address cannot be bound.
        """
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        self._socket = socket.create_server(
            (self._host, self._port), family=family, backlog=_BACKLOG
        )
        self._socket.setblocking(False)
        # Inherited by every connection (asyncio does it only where it has made the socket itself).
        # Without it the body of a page waits for the client's delayed acknowledgement: 40 ms.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        serving = self._server.serve(sockets=[])  # it has its connections from the door
        self._tasks = [
            asyncio.create_task(serving, name="web server"),
            asyncio.create_task(self._refresh(), name="web configuration"),
        ]
        self._door = Door(
            self._socket,
            make=self._connection,
            inside=self._inside,
            context=lambda: self.live.current.context,
            limits=self._limits,
            told=self._count,
        )
        host = f"[{self._host}]" if ":" in self._host else self._host
        scheme = "https" if self.live.current.context else "http"
        return f"{scheme}://{host}:{self._socket.getsockname()[1]}"

    async def stop(self, timeout_seconds: float) -> None:
        """Finish the requests under way, at most *timeout_seconds*, and close.

        Then whatever is still open is cut off, such as a stream of events, which has no end.
        """
        if self._door is None:
            return
        serving, refreshing = self._tasks
        refreshing.cancel()
        await self._door.shut()
        self._server.should_exit = True
        await asyncio.wait([serving], timeout=timeout_seconds)
        if not serving.done():
            self._server.force_exit = True
            for connection in tuple(self._inside):
                connection.transport.abort()
            await asyncio.wait([serving], timeout=_ABORTED_SECONDS)
            for task in (serving, *self._server.server_state.tasks):
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _connection(self) -> Connection:
        return Connection(
            self._server.config,
            self._server.server_state,
            self._limits,
            self.live.current.believes,
            self._count,
        )

    def _count(self, why: str) -> None:
        self._turned_away[why] += 1

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            if await asyncio.to_thread(self.live.refresh):
                # Whoever came in by what held before may not be let in by what holds now.
                assert self._door is not None
                self._door.turn_out()
                for connection in tuple(self._inside):
                    connection.shutdown()
