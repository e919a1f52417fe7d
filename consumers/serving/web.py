"""Serve an ASGI application from a thread of its own, so that the main thread keeps the signals.

uvicorn's own ``run()`` takes SIGTERM over and raises it again when it is done, so that nothing
after it ever runs. Here the main thread calls `Server.start`, does its work or waits, and calls
`Server.stop`: both are bounded, neither touches a signal. `measured` counts what is served.
"""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

import structlog
import uvicorn

from consumers.errors import BindError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from consumers.metrics import Metrics

# Seconds that an application may take to start. A start that fails is told at once; this is for one
# that hangs, and long enough for a machine on which everything starts at the same time.
START_SECONDS = 60.0
# Seconds that uvicorn's thread gets to end after its connections were cut.
CUT_SECONDS = 1.0
BACKLOG = 2048
UNROUTED = "(none)"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

log = structlog.get_logger(__name__)


class Server:
    """One application on one address. Started once, stopped once, from the same thread."""

    def __init__(self, app: ASGIApp, *, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._began = threading.Event()
        config = uvicorn.Config(
            app,
            access_log=False,  # propagation.integrations.asgi logs each request with its trace
            log_config=None,  # the service has configured logging
            log_level="warning",
            server_header=False,
        )
        self._server = _Uvicorn(config, self._began)
        self._thread: threading.Thread | None = None

    def start(self, timeout_seconds: float = START_SECONDS) -> str:
        """Bind, serve, and give the address as a URL; with port 0 the system chose the port.

        Raises `BindError` when the address cannot be bound or the application does not start.
        """
        bound = self._bind()
        self._thread = threading.Thread(target=self._serve, args=(bound,), name="web", daemon=True)
        self._thread.start()
        self._began.wait(timeout_seconds)
        if not self._server.started:
            self._server.should_exit = True
            bound.close()
            raise BindError(f"the web application on {self._host} did not start; see the log")
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{bound.getsockname()[1]}"

    def stop(self, timeout_seconds: float) -> bool:
        """Take no more requests, let those in work finish, and say whether they did in time."""
        if self._thread is None:
            return True
        # uvicorn cuts what is left a moment before the time is up, so that the thread can end too.
        self._server.config.timeout_graceful_shutdown = max(1, int(timeout_seconds - CUT_SECONDS))
        self._server.should_exit = True
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def running(self) -> str | None:
        """Say why nothing is served, or ``None`` if all is well."""
        alive = self._thread is not None and self._thread.is_alive()
        return None if alive else "the web server has ended"

    def _bind(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            bound = socket.create_server((self._host, self._port), family=family, backlog=BACKLOG)
        except (OSError, OverflowError) as error:
            raise BindError(f"cannot listen on {self._host}:{self._port}: {error}") from error
        # Inherited by every connection (asyncio does it only where it has made the socket itself).
        # Without it the body of an answer waits for the client's delayed acknowledgement: 40 ms.
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return bound

    def _serve(self, bound: socket.socket) -> None:
        try:
            self._server.run(sockets=[bound])
        except SystemExit:
            log.error("web_application_failed_to_start")
        finally:
            self._began.set()


class _Uvicorn(uvicorn.Server):
    """uvicorn's server, which says when it has begun to serve."""

    def __init__(self, config: uvicorn.Config, began: threading.Event) -> None:
        super().__init__(config)
        self._began = began

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._began.set()


def measured(app: ASGIApp, metrics: Metrics) -> ASGIApp:
    """Count and time every HTTP request to *app*, by the route that served it, never by its path.

    What an exception leaves unanswered counts as 500.
    """

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        status, started = 500, time.perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        metrics.http_in_flight.inc()
        try:
            await app(scope, receive, noting)
        finally:
            metrics.http_in_flight.dec()
            elapsed = time.perf_counter() - started
            route = getattr(scope.get("route"), "path", UNROUTED)
            method = scope["method"] if scope["method"] in METHODS else "other"
            metrics.http_requests.labels(method, route, str(status)).inc()
            metrics.http_seconds.labels(method, route).observe(elapsed)

    return wrapped
