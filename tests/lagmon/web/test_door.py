"""The door is shut while somebody comes in."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from lagmon.web.server import WebServer

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


async def app(_: Scope, __: Receive, ___: Send) -> None:
    """Answer nothing: nobody asks."""


@pytest.mark.parametrize("turns", range(6))
def test_who_comes_as_the_door_is_shut_is_not_left_open(turns: int) -> None:
    """However far a connection has come by then, its client sees it end."""

    async def story() -> bytes:
        server = WebServer(app, "127.0.0.1", 0)
        address = await server.start()
        await asyncio.sleep(0)  # it waits for somebody now
        with socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2]))) as client:
            for _ in range(turns):
                await asyncio.sleep(0)
            await server.stop(5)
            client.settimeout(60)
            try:
                return await asyncio.to_thread(client.recv, 1)
            except ConnectionResetError:
                return b""

    assert asyncio.run(story()) == b""
