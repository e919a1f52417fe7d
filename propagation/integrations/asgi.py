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
