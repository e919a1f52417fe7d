"""Stand in for a receiver that answers as a test wants it to: late, by refusal, over TLS."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator


@contextlib.asynccontextmanager
async def answering(
    text: bytes, *, after: float = 0, lines: int = 1, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Serve *text* as the answer to everything; give the address, and the first *lines* asked.

    *lines* are those of each connection. With *tls* it is served over it.
    """
    asked: list[bytes] = []
    scheme = "https" if tls else "http"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(lines):
            if not (line := await reader.readline()).strip():
                break
            asked.append(line)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(after)
            writer.write(text)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    finally:
        server.close()


def response(status: str, *headers: str) -> bytes:
    """Write an empty answer."""
    return "\r\n".join(
        [f"HTTP/1.1 {status}", *headers, "Content-Length: 0", "Connection: close", "", ""]
    ).encode()
