"""``POST /-/reload``: have the configuration read anew, if the settings allow to ask for it.

In: whoever reads it anew. Out: 200 when what was read holds, 500 when it is no good and the last
one holds; why stands in the log, not in the answer. A browser that was sent here by another page
is refused: it would ask with the rights of whoever sits before it.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse

from lagmon.web.gate import SAFE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

PATH = "/-/reload"
OFF = "Reloading is off; the setting web.lifecycle allows it.\n"
ELSEWHERE = "A page may not ask for this.\n"
GOOD, BAD = "The configuration was reloaded.\n", "The configuration is no good; the log says why.\n"


class Lifecycle:
    """Leads to *app*, and at `PATH` to *reload*, where that is given."""

    def __init__(self, app: ASGIApp, reload: Callable[[], Awaitable[bool]] | None) -> None:
        self._app, self._reload = app, reload

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        answer = await self._answer(scope) if scope["path"] == PATH else self._app
        await answer(scope, receive, send)

    async def _answer(self, scope: Scope) -> ASGIApp:
        if scope["method"] not in {"POST", "PUT"}:
            return _said(HTTPStatus.METHOD_NOT_ALLOWED, "POST it.\n", {"Allow": "POST, PUT"})
        if self._reload is None:
            return _said(HTTPStatus.FORBIDDEN, OFF)
        if "origin" in Headers(scope=scope):
            return _said(HTTPStatus.FORBIDDEN, ELSEWHERE)
        if await self._reload():
            return _said(HTTPStatus.OK, GOOD)
        return _said(HTTPStatus.INTERNAL_SERVER_ERROR, BAD)


def _said(status: HTTPStatus, text: str, headers: dict[str, str] | None = None) -> ASGIApp:
    return PlainTextResponse(text, status, headers={**SAFE, **(headers or {})})
