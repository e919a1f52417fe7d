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
from consumers.serving import health, readiness
from consumers.serving.access import Access
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from structlog.typing import EventDict

    from consumers.serving.health import Check


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be one round of checks, and let it take as long as a loaded machine needs."""
    monkeypatch.setattr(readiness, "REFRESH_SECONDS", 3600)
    monkeypatch.setattr(readiness, "PATIENCE_SECONDS", 60)


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
            asyncio.ensure_future(anyio.to_thread.run_sync(held.wait, 60))
            for _ in range(int(shared.total_tokens))
        ]
        await asyncio.to_thread(until, lambda: not shared.available_tokens, what="no thread left")
        try:
            async with asyncio.timeout(20):
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
        held.wait(60)
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
    both = threading.Barrier(2, timeout=30)

    def meet() -> str | None:
        both.wait()
        return None

    assert asked("/readyz", ready={"kafka": meet, "database": meet}).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_are_not_kept_by_a_cache(path: str) -> None:
    """An answer about now is no answer about later."""
    assert asked(path).headers["cache-control"] == "no-store"


def test_a_start_is_over_once_and_for_all() -> None:
    """503 until the loop has turned once; then the check is asked no more."""
    said: list[str | None] = ["the loop has not turned yet", None, "not again"]
    app = Starlette(routes=health.routes(Metrics().registry, ready={}, started=lambda: said.pop(0)))

    answers = [asyncio.run(got(app, "/startupz")) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [503, 200, 200, 200]
    assert answers[0].json()["checks"] == {"start": "the loop has not turned yet"}
    assert answers[-1].json() == {"status": "started", "checks": {"start": "ok"}}
    assert said == ["not again"]


def test_the_status_is_json() -> None:
    """What it is handed goes out as it is, and is not kept."""
    routes = health.routes(Metrics().registry, ready={}, status=lambda: b'{"service": "game"}')

    answer = asyncio.run(got(Starlette(routes=routes), "/status"))

    assert answer.json() == {"service": "game"}
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"


def test_a_service_without_a_status_has_no_such_page() -> None:
    """404, like any path that is not there."""
    assert asked("/status").status_code == 404


@pytest.mark.parametrize(
    ("path", "secret"),
    [
        ("/metrics", True),
        ("/status", True),
        ("/healthz", False),
        ("/readyz", False),
        ("/startupz", False),
    ],
)
def test_what_tells_much_is_kept_to_those_who_have_access(
    tmp_path: Path, path: str, *, secret: bool
) -> None:
    """Metrics and status need the token; probes do not, for who probes has none."""
    token = tmp_path / "token"
    token.write_text("s3cret")
    routes = health.routes(Metrics().registry, ready={}, status=lambda: b"{}", access=Access(token))

    async def ask(headers: dict[str, str]) -> httpx.Response:
        transport = httpx.ASGITransport(Starlette(routes=routes))
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.get(path, headers=headers)

    without, wrong, right = (
        asyncio.run(ask(headers))
        for headers in (
            {},
            {"authorization": "Bearer guess"},
            {"authorization": "Bearer s3cret"},
        )
    )

    refused = 401 if secret else 200
    assert [one.status_code for one in (without, wrong, right)] == [refused, refused, 200]
    if secret:
        assert without.headers["www-authenticate"] == "Bearer"
        assert without.json() == {"status": "unauthorized"}
