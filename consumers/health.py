"""What a service says about itself: /healthz, /readyz, /metrics, as routes for any ASGI app.

- ``/healthz``: does this process still turn? 503 asks for a restart, so nothing outside the
  process, neither Kafka nor the database, may ever make it fail.
- ``/readyz``: can it do its work now? Every check is named in the answer, with its reason.
- ``/metrics``: the registry, as OpenMetrics to whom asks for it.

A check is a callable that gives ``None`` when all is well and a short reason when not. It is called
in a thread for each request, so it may block, but bounds its own time (a second at most). A check
that raises counts as failed, and its exception's type is all that the outside is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import structlog
from prometheus_client.exposition import choose_encoder
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from starlette.requests import Request

Check = Callable[[], str | None]
OK, UNAVAILABLE = 200, 503

log = structlog.get_logger(__name__)


def routes(
    registry: CollectorRegistry, *, alive: Check = lambda: None, ready: Mapping[str, Check]
) -> list[Route]:
    """Make the three routes. *alive* is asked by ``/healthz``, each of *ready* by ``/readyz``."""

    def healthz(_: Request) -> Response:
        return _answer({"loop": alive}, "alive", "stuck")

    def readyz(_: Request) -> Response:
        return _answer(ready, "ready", "not_ready")

    def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"content-type": content_type})

    return [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", metrics),
    ]


def _answer(checks: Mapping[str, Check], good: str, bad: str) -> JSONResponse:
    reasons = {name: _reason(name, check) for name, check in checks.items()}
    fine = not any(reasons.values())
    return JSONResponse(
        {
            "status": good if fine else bad,
            "checks": {name: reason or "ok" for name, reason in reasons.items()},
        },
        status_code=OK if fine else UNAVAILABLE,
        headers={"cache-control": "no-store"},
    )


def _reason(name: str, check: Check) -> str | None:
    try:
        return check()
    except Exception as error:
        log.warning("health_check_failed", check=name, exc_info=error)
        return f"the check failed with {type(error).__name__}"
