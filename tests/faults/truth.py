"""What Postgres and the partner say themselves, asked around every proxy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import psycopg
from psycopg.rows import class_row

from tests.faults.account import Settled, Total
from tests.faults.patience import asked, awaited
from tests.infra import plain_http

if TYPE_CHECKING:
    from collections.abc import Collection

PLAYS = "SELECT play_id, player_id, bet, payout, settlement_id FROM plays"
TOTALS = "SELECT player_id, plays, wagered, won FROM player_totals"
WRITTEN = "SELECT play_id FROM plays WHERE play_id = ANY(%s)"
RECENT = 100  # plays: more than any worker has in work


class Truth:
    """The plays and totals in *database*, and the ledger of the partner at *fintech_url*."""

    def __init__(self, database: str, fintech_url: str) -> None:
        self._database, self._fintech_url = database, fintech_url

    def plays(self) -> list[Settled]:
        """Give every play in Postgres."""
        with psycopg.connect(self._database) as connection:
            return connection.cursor(row_factory=class_row(Settled)).execute(PLAYS).fetchall()

    def totals(self) -> list[Total]:
        """Give what Postgres has added up for each player."""
        with psycopg.connect(self._database) as connection:
            return connection.cursor(row_factory=class_row(Total)).execute(TOTALS).fetchall()

    def ledger(self) -> list[Settled]:
        """Give every entry of the partner's ledger, in order."""
        lines = asked(f"{self._fintech_url}/v1/ledger").text.splitlines()
        entries = [json.loads(line) for line in lines]
        return [Settled(*(entry[name] for name in Settled._fields)) for entry in entries]

    def unsettled(self, plays: Collection[str]) -> set[str]:
        """Give those of *plays* that are not in Postgres."""
        with psycopg.connect(self._database) as connection:
            found = connection.execute(WRITTEN, [[*plays]])
            return {*plays} - {row[0] for row in found}

    def unwritten(self) -> list[str]:
        """Name the plays that were paid last and cannot be seen in Postgres, the latest first."""
        paid = [one.play_id for one in self.ledger()[-RECENT:]]
        unsettled = self.unsettled(paid)
        return [play for play in paid if play in unsettled][::-1]


def answers(url: str) -> None:
    """Wait until a service is ready at *url*."""

    def ready() -> bool:
        try:
            return plain_http.get(f"{url}/readyz", timeout=5).is_success
        except httpx.TransportError:
            return False

    awaited(ready, what=f"{url} to be ready")
