"""The server below the page: what each of its connections inherits."""

from __future__ import annotations

import asyncio
import statistics
import time

import httpx
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from lagmon.web.server import WebServer

PAGES, DELAY_SECONDS = 300, 0.040  # that a delayed acknowledgement takes on Linux


def test_a_page_does_not_wait_for_an_acknowledgement() -> None:
    """Of 300 on one connection most come in less than the 40 ms that each would wait for Nagle."""
    app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("page"))])

    async def served() -> float:
        server = WebServer(app, "127.0.0.1", 0)
        address = await server.start()
        took = []
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            for _ in range(PAGES):
                began = time.monotonic()
                await client.get(address)
                took.append(time.monotonic() - began)
        await server.stop(5)
        return statistics.median(took)

    assert asyncio.run(served()) < DELAY_SECONDS
