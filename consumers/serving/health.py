"""What a service says about itself: /healthz, /readyz, /metrics, as routes for any ASGI app.

- ``/healthz``: does this process still turn? 503 asks for a restart, so nothing outside the
  process, neither Kafka nor the database, may ever make it fail.
- ``/readyz``: can it do its work now? Every check is named in the answer, with its reason.
- ``/metrics``: the registry, as OpenMetrics to whom asks for it.

A check is a callable that gives ``None`` when all is well and a short reason when not. *alive* is
called in the event loop and must never wait, so that neither ``/healthz`` nor ``/metrics`` needs a
thread that others may hold. Those of ``/readyz`` run in threads of their own and may block, but
bound their time (a second at most); probes that come meanwhile share the round that is under way. A
check that raises counts as failed, and its exception's type is all that the outside is told.
"""

from __future__ import annotations

import asyncio
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
Reasons = dict[str, str | None]
OK, UNAVAILABLE = 200, 503

log = structlog.get_logger(__name__)


def routes(
    registry: CollectorRegistry, *, alive: Check = lambda: None, ready: Mapping[str, Check]
) -> list[Route]:
    """Make the three routes. *alive* is asked by ``/healthz``, each of *ready* by ``/readyz``."""
    round_of_checks = _Round(ready)

    async def healthz(_: Request) -> Response:
        return _answer({"loop": _reason("loop", alive)}, "alive", "stuck")

    async def readyz(_: Request) -> Response:
        return _answer(await round_of_checks.reasons(), "ready", "not_ready")

    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"content-type": content_type})

    return [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", metrics),
    ]


class _Round:
    """Calls all *checks* at once, each in a thread, for everybody who asks before they are done."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self._under_way: asyncio.Task[Reasons] | None = None

    async def reasons(self) -> Reasons:
        """Give what the checks say."""
        if self._under_way is None:
            self._under_way = asyncio.create_task(self._ask())
            self._under_way.add_done_callback(self._done)
        # One probe that goes away takes no answer from the others.
        return await asyncio.shield(self._under_way)

    def _done(self, _: asyncio.Task[Reasons]) -> None:
        self._under_way = None

    async def _ask(self) -> Reasons:
        # The loop's own executor, not Starlette's threads: what waits there has no part in this.
        asked = (asyncio.to_thread(_reason, *check) for check in self._checks.items())
        return dict(zip(self._checks, await asyncio.gather(*asked), strict=True))


def _answer(reasons: Reasons, good: str, bad: str) -> JSONResponse:
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
