"""The pages: ``/``, ``/metrics``, ``/api/v1``, ``/-/healthy``, ``/-/ready`` and one style sheet.

In: a board, which others fill. Every answer comes from what the board holds at that moment, so
none waits for Kafka or for a cycle. `/metrics` is the board's own page, `api` has the rest for
programs. All that is here is read only, takes nothing from a request but names and one flag, and
runs no script: the policy sent along with each page forbids it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from lagmon.web.answers import ROOT
from lagmon.web.api import create_api
from lagmon.web.scraping import scraped
from lagmon.web.status import status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from lagmon.alerts.rules import Rule
    from lagmon.board import Board
    from lagmon.report import Links

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
REFRESH_SECONDS = 5

_HERE = Path(__file__).parent


def create_app(
    board: Board, rules: Sequence[Rule], links: Links, now: Callable[[], float]
) -> Starlette:
    """Build the application that shows *board*; *now* gives the time for the ages on the page."""
    template = _environment().get_template("status.html")

    async def home(request: Request) -> Response:
        refreshing = request.query_params.get("refresh") == "on"
        page = status(board.report, rules, links, now())
        headers = {"Refresh": str(REFRESH_SECONDS)} if refreshing else None
        return HTMLResponse(template.render(page=page, refreshing=refreshing), headers=headers)

    async def metrics(request: Request) -> Response:
        return await scraped(board.page, request.headers)

    async def healthy(_: Request) -> Response:
        return PlainTextResponse("lagmon is healthy.\n")

    async def ready(_: Request) -> Response:
        if board.ready:
            return PlainTextResponse("lagmon is ready.\n")
        return PlainTextResponse("lagmon has not yet asked every cluster.\n", status_code=503)

    return Starlette(
        routes=[
            Route("/", home),
            Route("/metrics", metrics),
            Route("/-/healthy", healthy),
            Route("/-/ready", ready),
            Mount(ROOT, create_api(board, rules, links, now)),
            Mount("/static", StaticFiles(directory=_HERE / "static")),
        ],
        middleware=[Middleware(_SafeHeaders)],
    )


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )


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
