"""Plays and totals in Postgres. The only place of the game with SQL.

`Store.settle` writes a play and its player's totals in one transaction, or finds that the play is
there already: whatever is delivered twice, or retried after a COMMIT whose answer was lost, counts
once. What the database cannot do now, but could once it is back, up to date or unlocked, is raised
as `Unavailable`; any other error of psycopg travels on, and the runtime judges it by its SQLSTATE.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from enum import Enum
from typing import TYPE_CHECKING

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import class_row
from psycopg_pool import ConnectionPool

from consumers.errors import Reaction, Unavailable, reaction_to
from consumers.game.schema import missing
from consumers.types import Connections
from propagation.integrations.postgres import transaction

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from datetime import datetime

    from consumers.game.events import Play
    from consumers.game.service import Outcome

POOL_TIMEOUT_SECONDS = 3.0  # to wait for a free connection, or for the first one
READY_TIMEOUT_SECONDS = 1.0
# The pool doubles its pauses between attempts without a bound, so that after an hour's outage it
# would sleep for minutes. It gives up instead, and begins anew when somebody asks for a connection.
RECONNECT_SECONDS = 2.0

# Unless the URL says otherwise. A peer that vanished without a word is noticed within 15 s.
CONNECTION = {
    "connect_timeout": 3,  # seconds
    "keepalives_idle": 5,  # seconds
    "keepalives_interval": 5,  # seconds
    "keepalives_count": 2,
    "tcp_user_timeout": 15_000,  # ms
    "options": "-c statement_timeout=30s",
}

INSERT_PLAY = (
    "INSERT INTO plays (play_id, player_id, game, bet, symbols, payout, trace_id, settlement_id,"
    " accepted_at)"
    " VALUES (%(play_id)s, %(player_id)s, %(game)s, %(bet)s, %(symbols)s, %(payout)s,"
    " %(trace_id)s, %(settlement_id)s, to_timestamp(%(accepted_at)s / 1000.0))"
    " ON CONFLICT (play_id) DO NOTHING"
)
ADD_TO_TOTALS = (
    "INSERT INTO player_totals AS t (player_id, plays, wagered, won)"
    " VALUES (%(player_id)s, 1, %(bet)s, %(payout)s)"
    " ON CONFLICT (player_id) DO UPDATE SET plays = t.plays + 1, wagered = t.wagered"
    " + excluded.wagered, won = t.won + excluded.won, updated_at = now()"
)
IS_THE_SAME = (
    "SELECT player_id = %(player_id)s AND game = %(game)s AND bet = %(bet)s"
    " FROM plays WHERE play_id = %(play_id)s"
)
FIND_PLAY = (
    "SELECT play_id, player_id, game, bet, symbols, payout, trace_id, accepted_at, settled_at,"
    " settlement_id FROM plays WHERE play_id = %s"
)


class Settlement(Enum):
    """What settling a play did."""

    WRITTEN = "written"
    DUPLICATE = "duplicate"  # the very same play was there
    CONFLICT = "conflict"  # another bet was there under its id: that one stands


@dataclass(frozen=True, slots=True)
class SettledPlay:
    """A play as it was written. Money is in cents; *trace_id* is the request's.

    *settlement_id* is the partner's, ``None`` where plays are settled without one.
    """

    play_id: str
    player_id: str
    game: str
    bet: int
    symbols: list[str]
    payout: int
    trace_id: str | None
    accepted_at: datetime
    settled_at: datetime
    settlement_id: str | None = None


class Store:
    """The tables behind a pool of connections. Opened and closed once; safe from many threads.

    *service* names the transactions, see `propagation.integrations.postgres.transaction`.
    *connections* is how many there are at most. *guard* is entered around each transaction, and is
    left by `Unavailable` when the database cannot work now.
    """

    def __init__(
        self,
        url: str,
        service: str,
        *,
        connections: int,
        guard: AbstractContextManager[object] | None = None,
    ) -> None:
        self._service = service
        self._guard = guard or nullcontext()
        self._pool = ConnectionPool(
            kwargs={**CONNECTION, "application_name": service, **conninfo_to_dict(url)},
            min_size=1,
            max_size=connections,
            timeout=POOL_TIMEOUT_SECONDS,
            reconnect_timeout=RECONNECT_SECONDS,
            # A connection that a restart of the server cut is replaced before it costs a request.
            check=_check,
            name=service,
            open=False,
        )

    def open(self) -> None:
        """Begin to connect, and come back at once: the database may still be away."""
        self._pool.open()

    def close(self, timeout_seconds: float) -> None:
        """Close every connection; those in use when they are given back."""
        self._pool.close(timeout_seconds)

    def connections(self) -> Connections:
        """Say how the pool stands. Asks nobody and waits for nothing."""
        found = self._pool.get_stats()
        size, idle = found["pool_size"], found["pool_available"]
        return Connections(size - idle, idle, found["pool_max"], found["requests_waiting"])

    def settle(
        self,
        play: Play,
        outcome: Outcome,
        trace_id: str | None,
        settlement_id: str | None = None,
    ) -> Settlement:
        """Write *play* and add it to its player's totals, once, however often it is called."""
        values = asdict(play) | {
            "symbols": list(outcome.symbols),
            "payout": outcome.payout,
            "trace_id": trace_id,
            "settlement_id": settlement_id,
        }
        with self._transaction() as connection:
            if connection.execute(INSERT_PLAY, values).rowcount:
                connection.execute(ADD_TO_TOTALS, values)
                return Settlement.WRITTEN
            return _known(connection, play) or Settlement.CONFLICT

    def known(self, play: Play) -> Settlement | None:
        """Say what settling *play* would find under its id, ``None`` for nothing. Reads only."""
        with self._transaction() as connection:
            return _known(connection, play)

    def find(self, play_id: str) -> SettledPlay | None:
        """Read the play *play_id*; ``None`` if there is none, or none yet."""
        with (
            self._transaction() as connection,
            connection.cursor(row_factory=class_row(SettledPlay)) as cursor,
        ):
            return cursor.execute(FIND_PLAY, [play_id]).fetchone()

    def ready(self) -> str | None:
        """Say what keeps the store from working, ``None`` if nothing does."""
        try:
            with self._pool.connection(READY_TIMEOUT_SECONDS) as connection:
                names = missing(connection)
        except psycopg.Error as error:
            return f"the database does not answer: {_named(error)}"
        return f"not applied: {', '.join(names)}; run consumers migrate" if names else None

    @contextmanager
    def _transaction(self) -> Iterator[psycopg.Connection]:
        with self._guard:
            try:
                with self._pool.connection() as connection, transaction(connection, self._service):
                    yield connection
            except psycopg.Error as error:
                # Our statements touch a row or two: one that took too long stood behind a lock.
                locked = isinstance(error, errors.QueryCanceled)
                if locked or reaction_to(error) is Reaction.WAIT:
                    raise Unavailable(f"the database cannot work now: {_named(error)}") from error
                raise


def _known(connection: psycopg.Connection, play: Play) -> Settlement | None:
    same = connection.execute(IS_THE_SAME, asdict(play)).fetchone()
    if same is None:
        return None
    return Settlement.DUPLICATE if same[0] else Settlement.CONFLICT


def _check(connection: psycopg.Connection) -> None:
    """Raise if the server has ended the session: its last words are read without asking it.

    The pool's own check runs an empty query: a round trip, and a span in every trace.
    """
    connection.pgconn.consume_input()  # why it ended, if it said so
    connection.pgconn.consume_input()  # the end of the stream itself


def _named(error: psycopg.Error) -> str:
    """Name *error* without its words: they may repeat what a row holds."""
    return f"{type(error).__name__} {error.sqlstate or ''}".strip()
