"""Give every HTTP request a span, a trace id that its client sees, and one log line.

`traced(app)` wraps any ASGI application. The server span is OpenTelemetry's own (stable HTTP
conventions, no span per ASGI message), named after the route's template; a client's valid
`traceparent` is continued, a malformed one starts a new trace. Every response carries `x-trace-id`,
errors and unhandled exceptions too. Bodies and query strings are never logged.

Probes get no span, so that neither they nor the queries they make fill the trace store; they still
run under a trace id, which is in their response and log line. The same holds without an SDK: ids
do not depend on spans being recorded. WebSockets and lifespan pass straight through.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import propagate, trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, Status, StatusCode

from propagation.carrier import adopt_w3c
from propagation.integrations.conventions import prefer_stable

try:
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware, asgi_getter
    from starlette.requests import ClientDisconnect

    from propagation.integrations.scopes import decodable, method, original, template
except ImportError as error:
    raise ImportError("propagation.integrations.asgi needs: pip install 'lagmon[asgi]'") from error

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

PROBES: Final = ("/healthz", "/readyz", "/metrics")
HEADER: Final = b"x-trace-id"

PATH_CHARACTERS: Final = 200
"""How much of a path is logged."""

CLIENT_GONE: Final = 499
"""The status in the log when the client left before a response began: nginx's number for it."""

_SERVER_ERROR = 500
_STARLETTE_SERVER_ERROR = b"Internal Server Error"

_log = logging.getLogger(__name__)


def traced(app: ASGIApp, *, probes: Collection[str] = PROBES) -> ASGIApp:
    """Wrap *app* so that each request has a span, an `x-trace-id` and a `request_served` line.

    *probes* are paths that are served without a span and logged at DEBUG. An unhandled exception
    is put on the span, logged once as `request_failed` and answered with 500 and a JSON body that
    shows the trace id and nothing internal; it does not travel on to the server. An answer that
    the application's own handler gave to the exception is kept. Wrap the application last.
    """
    return _Traced(app, frozenset(probes))


class _Traced:
    """The wrapped application: chooses what gets a span and sees each exchange to its end."""

    def __init__(self, app: ASGIApp, probes: frozenset[str]) -> None:
        prefer_stable()
        adopt_w3c()
        self._app = app
        self._probes = probes
        self._spanned = OpenTelemetryMiddleware(
            self._serve,
            default_span_details=_details,
            exclude_spans=["receive", "send"],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] in self._probes:
            await self._serve(scope, receive, send)
        else:
            await self._spanned(decodable(scope), receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope = original(scope)
        level = logging.DEBUG if scope["path"] in self._probes else logging.INFO
        with _trace_id(scope) as trace_id:
            exchange = _Exchange(self._app, scope, send, trace_id, level)
            try:
                await self._app(scope, receive, exchange.send)
                await exchange.release()
            except ClientDisconnect:
                exchange.abandon()
            except Exception as error:  # noqa: BLE001 - the edge: answered, logged, on the span
                await exchange.fail(error)
            finally:
                exchange.finish()


class _Exchange:
    """One request and its response: what was sent so far, and what is still to be said."""

    def __init__(self, app: ASGIApp, scope: Scope, send: Send, trace_id: str, level: int) -> None:
        self._app = app
        self._scope = scope
        self._entry = dict(scope)  # as it came: routing rewrites the scope's root path
        self._send = send
        self._trace_id = trace_id
        self._level = level
        self._span = trace.get_current_span()
        self._began = time.perf_counter()
        self._held: list[Message] = []
        self._started = False
        self._status: int | None = None
        self._done = False

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
        _log.error("request_failed", exc_info=error, extra=self._request())
        answered = self._started or (bool(self._held) and not self._is_starlettes())
        if not answered:
            self._held = self._answer()
            self._status = _SERVER_ERROR
        if self._span.is_recording():
            self._span.record_exception(error)
        if self._held:
            await self._pass_on(self._held.pop(0))
        if self._span.is_recording():
            # After the start message, upon which the instrumentation writes the bare status code.
            kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
            self._span.set_attribute("error.type", kind)
            self._span.set_status(Status(StatusCode.ERROR, kind))
        await self.release()

    def abandon(self) -> None:
        """Note that the client left; nobody waits for an answer."""
        self._held = []
        if not self._started:
            self._status = CLIENT_GONE

    def finish(self) -> None:
        """Write the exchange's one line, unless its last byte already did."""
        if self._done:
            return
        self._done = True
        self._name_span()
        elapsed_ms = (time.perf_counter() - self._began) * 1000
        outcome = {"status": self._status, "latency_ms": round(elapsed_ms, 3)}
        _log.log(self._level, "request_served", extra=self._request() | outcome)

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
        app = self._app if hasattr(self._app, "routes") else self._scope.get("app")
        return template(getattr(app, "routes", None) or (), self._entry)

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


@contextmanager
def _trace_id(scope: Scope) -> Iterator[str]:
    """Give the current trace id in hexadecimal; where there is none, make one current."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        yield f"{context.trace_id:032x}"
        return
    unrecorded = _unrecorded(scope)
    with trace.use_span(NonRecordingSpan(unrecorded)):
        yield f"{unrecorded.trace_id:032x}"


def _details(scope: Scope) -> tuple[str, dict[str, str]]:
    """Name a span until its route is known; the instrumentation's address would hold the port."""
    server = scope.get("server")
    return method(scope), {"server.address": server[0]} if server else {}


def _unrecorded(scope: Scope) -> SpanContext:
    """Make an unsampled context in the client's trace, or in a new one."""
    carrier: Any = decodable(scope)
    context = propagate.extract(carrier, getter=asgi_getter)
    parent = trace.get_current_span(context).get_span_context()
    trace_id = parent.trace_id if parent.is_valid else secrets.randbits(128) or 1
    return SpanContext(trace_id, secrets.randbits(64) or 1, is_remote=False)
