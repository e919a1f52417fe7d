"""Count and time HTTP requests by OpenTelemetry's metrics API: rate, errors, duration, in flight.

Source: semantic conventions 1.44.0, HTTP metrics
(https://opentelemetry.io/docs/specs/semconv/http/http-metrics/). Requests by status are the counts
of the histogram by ``http.response.status_code``. Without a meter provider nothing is kept. No
attribute carries what a client can choose freely: the route is its template, an unknown method is
``_OTHER``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry import metrics
from opentelemetry.util.http import sanitize_method

from propagation.conventions import SCHEMA_URL

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.util.types import AttributeValue
    from starlette.types import Scope

    Attributes = dict[str, AttributeValue]

DURATION: Final = "http.server.request.duration"
ACTIVE: Final = "http.server.active_requests"

BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""Seconds, as the conventions ask for."""

CLIENT_GONE: Final = "client_disconnected"
UNANSWERED: Final = "_OTHER"  # the conventions' word for a cause without a name

_SCHEMES: Final = frozenset({"http", "https"})
_SERVER_ERROR: Final = 500


class HttpMetrics:
    """The instruments of one application, of *provider* or else the global meter provider."""

    def __init__(self, provider: MeterProvider | None = None) -> None:
        meter = metrics.get_meter("propagation", meter_provider=provider, schema_url=SCHEMA_URL)
        self._duration = meter.create_histogram(
            DURATION,
            unit="s",
            description="Duration of HTTP server requests.",
            explicit_bucket_boundaries_advisory=BUCKETS,
        )
        self._active = meter.create_up_down_counter(
            ACTIVE, unit="{request}", description="Number of active HTTP server requests."
        )

    def began(self, scope: Scope, route: str | None) -> Attributes:
        """Count a request as in flight; give the attributes that `ended` must be handed.

        *route* is its template, where that is known before it is served.
        """
        attributes: Attributes = {"http.request.method": sanitize_method(scope["method"])}
        if (scheme := scope.get("scheme")) in _SCHEMES:
            attributes["url.scheme"] = scheme
        if route:
            attributes["http.route"] = route
        self._active.add(1, attributes)
        return attributes

    def ended(
        self,
        began: Attributes,
        seconds: float,
        *,
        version: str,
        route: str | None,
        status: int | None,
        error: str | None,
    ) -> None:
        """Count a request as done after *seconds*, under the span that is current.

        *status* is what the client got, ``None`` where it got none; *error* says why the request
        failed, where something better is known than its status.
        """
        self._active.add(-1, began)
        attributes = {**began, "network.protocol.version": version}
        if route:
            attributes["http.route"] = route
        if status is not None:
            attributes["http.response.status_code"] = status
        if error is None and (status is None or status >= _SERVER_ERROR):
            error = UNANSWERED if status is None else str(status)
        if error is not None:
            attributes["error.type"] = error
        self._duration.record(max(seconds, 0.0), attributes)
