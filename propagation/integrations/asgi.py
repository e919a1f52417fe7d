"""Give every HTTP request a span, a trace id that its client sees, metrics, and one log line.

`traced(app)` wraps any ASGI application. The server span is OpenTelemetry's own (stable HTTP
conventions, no span per ASGI message), named after the route's template; a client's valid
`traceparent` is continued, a malformed one starts a new trace. What the client says about sampling
is not believed unless asked for: see `propagation.integrations.edge`. Every response carries
`x-trace-id`, errors and unhandled exceptions too. Bodies and query strings are never logged.

Probes get no span and are not measured, so that neither they nor the queries they make fill the
trace store; they still run under a trace id, which is in their response and log line. The same
holds without an SDK: ids do not depend on spans being recorded. WebSockets and lifespan pass
straight through.
"""

from __future__ import annotations

import logging
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import propagate, trace
from opentelemetry.metrics import NoOpMeter
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from propagation.carrier import adopt_w3c
from propagation.integrations.conventions import prefer_stable

try:
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware, asgi_getter
    from starlette.requests import ClientDisconnect

    from propagation.integrations.edge import EdgeTracer
    from propagation.integrations.exchange import (
        CLIENT_GONE,
        HEADER,
        PATH_CHARACTERS,
        Exchange,
        Setup,
    )
    from propagation.integrations.http_metrics import HttpMetrics
    from propagation.integrations.scopes import decodable, method, original
except ImportError as error:
    raise ImportError("propagation.integrations.asgi needs: pip install 'lagmon[asgi]'") from error

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["CLIENT_GONE", "HEADER", "PATH_CHARACTERS", "PROBES", "traced"]

PROBES: Final = ("/healthz", "/readyz", "/metrics")


def traced(
    app: ASGIApp,
    *,
    probes: Collection[str] = PROBES,
    slow_seconds: float | None = None,
    trust_sampling: bool = False,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> ASGIApp:
    """Wrap *app* so that each request has a span, an `x-trace-id` and a `request_served` line.

    *probes* are paths that are served without a span and logged at DEBUG. A request, also a probe,
    that takes longer than *slow_seconds* to its last byte is warned of as `request_slow`; ``None``
    turns that off. *trust_sampling*: follow the sampled flag of a client's `traceparent`, as fits
    behind a gateway of one's own; otherwise the sampler here decides alone. The providers are the
    global ones unless given.

    An unhandled exception is put on the span, logged once as `request_failed` and answered with 500
    and a JSON body that shows the trace id and nothing internal; it does not travel on to the
    server. An answer that the application's own handler gave to the exception is kept. Wrap the
    application last, and by no other instrumentation of HTTP.
    """
    bound = None if slow_seconds is None else float(slow_seconds)
    tracer = EdgeTracer(tracer_provider, trust_sampling=trust_sampling)
    served = Setup(app, bound, logging.INFO, HttpMetrics(meter_provider))
    probed = Setup(app, bound, logging.DEBUG, None)
    return _Traced(served, probed, frozenset(probes), tracer)


class _Traced:
    """The wrapped application: chooses what gets a span and sees each exchange to its end."""

    def __init__(
        self, served: Setup, probed: Setup, probes: frozenset[str], tracer: EdgeTracer
    ) -> None:
        prefer_stable()
        adopt_w3c()
        self._served, self._probed = served, probed
        self._probes = probes
        self._spanned = OpenTelemetryMiddleware(
            self._serve,
            default_span_details=_details,
            exclude_spans=["receive", "send"],
            tracer=tracer,
            meter=NoOpMeter("propagation"),  # its metrics know no route: ours stand in their place
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._served.app(scope, receive, send)
        elif scope["path"] in self._probes:
            await self._serve(scope, receive, send)
        else:
            await self._spanned(decodable(scope), receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope = original(scope)
        setup = self._probed if scope["path"] in self._probes else self._served
        with _trace_id(scope) as trace_id:
            exchange = Exchange(setup, scope, send, trace_id)
            try:
                await setup.app(scope, receive, exchange.send)
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
    span_id, random = secrets.randbits(64) or 1, TraceFlags.RANDOM_TRACE_ID
    if not parent.is_valid:
        return SpanContext(secrets.randbits(128) or 1, span_id, False, TraceFlags(random))
    flags = TraceFlags(parent.trace_flags & random)
    return SpanContext(parent.trace_id, span_id, False, flags, parent.trace_state)
