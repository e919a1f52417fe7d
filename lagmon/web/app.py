"""The service: pages, ``/metrics``, ``/api/v1``, ``/-/healthy``, ``/-/ready``, static files.

In: a board, which others fill. Every answer comes from what the board holds at that moment, so
none waits for Kafka or for a cycle. `/metrics` is the board's own page, `api` has the rest for
programs and `pages` for people. All that is here is read only and takes nothing from a request but
names and choices. The policy that is sent along with each answer forbids every script and style but
those of the static files, and whatever lies on another host.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from lagmon.web.answers import ROOT
from lagmon.web.api import across_lines, create_api
from lagmon.web.events import Streams
from lagmon.web.pages import routes
from lagmon.web.scraping import scraped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from lagmon.alerts.rules import Rule
    from lagmon.board import Board
    from lagmon.report import Links

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

_HERE = Path(__file__).parent


def create_app(
    board: Board,
    rules: Sequence[Rule],
    links: Links,
    now: Callable[[], float],
    *,
    streams: Streams | None = None,
) -> Starlette:
    """Build the application that shows *board*; *now* gives the time for the ages on the page.

    Whoever hands in *streams* ends them before the server stops, which else waits for them.
    """
    streams = streams or Streams()
    board.listen(streams.tell)

    async def metrics(request: Request) -> Response:
        return await scraped(board.page, request.headers)

    async def healthy(_: Request) -> Response:
        return PlainTextResponse("lagmon is healthy.\n")

    async def ready(_: Request) -> Response:
        if board.ready:
            return PlainTextResponse("lagmon is ready.\n")
        return PlainTextResponse("lagmon has not yet asked every cluster.\n", status_code=503)

    app = Starlette(
        routes=[
            *routes(board, rules, links, now, streams=streams),
            Route("/metrics", metrics),
            Route("/-/healthy", healthy),
            Route("/-/ready", ready),
            across_lines(Mount(ROOT, create_api(board, rules, links, now))),
            Mount("/static", StaticFiles(directory=_HERE / "static")),
        ],
        middleware=[Middleware(_SafeHeaders)],
    )
    app.router.redirect_slashes = False  # it would lead to whatever host the request names
    return app


class _SafeHeaders:
    """Adds `HEADERS` to every response, also to those that the framework makes by itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, send_with_headers)
