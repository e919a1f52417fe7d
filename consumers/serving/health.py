"""What a service says about itself: /healthz, /readyz, /startupz, /metrics, /status, as routes.

- ``/healthz``: does this process still turn? 503 asks for a restart, so nothing outside the
  process, neither Kafka nor the database, may ever make it fail.
- ``/startupz``: has it come up? 503 until it has turned once, 200 from then on. Nothing outside the
  process has a say in it either: a start that waits for a broker is none that a restart would help.
- ``/readyz``: can it do its work now? Every check is named in the answer, with its reason.
- ``/metrics``: the registry, as OpenMetrics to whom asks for it.
- ``/status``: what it is doing, for a person.

A check is a callable that gives ``None`` when all is well and a short reason when not. *alive* and
*started* are called in the event loop and must never wait, so that no probe needs a thread that
others may hold. Those of ``/readyz`` may block, for a second at most: see
`consumers.serving.readiness`. The last two routes may be kept to those who have access.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.exposition import choose_encoder
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from consumers.serving.access import Access
from consumers.serving.readiness import Check, Readiness, Reasons, reason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from prometheus_client import CollectorRegistry
    from starlette.requests import Request

    Endpoint = Callable[[Request], Awaitable[Response]]

OK, UNAUTHORIZED, UNAVAILABLE = 200, 401, 503
NOT_KEPT = {"cache-control": "no-store"}

__all__ = ["Check", "routes"]


def routes(
    registry: CollectorRegistry,
    *,
    ready: Mapping[str, Check],
    alive: Check = lambda: None,
    started: Check = lambda: None,
    status: Callable[[], bytes] | None = None,
    access: Access | None = None,
) -> list[Route]:
    """Make the routes. *alive* is asked by ``/healthz``, each of *ready* by ``/readyz``.

    *started* is asked by ``/startupz`` until it was well once. *status* gives JSON; without it
    there is no ``/status``. Without *access* everybody may see everything.
    """
    readiness, may_see = Readiness(ready), access or Access()
    start = _Once(started)

    async def healthz(_: Request) -> Response:
        return _answer({"loop": reason("loop", alive)}, "alive", "stuck")

    async def startupz(_: Request) -> Response:
        return _answer({"start": start.reason()}, "started", "starting")

    async def readyz(_: Request) -> Response:
        return _answer(await readiness.reasons(), "ready", "not_ready")

    made = [
        Route("/healthz", healthz),
        Route("/startupz", startupz),
        Route("/readyz", readyz),
        Route("/metrics", _kept_to(may_see, _metrics(registry))),
    ]
    return made if status is None else [*made, Route("/status", _kept_to(may_see, _shown(status)))]


def _metrics(registry: CollectorRegistry) -> Endpoint:
    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"content-type": content_type})

    return metrics


def _shown(status: Callable[[], bytes]) -> Endpoint:
    async def show(_: Request) -> Response:
        return Response(status(), media_type="application/json", headers=NOT_KEPT)

    return show


class _Once:
    """A check that is asked until it is well, and is well for ever from then on."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._done = False

    def reason(self) -> str | None:
        why = None if self._done else reason("start", self._check)
        self._done = why is None
        return why


def _kept_to(access: Access, endpoint: Endpoint) -> Endpoint:
    async def guarded(request: Request) -> Response:
        if access.allows(request.headers.get("authorization")):
            return await endpoint(request)
        refused = JSONResponse({"status": "unauthorized"}, UNAUTHORIZED, NOT_KEPT)
        for challenge in access.challenges:
            refused.headers.append("www-authenticate", challenge)
        return refused

    return guarded


def _answer(reasons: Reasons, good: str, bad: str) -> JSONResponse:
    fine = not any(reasons.values())
    return JSONResponse(
        {
            "status": good if fine else bad,
            "checks": {name: why or "ok" for name, why in reasons.items()},
        },
        status_code=OK if fine else UNAVAILABLE,
        headers=NOT_KEPT,
    )
