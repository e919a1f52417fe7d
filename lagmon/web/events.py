"""Tell browsers that there is something new: server-sent events, and nothing else in them. No I/O.

In: `Streams.tell` each time that the board changes. Out: on each stream one small event with a
running number, after which the browser asks for its page again. So a stream holds nothing that
could be too much, and misses nothing by being late: what it has not taken is one event, whatever
happened meanwhile.

Streams are bounded in number and in time. Whoever does not take an event in time is dropped; who
comes when all are taken is told to come again. `Streams.close` ends them all at once.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

MEDIA_TYPE = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What streams may take, in seconds but for *streams*, the number of them.

    A line without meaning after *beat* of silence shows proxies and us that somebody is there; a
    browser comes again *again* after its stream has ended, as each does after *life*.
    """

    streams: int = 100
    send: float = 10.0
    beat: float = 15.0
    pause: float = 1.0
    life: float = 600.0
    again: float = 3.0


class Streams:
    """The open streams: an ASGI application for one route."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        self._bounds = bounds or Bounds()
        self._told = 0
        self._turn = asyncio.Event()
        self._closing = asyncio.Event()
        self.open = 0

    def tell(self) -> None:
        """Say on every stream that there is something new. Never waits."""
        self._told += 1
        turn, self._turn = self._turn, asyncio.Event()
        turn.set()

    def close(self) -> None:
        """End every stream, and refuse new ones: the process is about to end."""
        self._closing.set()
        self.tell()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one stream until it is over, closed, dropped, or its browser has gone."""
        if self.open >= self._bounds.streams or self._closing.is_set():
            headers = {"Retry-After": f"{self._bounds.beat:.0f}"}
            text = "No stream is free; the page can be asked for at any time.\n"
            refusal = PlainTextResponse(text, HTTPStatus.SERVICE_UNAVAILABLE, headers)
            await refusal(scope, receive, send)
            return
        self.open += 1
        told = asyncio.create_task(self._serve(send, only_head=scope["method"] == "HEAD"))
        gone = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait({told, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.open -= 1
            told.cancel()
            gone.cancel()
            await asyncio.gather(told, gone, return_exceptions=True)

    async def _serve(self, send: Send, *, only_head: bool) -> None:
        headers = [(b"content-type", MEDIA_TYPE.encode())]
        await self._send(send, type="http.response.start", status=200, headers=headers)
        if not only_head:
            await self._send_events(send)
        await self._send(send, type="http.response.body", body=b"", more_body=False)

    async def _send_events(self, send: Send) -> None:
        bounds, seen = self._bounds, self._told
        end = asyncio.get_running_loop().time() + bounds.life
        text = f"retry: {bounds.again * 1000:.0f}\n\n"
        while True:
            await self._send(send, type="http.response.body", body=text.encode(), more_body=True)
            await _passed(self._closing, bounds.pause)
            if seen == self._told and not self._closing.is_set():
                await _passed(self._turn, bounds.beat)
            if self._closing.is_set() or asyncio.get_running_loop().time() >= end:
                return
            text = ": nothing new\n\n" if seen == self._told else f"data: {self._told}\n\n"
            seen = self._told

    async def _send(self, send: Send, **message: object) -> None:
        """Send; TimeoutError, which ends the stream, if it is not taken in time."""
        async with asyncio.timeout(self._bounds.send):
            await send(message)


async def _passed(event: asyncio.Event, seconds: float) -> None:
    """Wait for *event*, and no longer than *seconds*."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


async def _gone(receive: Receive) -> None:
    """Wait until the browser has closed its side."""
    while (await receive())["type"] != "http.disconnect":
        pass
