"""The game's handler as batch handler and as ``async def``, for ``consumers run``.

What a record does is the product's own; only the way in which it is called is another.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING

from consumers.commands.service import make_guard, read
from consumers.commands.worker import open_partner
from consumers.configuration.settings import WorkerSettings
from consumers.game.handler import SettlePlay
from consumers.game.store import Store
from consumers.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.types import Record

CLOSE_SECONDS = 5.0


class Game:
    """What both settle plays with."""

    def open(self) -> None:
        """Connect as ``consumers worker`` would with the same settings."""
        settings, metrics = read(WorkerSettings, None), Metrics()
        store = Store(
            settings.database_url.get_secret_value(),
            "game-consumer",
            connections=settings.lanes,
            guard=make_guard("postgres", settings, metrics),
        )
        store.open()
        with ExitStack() as stack:
            stack.callback(store.close, CLOSE_SECONDS)
            partner = open_partner(
                settings, make_guard("fintech", settings, metrics), metrics, stack
            )
            self._stack = stack.pop_all()
        self._settle = SettlePlay(store, metrics, partner)

    def close(self) -> None:
        """Let go of all that."""
        self._stack.close()


class Batch(Game):
    """Settles several plays at once; one that fails is settled again with its neighbours."""

    def handle_batch(self, records: Sequence[Record]) -> None:
        """Settle the plays in *records*."""
        for record in records:
            self._settle(record)


class Awaited(Game):
    """Settles a play while others wait for theirs in the same event loop."""

    async def handle(self, record: Record) -> None:
        """Settle the play in *record*."""
        await asyncio.to_thread(self._settle, record)
