"""What every request passes before the pages see it: its size, its password; and what it gets.

The answers made here say no more than their status. The headers of the web configuration file
replace those of the pages that have the same name.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse

from lagmon.webconfig.passwords import TooManyError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from lagmon.web.connections import Limits
    from lagmon.webconfig.live import LiveWebConfig, WebConfig

SAFE = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
CHALLENGE = {"WWW-Authenticate": 'Basic realm="lagmon", charset="UTF-8"'}
CLOSE = {"Connection": "close"}
RETRY = {"Retry-After": "5"}


class Gate:
    """Leads to *app*, which may be replaced at any time."""

    def __init__(self, app: ASGIApp, live: LiveWebConfig, limits: Limits) -> None:
        self.app, self._live, self._limits = app, live, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by *app*, or by a refusal."""
        config = self._live.current

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start" and config.headers:
                MutableHeaders(scope=message).update(config.headers)
            await send(message)

        answer = await self._refusal(scope, config) or self.app
        await answer(scope, receive, send_with_headers)

    async def _refusal(self, scope: Scope, config: WebConfig) -> ASGIApp | None:
        headers = Headers(scope=scope)
        if len(scope["raw_path"]) + len(scope["query_string"]) > self._limits.target_bytes:
            return _answer(HTTPStatus.REQUEST_URI_TOO_LONG, CLOSE)
        if int(headers.get("content-length", 0)) > self._limits.body_bytes:
            return _answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, CLOSE)
        given = headers.getlist("authorization")
        try:
            admitted = await config.users.admit(given[0] if len(given) == 1 else None)
        except TooManyError:
            return _answer(HTTPStatus.SERVICE_UNAVAILABLE, RETRY)
        return None if admitted else _answer(HTTPStatus.UNAUTHORIZED, CHALLENGE)


def _answer(status: HTTPStatus, headers: dict[str, str]) -> ASGIApp:
    return PlainTextResponse(f"{status.phrase}.\n", status, headers={**SAFE, **headers})
