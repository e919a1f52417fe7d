"""The stream that keeps a page fresh: small, bounded, and over when it has to be."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from lagmon.alerts.rules import SHIPPED
from lagmon.report import Links
from lagmon.web.app import create_app
from lagmon.web.events import MEDIA_TYPE, Bounds, Streams
from lagmon.web.server import WebServer
from tests.lagmon.builders import NOON, cycle, group, lags
from tests.lagmon.web.test_app import filled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, MutableMapping

LONG = 60.0  # seconds that no test waits for
QUICK = Bounds(pause=0.01, beat=LONG)


class Reader:
    """The other side of one stream: *taken* are the texts that it was sent."""

    def __init__(self, streams: Streams, *, takes: bool = True, method: str = "GET") -> None:
        self._takes = takes
        self._came = asyncio.Event()
        self._leaves = asyncio.Event()
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.taken: list[str] = []
        self.is_whole = False
        scope = {"type": "http", "method": method, "path": "/events", "headers": []}
        self.task = asyncio.create_task(streams(scope, self._receive, self._send))

    async def _receive(self) -> MutableMapping[str, Any]:
        await self._leaves.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
            return
        if not self._takes:
            await asyncio.sleep(LONG)
        self.is_whole = not message.get("more_body", False)
        self.taken.append(message["body"].decode())
        self._came.set()

    async def next(self) -> str:
        """Give the next text, at most half of `LONG` later."""
        async with asyncio.timeout(LONG / 2):
            while not self.taken:
                self._came.clear()
                await self._came.wait()
        return self.taken.pop(0)

    async def end(self) -> None:
        """Wait until the stream is over."""
        async with asyncio.timeout(LONG / 2):
            await self.task

    def leave(self) -> None:
        """Close the browser."""
        self._leaves.set()


def test_each_change_is_one_small_event() -> None:
    """It says that there is something new, and not what: the page is asked for anew."""

    async def story() -> list[str]:
        streams = Streams(QUICK)
        reader = Reader(streams)
        said = [await reader.next()]
        for _ in range(2):
            streams.tell()
            said.append(await reader.next())
        assert (reader.status, reader.headers[b"content-type"]) == (200, MEDIA_TYPE.encode())
        reader.leave()
        await reader.end()
        return said

    assert asyncio.run(story()) == ["retry: 3000\n\n", "data: 1\n\n", "data: 2\n\n"]


def test_many_changes_at_once_are_one_event() -> None:
    """A stream holds nothing back, so nothing can grow."""

    async def story() -> str:
        streams = Streams(QUICK)
        reader = Reader(streams)
        await reader.next()
        for _ in range(1000):
            streams.tell()
        said = await reader.next()
        reader.leave()
        await reader.end()
        assert not reader.taken
        return said

    assert asyncio.run(story()) == "data: 1000\n\n"


def test_silence_is_broken_by_a_line_without_meaning() -> None:
    """Proxies do not take the stream for dead."""

    async def story() -> str:
        reader = Reader(Streams(Bounds(pause=0, beat=0.01)))
        await reader.next()
        said = await reader.next()
        reader.leave()
        await reader.end()
        return said

    assert asyncio.run(story()) == ": nothing new\n\n"


def test_streams_are_bounded_and_a_free_place_is_taken_again() -> None:
    """Whoever comes too late is told to come again, and may when one has gone."""

    async def story() -> list[int]:
        streams = Streams(Bounds(streams=1, pause=0, beat=LONG))
        first = Reader(streams)
        await first.next()
        refused = Reader(streams)
        await refused.end()
        assert refused.headers[b"retry-after"] == b"60"
        first.leave()
        await first.end()
        again = Reader(streams)
        await again.next()
        again.leave()
        await again.end()
        return [first.status, refused.status, again.status, streams.open]

    assert asyncio.run(story()) == [200, 503, 200, 0]


def test_who_takes_nothing_is_dropped() -> None:
    """A browser that stands still holds no place for long."""

    async def story() -> Reader:
        streams = Streams(Bounds(send=0.01, beat=LONG))
        reader = Reader(streams, takes=False)
        await reader.end()
        assert streams.open == 0
        return reader

    reader = asyncio.run(story())

    assert (reader.status, reader.taken, reader.is_whole) == (200, [], False)


def test_a_stream_ends_after_its_time() -> None:
    """The browser comes again; one that only seems to be there does not."""

    async def story() -> Reader:
        reader = Reader(Streams(Bounds(pause=0, beat=0.01, life=0.05)))
        await reader.end()
        return reader

    reader = asyncio.run(story())

    assert reader.is_whole
    assert reader.taken[0] == "retry: 3000\n\n"


def test_closing_ends_every_stream_and_lets_nobody_in() -> None:
    """Also those that wait between two events."""

    async def story() -> list[int]:
        streams = Streams(Bounds(pause=LONG, beat=LONG))
        readers = [Reader(streams) for _ in range(3)]
        for reader in readers:
            await reader.next()
        streams.close()
        for reader in readers:
            await reader.end()
            assert reader.is_whole
        late = Reader(streams)
        await late.end()
        return [streams.open, late.status]

    assert asyncio.run(story()) == [0, 503]


def test_head_has_no_events() -> None:
    """A probe is answered and gone."""

    async def story() -> Reader:
        reader = Reader(Streams(QUICK), method="HEAD")
        await reader.end()
        return reader

    reader = asyncio.run(story())

    assert (reader.status, reader.taken, reader.is_whole) == (200, [""], True)


@asynccontextmanager
async def served(streams: Streams) -> AsyncIterator[tuple[WebServer, str, Any]]:
    """Serve a board on a real socket."""
    board = filled(cycle(lags(group(7))))
    app = create_app(board, SHIPPED, Links(), lambda: NOON, streams=streams)
    server = WebServer(app, "127.0.0.1", 0)
    address = await server.start()
    try:
        yield server, address, board
    finally:
        await server.stop(5)


def test_a_board_that_changes_is_told_over_a_real_socket() -> None:
    """What is put on the board reaches whoever listens."""

    async def story() -> str:
        streams = Streams(QUICK)
        async with (
            served(streams) as (_, address, board),
            httpx.AsyncClient(timeout=LONG) as client,
            client.stream("GET", f"{address}/events") as answer,
        ):
            texts = answer.aiter_lines()
            assert await anext(texts) == "retry: 3000"
            assert answer.headers["cache-control"] == "no-cache"
            board.put(cycle(lags(group(8))))
            async for line in texts:
                if line.startswith("data"):
                    streams.close()
                    return line
        raise AssertionError("the stream ended without an event")

    assert asyncio.run(story()) == "data: 1"


def test_open_streams_do_not_hold_up_the_stop() -> None:
    """Whoever closes the streams first has nobody to wait for."""

    async def story() -> tuple[float, str]:
        streams = Streams(QUICK)
        async with (
            served(streams) as (server, address, _),
            httpx.AsyncClient(timeout=LONG) as client,
            client.stream("GET", f"{address}/events") as answer,
        ):
            texts = answer.aiter_text()
            await anext(texts)
            began = asyncio.get_running_loop().time()
            streams.close()
            await server.stop(LONG)
            took = asyncio.get_running_loop().time() - began
            return took, "".join([text async for text in texts])

    took, rest = asyncio.run(story())

    assert took < LONG / 2
    assert rest == ""


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_stream_only_reads(method: str) -> None:
    """Nothing can be sent to it."""

    async def story() -> int:
        async with (
            served(Streams(QUICK)) as (_, address, _),
            httpx.AsyncClient(timeout=LONG) as client,
        ):
            return (await client.request(method, f"{address}/events")).status_code

    assert asyncio.run(story()) == 405
