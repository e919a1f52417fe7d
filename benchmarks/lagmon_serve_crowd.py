"""A crowd of connections that only take room: ``URL IDLE SLOW``, until stdin ends.

IDLE of them have asked once and wait with their connection kept open, as browsers do. Of the SLOW
ones every other sends a request a byte a second, and the rest ask for the whole page and take a
kilobyte a second of it. Who is cut off comes again. Prints one JSON line when all have come, and
one at the end, with how often somebody came again.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

HOST = b"Host: bench\r\n\r\n"
PAUSE_SECONDS = 1.0
BUFFER_BYTES = 1024


class Crowd:
    """Connections to *url*, *size* at a time; `came` counts them by kind, `here` waits for all."""

    def __init__(self, url: str, size: int) -> None:
        self._size = size
        where = urlsplit(url)
        self._host, self._port = where.hostname or "", where.port or 80
        self.came: Counter[str] = Counter()
        self._all = asyncio.Event()

    async def stand(self, kind: str, stay: Callable[[Streams], Awaitable[None]]) -> None:
        """Hold one connection of a *kind*, again and again, each for as long as it may *stay*."""
        while True:
            reader, writer = await asyncio.open_connection(
                self._host, self._port, limit=BUFFER_BYTES
            )
            self.came[kind] += 1
            if self.came.total() >= self._size:
                self._all.set()
            try:
                await stay((reader, writer))
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.transport.abort()

    async def here(self) -> None:
        """Wait until as many have come as there shall be."""
        await self._all.wait()


async def idle(streams: Streams) -> None:
    """Ask once, and wait until the server has had enough."""
    reader, writer = streams
    writer.write(b"GET /-/healthy HTTP/1.1\r\n" + HOST)
    while await reader.read(BUFFER_BYTES):
        pass


async def send_slowly(streams: Streams) -> None:
    """Send a request a byte a second."""
    reader, writer = streams
    for byte in b"GET /metrics HTTP/1.1\r\n" + HOST * 10:
        writer.write(bytes((byte,)))
        await writer.drain()
        await asyncio.sleep(PAUSE_SECONDS)
        if reader.at_eof():
            return


async def take_slowly(streams: Streams) -> None:
    """Take a page a kilobyte a second."""
    reader, writer = streams
    writer.write(b"GET /metrics HTTP/1.1\r\n" + HOST)
    while await reader.read(BUFFER_BYTES):  # noqa: ASYNC110 - no event: it waits to be slow
        await asyncio.sleep(PAUSE_SECONDS)


async def crowd(url: str, idlers: int, slow: int) -> None:
    """Hold *idlers* and *slow* connections to *url* until stdin ends."""
    them = Crowd(url, idlers + slow)
    kinds = {"idle": idle, "sending": send_slowly, "taking": take_slowly}
    counts = {"idle": idlers, "sending": slow // 2, "taking": slow - slow // 2}
    standing = [
        asyncio.create_task(them.stand(kind, stay))
        for kind, stay in kinds.items()
        for _ in range(counts[kind])
    ]
    await them.here()
    print(json.dumps(counts), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    again = {f"{kind}_again": them.came[kind] - counts[kind] for kind in kinds}
    for each in standing:
        each.cancel()
    await asyncio.gather(*standing, return_exceptions=True)
    print(json.dumps(again), flush=True)


if __name__ == "__main__":
    asyncio.run(crowd(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
