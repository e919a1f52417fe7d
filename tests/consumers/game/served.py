"""The API in this process: what its tests send to, and what they find behind it."""

from __future__ import annotations

import asyncio
import json
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
from opentelemetry import trace

from consumers.game.api import game_app
from consumers.game.catalogue import BY_CODE
from consumers.game.store import SettledPlay
from consumers.metrics import Metrics
from propagation.integrations.asgi import traced
from tests.consumers.game.builders import ACCEPTED_AT, bet
from tests.infra.wait import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumers.game.events import Play

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SETTLED = SettledPlay(
    "play-1", "ada", "sevens", 250, ["bell", "bell", "bell"], 3000, "0" * 31 + "1", AT, AT
)


class InMemory:
    """Both ports of the API: keeps what was published and in which span, finds what is settled."""

    def __init__(self) -> None:
        self.tried: list[Play] = []
        self.published: list[Play] = []
        self.spans: list[int] = []
        self.settled: dict[str, SettledPlay] = {}
        self.away: Exception | None = None
        self.hangs = False
        self.reading = 0
        self.answers = threading.Event()
        self.answers.set()

    async def publish(self, play: Play) -> None:
        """Keep *play*, unless this is away; never come back while it hangs."""
        self.tried.append(play)
        if self.hangs:
            await asyncio.Event().wait()
        if self.away:
            raise self.away
        self.published.append(play)
        self.spans.append(trace.get_current_span().get_span_context().span_id)

    def find(self, play_id: str) -> SettledPlay | None:
        """Give what was settled, unless this is away; only while it answers."""
        self.reading += 1
        assert self.answers.wait(PATIENCE_SECONDS)
        if self.away:
            raise self.away
        return self.settled.get(play_id)


class Api:
    """The application in this process, made of *parts*, and what stands behind it."""

    def __init__(self, **parts: Any) -> None:
        self.behind = InMemory()
        self.metrics = Metrics()
        app = game_app(
            self.behind, self.behind, self.metrics, now=lambda: ACCEPTED_AT / 1000, **parts
        )
        self.app = traced(app)

    def send(self, method: str, path: str, **parts: Any) -> httpx.Response:
        """Send one request and give its response."""

        async def sent() -> httpx.Response:
            async with self.client() as client:
                return await client.request(method, path, **parts)

        return asyncio.run(sent())

    def client(self) -> httpx.AsyncClient:
        """Give a client to send several requests with."""
        transport = httpx.ASGITransport(self.app)
        return httpx.AsyncClient(transport=transport, base_url="http://api")

    def play(self, body: Any = None, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """Post one play; *body* replaces a good one, as it is if it is bytes."""
        content = body if isinstance(body, bytes) else json.dumps(body or bet()).encode()
        sent = {"content-type": "application/json"} | dict(headers or {})
        return self.send("POST", "/game/slots/play", content=content, headers=sent)

    def counted(self, name: str, **labels: str) -> float | None:
        """Read a counter."""
        return self.metrics.registry.get_sample_value(name, labels)


def error_of(response: httpx.Response) -> dict[str, Any]:
    """Give the error of *response*; every error is in the catalogue, and carries both its ids."""
    error: dict[str, Any] = response.json()["error"]
    entry = BY_CODE[error["code"]]
    assert (response.status_code, error["retryable"]) == (entry.status, entry.retryable)
    assert error["trace_id"] == response.headers["x-trace-id"]
    assert error["request_id"] == response.headers["x-request-id"]
    assert error["time"] == "2025-11-24T16:00:00.000+00:00"
    assert error["message"]
    assert response.headers.get("retry-after", "") == str(error.get("retry_after", ""))
    assert ("retry_after" in error) == entry.retryable
    return error
