"""What a service says about itself, asked as a probe asks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
import pytest
from starlette.applications import Starlette

from consumers import health
from consumers.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from structlog.typing import EventDict

    from consumers.health import Check


def asked(
    path: str,
    *,
    alive: Check = lambda: None,
    ready: Mapping[str, Check] | None = None,
    accept: str = "*/*",
) -> httpx.Response:
    """Ask for *path* of a service with these checks."""
    routes = health.routes(Metrics().registry, alive=alive, ready=ready or {})
    transport = httpx.ASGITransport(Starlette(routes=routes))

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.get(path, headers={"accept": accept})

    return asyncio.run(ask())


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


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_are_not_kept_by_a_cache(path: str) -> None:
    """An answer about now is no answer about later."""
    assert asked(path).headers["cache-control"] == "no-store"
