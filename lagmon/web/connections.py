"""One connection's manners: what it may send, and how long it may take for it.

uvicorn has no deadline but for an idle connection. Here a request has to be there, whole, within
`Limits.request_seconds` of its first byte, the first one of the connection's beginning; an answer
has to be taken within `Limits.answer_seconds`. What comes late, or is too much, ends the
connection: whoever sends it gets no thread, no task and no answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

    from uvicorn.config import Config
    from uvicorn.protocols.http.h11_impl import RequestResponseCycle
    from uvicorn.server import ServerState


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server bears. *head_bytes* is the request line and all headers together."""

    connections: int = 1000
    handshake_seconds: float = 5.0
    request_seconds: float = 10.0
    answer_seconds: float = 30.0
    # Longer than any usual scrape interval, so that Prometheus keeps its connection.
    idle_seconds: int = 75
    head_bytes: int = 16_384
    target_bytes: int = 4096
    body_bytes: int = 16_384


class Connection(H11Protocol):
    """uvicorn's connection, held to *limits*.

    *believes* is asked about the certificate of its client, *told* hears why it was cut.
    """

    def __init__(
        self,
        config: Config,
        state: ServerState,
        limits: Limits,
        believes: Callable[[Mapping[str, object] | None], bool],
        told: Callable[[str], None],
    ) -> None:
        super().__init__(config, state, {})
        self._limits, self._believes, self._told = limits, believes, told
        self._late: asyncio.TimerHandle | None = None
        self._untaken: asyncio.TimerHandle | None = None
        self._body_bytes = 0
        # Since when it owes us a request, on the loop's clock; None while it has one.
        self.waits_since: float | None = self.loop.time()

    def cut(self, why: str) -> None:
        """End it at once, for the reason *why*."""
        if not self.transport.is_closing():
            self._told(why)
        self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, unless the client's certificate is not believed."""
        super().connection_made(transport)
        if not self._believes(transport.get_extra_info("peercert")):
            self.cut("certificate")
        else:
            self._watch()

    def data_received(self, data: bytes) -> None:
        """Take *data*, unless it is more than a request may have."""
        super().data_received(data)
        coming = self.conn.their_state is h11.SEND_BODY
        self._body_bytes = self._body_bytes + len(data) if coming else 0
        if self._body_bytes > self._limits.head_bytes + self._limits.body_bytes:
            self.cut("body_too_large")
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the rest of this one."""
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        """Give the client time to take what was sent."""
        super().pause_writing()
        seconds = self._limits.answer_seconds
        self._untaken = self.loop.call_later(seconds, self.cut, "answer_not_taken")

    def resume_writing(self) -> None:
        """Go on sending."""
        super().resume_writing()
        self._taken()

    def timeout_keep_alive_handler(self) -> None:
        """End an idle connection; one whose client takes nothing has no goodbye to wait for."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        super().timeout_keep_alive_handler()

    def shutdown(self) -> None:
        """End it after the answer under way, or at once if there is none."""
        try:
            super().shutdown()
        except h11.LocalProtocolError:  # it was about to be closed for a broken request
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget its deadlines."""
        self._on_time()
        self._taken()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Have a deadline exactly while a request, or the rest of one, is owed."""
        cycle = cast("RequestResponseCycle | None", self.cycle)  # none before the first request
        answering = cycle is not None and not cycle.response_complete
        if answering:
            self.waits_since = None
        elif self.waits_since is None:
            self.waits_since = self.loop.time()
        begun, _ = self.conn.trailing_data
        idle = self.timeout_keep_alive_task is not None and not begun
        owed = self.conn.their_state is h11.SEND_BODY or not (answering or idle)
        if not owed or self.transport.is_closing():
            self._on_time()
        elif self._late is None:
            seconds = self._limits.request_seconds
            self._late = self.loop.call_later(seconds, self.cut, "request_late")

    def _on_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _taken(self) -> None:
        if self._untaken is not None:
            self._untaken.cancel()
            self._untaken = None
