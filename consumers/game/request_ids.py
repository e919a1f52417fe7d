"""Name each request: by the client's ``x-request-id`` if it is sane, else by one of our own.

The id is in the answer's header, in the body of an error, in the log lines about the request and on
its span. It is the client's word for the request; the trace id is ours. Nothing hangs on it being
unique, and one that could break a log line, a header or a URL is replaced, not mended.
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

from opentelemetry import trace
from starlette.datastructures import Headers, MutableHeaders

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "x-request-id"
SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,63}")
# OpenTelemetry's name for a header of a request; its value is a list.
ATTRIBUTE = f"http.request.header.{HEADER}"


class RequestIds:
    """Middleware that names each request to *app*."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; anything but HTTP passes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        chosen = choose(Headers(scope=scope).getlist(HEADER))
        scope["state"] = {**scope.get("state", {}), "request_id": chosen}
        trace.get_current_span().set_attribute(ATTRIBUTE, [chosen])

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = chosen
            await send(message)

        await self._app(scope, receive, named)


def choose(given: list[str]) -> str:
    """Take the only id that was *given*, if it is sane; otherwise make one."""
    if len(given) == 1 and SANE.fullmatch(given[0]):
        return given[0]
    return str(uuid.uuid4())


def request_id(scope: Scope) -> str:
    """Give the id of the request with *scope*."""
    found: str = scope["state"]["request_id"]
    return found
