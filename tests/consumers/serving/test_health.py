"""What a service says about itself, asked as a probe asks."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import anyio.to_thread
import httpx
import pytest
from starlette.applications import Starlette

from consumers.metrics import Metrics
from consumers.serving import health
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from structlog.typing import EventDict

    from consumers.serving.health import Check


def asked(
    path: str,
    *,
    alive: Check = lambda: None,
    ready: Mapping[str, Check] | None = None,
    accept: str = "*/*",
) -> httpx.Response:
    """Ask for *path* of a service with these checks."""
    routes = health.routes(Metrics().registry, alive=alive, ready=ready or {})
    return asyncio.run(got(Starlette(routes=routes), path, accept))


async def got(app: Starlette, path: str, accept: str = "*/*") -> httpx.Response:
    """Get *path* of *app* inside a loop that runs."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        return await client.get(path, headers={"accept": accept})


def test_a_live_service_says_so() -> None:
    """A loop that turns is alive, whatever else is down."""
    answer = asked("/healthz", ready={"database": lambda: "down"})

    assert answer.status_code == 200
    assert answer.json() == {"status": "alive", "checks": {"loop": "ok"}}


def test_a_stuck_service_asks_for_a_restart() -> None:
    """A loop that does not turn is 503, with the reason."""
    answer = asked("/healthz", alive=lambda: "the loop has not turned for 31 s")

    assert answer.status_code == 503
    assert answer.json()["checks"] == {"loop": "the loop has not turned for 31 s"}


def test_ready_means_that_every_check_is_well() -> None:
    """All checks are named in the answer."""
    answer = asked("/readyz", ready={"kafka": lambda: None, "database": lambda: None})

    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "checks": {"kafka": "ok", "database": "ok"}}


def test_one_failed_check_is_enough_and_says_why() -> None:
    """One reason makes the service not ready; the others are still told."""
    checks = {"kafka": lambda: None, "migrations": lambda: "0001 is missing"}

    answer = asked("/readyz", ready=checks)

    assert answer.status_code == 503
    assert answer.json() == {
        "status": "not_ready",
        "checks": {"kafka": "ok", "migrations": "0001 is missing"},
    }


def test_a_check_that_raises_is_a_failed_one(logged: list[EventDict]) -> None:
    """The outside learns the exception's type alone: its words may hold a password."""

    def broken() -> str | None:
        raise ConnectionRefusedError("postgresql://game:hunter2@db")

    answer = asked("/readyz", ready={"database": broken})

    assert answer.status_code == 503
    assert answer.json()["checks"] == {"database": "the check failed with ConnectionRefusedError"}
    assert [event["event"] for event in logged] == ["health_check_failed"]


def test_metrics_are_plain_text_by_default() -> None:
    """Whoever asks without a preference gets Prometheus's text format."""
    answer = asked("/metrics")

    assert answer.headers["content-type"].startswith("text/plain")
    assert "consumers_dead_letters_total 0.0" in answer.text


def test_metrics_are_openmetrics_on_request() -> None:
    """Prometheus asks for OpenMetrics and gets it, so that exemplars can be shown."""
    answer = asked("/metrics", accept="application/openmetrics-text; version=1.0.0")

    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/readyz"])
def test_probes_need_no_thread_of_the_requests(path: str) -> None:
    """While requests hold every thread that endpoints share, probes are answered all the same."""
    held = threading.Event()
    routes = health.routes(Metrics().registry, ready={"database": lambda: None})

    async def ask() -> int:
        shared = anyio.to_thread.current_default_thread_limiter()
        waiting = [
            asyncio.ensure_future(anyio.to_thread.run_sync(held.wait, 10))
            for _ in range(int(shared.total_tokens))
        ]
        await asyncio.to_thread(until, lambda: not shared.available_tokens, what="no thread left")
        try:
            async with asyncio.timeout(5):
                return (await got(Starlette(routes=routes), path)).status_code
        finally:
            held.set()
            await asyncio.gather(*waiting)

    assert asyncio.run(ask()) == 200


def test_probes_that_come_at_once_share_one_round() -> None:
    """A hundred probes while a check hangs take one thread, and all get its answer."""
    asked, held = [], threading.Event()

    def slow() -> str | None:
        asked.append(1)
        held.wait(10)
        return "down"

    app = Starlette(routes=health.routes(Metrics().registry, ready={"database": slow}))

    async def ask() -> list[httpx.Response]:
        probes = [asyncio.ensure_future(got(app, "/readyz")) for _ in range(100)]
        await asyncio.to_thread(until, lambda: asked, what="the check to begin")
        probes.append(asyncio.ensure_future(got(app, "/readyz")))
        asyncio.get_running_loop().call_later(0.1, held.set)
        return await asyncio.gather(*probes)

    answers = asyncio.run(ask())

    assert {answer.json()["checks"]["database"] for answer in answers} == {"down"}
    assert len(asked) == 1


def test_checks_wait_side_by_side() -> None:
    """Two checks that block are asked at the same time: readiness waits for the slower alone."""
    both = threading.Barrier(2, timeout=5)

    def meet() -> str | None:
        both.wait()
        return None

    assert asked("/readyz", ready={"kafka": meet, "database": meet}).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_are_not_kept_by_a_cache(path: str) -> None:
    """An answer about now is no answer about later."""
    assert asked(path).headers["cache-control"] == "no-store"
