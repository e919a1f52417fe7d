"""The server below the page: what each of its connections inherits."""

from __future__ import annotations

import asyncio
import time

import httpx
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from lagmon.web.server import WebServer

PAGES, DELAY_SECONDS = 300, 0.040  # that a delayed acknowledgement takes on Linux


def test_a_page_does_not_wait_for_an_acknowledgement() -> None:
    """On one connection 300 pages come in less than the 40 ms that each would wait for Nagle."""
    app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("page"))])

    async def served() -> float:
        server = WebServer(app, "127.0.0.1", 0)
        address = await server.start()
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            await client.get(address)
            began = time.monotonic()
            for _ in range(PAGES):
                await client.get(address)
            took = time.monotonic() - began
        await server.stop(5)
        return took

    assert asyncio.run(served()) < PAGES * DELAY_SECONDS
