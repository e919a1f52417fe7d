"""Follow one HTTP request from its scope to the last byte of its answer.

An `Exchange` passes the application's messages on, puts the trace id on the response, answers for
an application that failed, and says what came of it: to the span that is current, to the metrics
and to the log. Bodies and query strings are never logged.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace
from opentelemetry.trace import Status, StatusCode

from propagation.failures import record_error
from propagation.integrations import http_metrics
from propagation.integrations.scopes import method, routes_of, template

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Scope, Send

    from propagation.integrations.http_metrics import HttpMetrics

HEADER: Final = b"x-trace-id"

PATH_CHARACTERS: Final = 200
"""How much of a path is logged."""

CLIENT_GONE: Final = 499
"""The status in the log when the client left before a response began: nginx's number for it."""

_SERVER_ERROR = 500
_STARLETTE_SERVER_ERROR = b"Internal Server Error"

_log = logging.getLogger("propagation.integrations.asgi")


@dataclass(frozen=True, slots=True)
class Setup:
    """What the exchanges of one application share.

    *metrics* is ``None`` and *level* DEBUG for probes; *slow_seconds* is the bound from which on a
    request is called slow.
    """

    app: ASGIApp
    slow_seconds: float | None
    level: int
    metrics: HttpMetrics | None


class Exchange:
    """One request and its response: what was sent so far, and what is still to be said."""

    def __init__(self, setup: Setup, scope: Scope, send: Send, trace_id: str) -> None:
        self._setup = setup
        self._scope = scope
        self._entry = dict(scope)  # as it came: routing rewrites the scope's root path
        self._send = send
        self._trace_id = trace_id
        self._span = trace.get_current_span()
        self._began = time.perf_counter()
        self._held: list[Message] = []
        self._started = False
        self._status: int | None = None
        self._error: str | None = None
        self._done = False
        self._counted = None
        self._routes = routes_of(setup.app)
        if setup.metrics:
            self._counted = setup.metrics.began(scope, self._route if self._routes else None)

    async def send(self, message: Message) -> None:
        """Pass *message* on, with the trace id on the response's start.

        A short 500 waits for the application's end: Starlette answers an unhandled exception
        before it raises it, and the span ends with the last byte.
        """
        if message["type"] == "http.response.start":
            self._status = message["status"]
            message = {**message, "headers": [*self._others(message), self._header()]}
            if self._status == _SERVER_ERROR:
                self._held.append(message)
                return
        elif self._held:
            self._held.append(message)
            if not message.get("more_body"):
                return
            await self.release()
            return
        await self._pass_on(message)

    async def release(self) -> None:
        """Send what was held back."""
        held, self._held = self._held, []
        for message in held:
            await self._pass_on(message)

    async def fail(self, error: Exception) -> None:
        """Tell the span, the log and, if it has no answer yet, the client about *error*."""
        kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
        self._error = kind
        _log.error("request_failed", exc_info=error, extra=self._request())
        answered = self._started or (bool(self._held) and not self._is_starlettes())
        if not answered:
            self._held = self._answer()
            self._status = _SERVER_ERROR
        if self._span.is_recording():
            record_error(self._span, error)
        if self._held:
            await self._pass_on(self._held.pop(0))
        if self._span.is_recording():
            # After the start message, upon which the instrumentation writes the bare status code.
            self._span.set_attribute("error.type", kind)
            self._span.set_status(Status(StatusCode.ERROR, kind))
        await self.release()

    def abandon(self) -> None:
        """Note that the client left; nobody waits for an answer."""
        self._held = []
        self._error = http_metrics.CLIENT_GONE
        if not self._started:
            self._status = CLIENT_GONE

    def finish(self) -> None:
        """Write the exchange's one line and count it, unless its last byte already did."""
        if self._done:
            return
        self._done = True
        self._name_span()
        seconds = time.perf_counter() - self._began
        self._count(seconds)
        outcome = {"status": self._status, "latency_ms": round(seconds * 1000, 3)}
        bound = self._setup.slow_seconds
        if bound is not None and seconds > bound:
            slow = {"slow_ms": round(bound * 1000, 3)}
            _log.warning("request_slow", extra=self._request() | outcome | slow)
        _log.log(self._setup.level, "request_served", extra=self._request() | outcome)

    def _count(self, seconds: float) -> None:
        if self._setup.metrics and self._counted:
            self._setup.metrics.ended(
                self._counted,
                seconds,
                version=self._scope.get("http_version", ""),
                route=self._route,
                status=self._status if self._started else None,
                error=self._error,
            )

    async def _pass_on(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._started = True
            self._name_span()
        await self._send(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self.finish()

    def _name_span(self) -> None:
        if self._span.is_recording() and self._route:
            self._span.update_name(f"{method(self._scope)} {self._route}")
            self._span.set_attribute("http.route", self._route)

    @cached_property
    def _route(self) -> str | None:
        # Routes that are hidden here show once the application has put itself into the scope.
        return template(self._routes or routes_of(self._scope.get("app")), self._entry)

    def _request(self) -> dict[str, Any]:
        return {
            "method": self._scope["method"][:PATH_CHARACTERS],
            "path": self._scope["path"][:PATH_CHARACTERS],
            "route": self._route,
        }

    def _header(self) -> tuple[bytes, bytes]:
        return HEADER, self._trace_id.encode()

    def _others(self, message: Message) -> list[tuple[bytes, bytes]]:
        return [(k, v) for k, v in message.get("headers", ()) if k.lower() != HEADER]

    def _is_starlettes(self) -> bool:
        return self._held[-1].get("body") == _STARLETTE_SERVER_ERROR

    def _answer(self) -> list[Message]:
        reason = {
            "code": "internal",
            "message": "The service failed. Its log holds the reason under this trace id.",
            "trace_id": self._trace_id,
            "retryable": False,
        }
        body = json.dumps({"error": reason}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            self._header(),
        ]
        return [
            {"type": "http.response.start", "status": _SERVER_ERROR, "headers": headers},
            {"type": "http.response.body", "body": body},
        ]
