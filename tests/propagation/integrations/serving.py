"""A small application, and two ways to call it: over loopback through uvicorn, and directly."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple

import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Scope


class Reply(NamedTuple):
    """What an application answered to a direct call."""

    status: int | None
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: str) -> str:
        """Give the one value of the header *name*."""
        [value] = [value for key, value in self.headers if key.decode() == name]
        return value.decode()


def scope(method: str, path: str, headers: dict[str, str | bytes], query: bytes = b"") -> Scope:
    """Make the scope of a request as a server does."""
    encoded = [(k.encode(), v.encode() if isinstance(v, str) else v) for k, v in headers.items()]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "root_path": "",
        "headers": encoded,
        "server": ("127.0.0.1", 8080),
        "client": ("127.0.0.1", 1),
        "state": {},
    }


def call(
    app: ASGIApp,
    method: str,
    path: str,
    headers: dict[str, str | bytes] | None = None,
    *,
    query: bytes = b"",
    gone: bool = False,
) -> Reply:
    """Call *app* once, without a server; *gone*: the client has hung up before its body came."""
    sent: list[Message] = []
    coming = [{"type": "http.disconnect"} if gone else {"type": "http.request", "body": b""}]

    async def receive() -> Message:
        if not coming:
            await asyncio.Event().wait()
        return coming.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    async def run() -> None:
        await app(scope(method, path, headers or {}, query), receive, send)

    asyncio.run(run())
    starts = [message for message in sent if message["type"] == "http.response.start"]
    assert len(starts) <= 1
    start: Any = starts[0] if starts else {"status": None, "headers": []}
    body = b"".join(m.get("body", b"") for m in sent if m["type"] == "http.response.body")
    return Reply(start["status"], start["headers"], body)


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """Serve *app* by uvicorn on loopback, and give its address without a scheme."""
    # A machine that stands still for the usual five seconds would find its connection closed.
    config = uvicorn.Config(app, port=0, log_config=None, timeout_keep_alive=60)
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started, what="uvicorn to start")
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(60)


async def play(request: Request) -> Response:
    """Answer with what was asked for."""
    return PlainTextResponse(request.path_params.get("id", "all"))


async def fail(request: Request) -> Response:
    """Fail without an answer."""
    raise RuntimeError(f"hunter2 {request.method}")


async def own_failure(request: Request) -> Response:
    """Answer 500 on purpose."""
    return JSONResponse({"error": request.url.path}, 500)


async def read_body(request: Request) -> Response:
    """Read what the client sends."""
    return Response(await request.body())


async def stream(request: Request) -> Response:
    """Answer in parts, and fail in the middle when asked to."""

    async def parts() -> AsyncIterator[bytes]:
        yield b"one,"
        if "fail" in request.query_params:
            raise RuntimeError("half-way")
        yield b"two"

    return StreamingResponse(parts())


async def fail_later(_: Request) -> Response:
    """Answer, and fail when the answer is away."""

    async def late() -> None:
        raise RuntimeError("too late")

    return PlainTextResponse("done", background=BackgroundTask(late))


async def impersonate(_: Request) -> Response:
    """Answer with a trace id of one's own."""
    return PlainTextResponse("ok", headers={"X-Trace-Id": "mine"})


def application(**options: Any) -> Starlette:
    """Make the application under test; its state tells that its lifespan ran."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.started = True
        yield
        app.state.stopped = True

    game = [Route("/plays/{id}", play), Route("/slots/play", play, methods=["POST"])]
    routes = [
        Mount("/game", routes=game),
        Route("/fail", fail),
        Route("/own-failure", own_failure),
        Route("/body", read_body, methods=["POST"]),
        Route("/stream", stream),
        Route("/fail-later", fail_later),
        Route("/impersonate", impersonate),
        Route("/healthz", play),
        Route("/metrics", fail),
    ]
    return Starlette(routes=routes, lifespan=lifespan, **options)
