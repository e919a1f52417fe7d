"""Put up the page of what the board reports, once a cycle and beside the event loop.

In: a `Board`, which the loop fills. Out: its `page`, written in a thread, in every form that was
asked for so far, so that a scrape is an answer out of memory. Several clusters may ask at once:
pages are written one after the other, each of the report as it is then.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import structlog

from lagmon.exposition.page import Renderer

if TYPE_CHECKING:
    from lagmon.board import Board
    from lagmon.exposition.bounds import Exported
    from lagmon.exposition.text import Page

# For how long a thread may keep the interpreter while another wants it, in seconds. Python's own
# 5 ms, passed on to and fro by each step of an answer, are felt by whoever scrapes during a cycle.
SWITCH_SECONDS = 0.0005

log = structlog.get_logger(__name__)


class Publisher:
    """Writes the pages of *board*."""

    def __init__(self, board: Board, exported: Exported | None = None) -> None:
        self._board = board
        self._renderer = Renderer(exported)
        self._lock = threading.Lock()
        self._dropped = 0

    async def publish(self) -> None:
        """Put up a page of the report as it is now."""
        await asyncio.to_thread(self.write)

    def write(self) -> None:
        """Do the same in this thread."""
        with self._lock:
            page = self._renderer.render(self._board.report)
            for form in self._board.page.forms:
                page.make(form)
            self._board.page = page
            self._log_dropped(self._renderer.dropped, page)

    def _log_dropped(self, dropped: int, page: Page) -> None:
        before, self._dropped = self._dropped, dropped
        if dropped and not before:
            log.warning("series_dropped", dropped=dropped, exported=page.series)
        if before and not dropped:
            log.info("series_complete", exported=page.series)
