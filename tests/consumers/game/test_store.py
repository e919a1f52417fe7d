"""Plays and totals on a real PostgreSQL: written once, added up right, and named by their trace."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psycopg
import pytest
from opentelemetry import trace
from psycopg.conninfo import make_conninfo

from consumers.errors import Reaction, Unavailable, reaction_to
from consumers.game.migrate import migrate
from consumers.game.schema import REVISIONS
from consumers.game.store import (
    CONNECTION,
    POOL_TIMEOUT_SECONDS,
    RECONNECT_SECONDS,
    Settlement,
    Store,
)
from consumers.types import Connections
from propagation.testing import captured_spans
from tests.consumers.game.builders import ACCEPTED_AT, outcome, play
from tests.infra.ports import free_port
from tests.infra.wait import PATIENCE_SECONDS, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from consumers.game.events import Play
    from tests.infra.postgres import Postgres

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def tables(database: str) -> str:
    """Give the URL of a database with the game's tables."""
    with psycopg.connect(database, autocommit=True) as connection:
        migrate(connection)
    return database


@contextmanager
def opened(
    url: str,
    *,
    connections: int = 2,
    seconds: float = PATIENCE_SECONDS,
    guard: AbstractContextManager[object] | None = None,
) -> Iterator[Store]:
    """Open a store that waits for a connection for *seconds*, and close it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("consumers.game.store.POOL_TIMEOUT_SECONDS", seconds)
        patch.setattr("consumers.game.store.READY_TIMEOUT_SECONDS", seconds)
        patch.setitem(CONNECTION, "connect_timeout", int(PATIENCE_SECONDS))
        store = Store(url, "game-consumer", connections=connections, guard=guard)
        store.open()
        try:
            yield store
        finally:
            store.close(5)


@pytest.fixture
def store(tables: str) -> Iterator[Store]:
    """Give a store on fresh tables."""
    with opened(tables) as store:
        yield store


def totals(url: str, player_id: str = "ada") -> tuple[int, int, int] | None:
    """Read plays, cents wagered and cents won of a player."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT plays, wagered, won FROM player_totals WHERE player_id = %s", [player_id]
        ).fetchone()


def test_a_play_is_written_and_added_up(store: Store, tables: str) -> None:
    """A settled play is found with everything that was known about it, and counted."""
    settlement = store.settle(play(), outcome(payout=3000), TRACE_ID)

    found = store.find("play-1")
    assert settlement is Settlement.WRITTEN
    assert found is not None
    assert (found.player_id, found.game, found.bet) == ("ada", "sevens", 250)
    assert (found.symbols, found.payout) == (["bell", "plum", "seven"], 3000)
    assert found.trace_id == TRACE_ID
    assert found.accepted_at.timestamp() * 1000 == ACCEPTED_AT
    assert totals(tables) == (1, 250, 3000)


def test_the_partners_settlement_is_written(store: Store) -> None:
    """The row names the settlement; without a partner it names none."""
    store.settle(play("play-1"), outcome(), TRACE_ID, "settlement-1")
    store.settle(play("play-2"), outcome(), TRACE_ID)

    found = [store.find(play_id) for play_id in ("play-1", "play-2")]

    assert [one and one.settlement_id for one in found] == ["settlement-1", None]


def test_what_is_known_is_told_beforehand(store: Store, tables: str) -> None:
    """What settling would find: nothing, the same play, or another bet. Nothing is written."""
    store.settle(play("play-1"), outcome(), TRACE_ID)

    told = [store.known(some) for some in (play("play-2"), play("play-1"), play("play-1", bet=1))]

    assert told == [None, Settlement.DUPLICATE, Settlement.CONFLICT]
    assert totals(tables) == (1, 250, 0)


def test_a_guard_stands_around_every_transaction(tables: str) -> None:
    """What guards the store sees each come and go, and hears when the database cannot work."""
    seen: list[type[BaseException] | None] = []

    class Guard:
        def __enter__(self) -> None:
            pass

        def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
            seen.append(kind)

    url = make_conninfo(tables, options="-c default_transaction_read_only=on")
    with opened(url, connections=1, guard=Guard()) as store:
        store.find("play-1")
        with pytest.raises(Unavailable):
            store.settle(play(), outcome(), None)

    assert seen == [None, Unavailable]


def test_a_play_that_is_not_there_is_not_found(store: Store) -> None:
    """An id that was never settled gives nothing."""
    assert store.find("nobody") is None


def test_a_second_delivery_changes_nothing(store: Store, tables: str) -> None:
    """The same play settled again, even with another trace, leaves row and totals as they were."""
    store.settle(play(), outcome(payout=500), TRACE_ID)
    before = store.find("play-1")

    again = store.settle(play(), outcome(payout=500), "1" * 32)

    assert again is Settlement.DUPLICATE
    assert store.find("play-1") == before
    assert totals(tables) == (1, 250, 500)


def test_a_retry_with_another_seed_is_the_same_play(store: Store) -> None:
    """What a client sends again under its key is the same bet, although it is drawn anew."""
    store.settle(play(), outcome(payout=500), TRACE_ID)

    again = store.settle(play(seed="0" * 32), outcome(payout=0), TRACE_ID)

    assert again is Settlement.DUPLICATE


@pytest.mark.parametrize(
    "other", [play(player_id="bob"), play(game="eights"), play(bet=99_999)], ids=str
)
def test_another_bet_under_the_same_id_is_told(store: Store, tables: str, other: Play) -> None:
    """Of two bets under one id the first stands; the second is told and counts nowhere."""
    store.settle(play(), outcome(), TRACE_ID)

    second = store.settle(other, outcome(payout=1), TRACE_ID)

    found = store.find("play-1")
    assert second is Settlement.CONFLICT
    assert found is not None
    assert (found.player_id, found.game, found.bet) == ("ada", "sevens", 250)
    assert totals(tables) == (1, 250, 0)
    assert totals(tables, "bob") is None


def test_totals_are_right_whoever_comes_first(tables: str) -> None:
    """Eight threads settle 200 deliveries of 100 plays: each counts once."""
    with opened(tables, connections=8) as store, ThreadPoolExecutor(8) as pool:
        deliveries = [play(f"play-{number % 100}", bet=number % 100 + 1) for number in range(200)]

        settled = list(pool.map(lambda some: store.settle(some, outcome(7), None), deliveries))

    assert settled.count(Settlement.WRITTEN) == 100
    assert settled.count(Settlement.DUPLICATE) == 100
    assert totals(tables) == (100, 5050, 700)


def test_a_play_that_cannot_be_added_is_not_written(store: Store, tables: str) -> None:
    """When the totals cannot be written the play is not there either."""
    with psycopg.connect(tables) as connection:
        connection.execute("ALTER TABLE player_totals ADD CHECK (wagered < 1000)")

    with pytest.raises(psycopg.errors.CheckViolation):
        store.settle(play(bet=5000), outcome(), TRACE_ID)

    assert store.find("play-1") is None


def test_the_transaction_carries_the_trace(tables: str) -> None:
    """While a play waits for a lock, pg_stat_activity shows the service and the trace id."""
    waiting = (
        "SELECT application_name FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    with (
        captured_spans(),
        opened(tables) as store,
        psycopg.connect(tables) as holder,
        # Not the holder: within a transaction the names are those of the first look.
        psycopg.connect(tables, autocommit=True) as watcher,
        ThreadPoolExecutor(1) as pool,
    ):
        store.settle(play("play-0"), outcome(), None)
        holder.execute("SELECT 1 FROM player_totals FOR UPDATE")

        trace_id = pool.submit(_settle_in_trace, store)
        row = until(lambda: watcher.execute(waiting).fetchone(), what="the waiting transaction")
        holder.rollback()

        assert row == (f"game-consumer/{trace_id.result()}",)


def _settle_in_trace(store: Store) -> str:
    with trace.get_tracer("test").start_as_current_span("process plays") as span:
        store.settle(play("play-1"), outcome(), None)
        return f"{span.get_span_context().trace_id:032x}"


def test_a_database_that_is_away_is_waited_for() -> None:
    """Nobody listens at the address: `Unavailable`, within the pool's time."""
    with opened(f"postgresql://ada:secret@127.0.0.1:{free_port()}/game", seconds=0.5) as store:
        with pytest.raises(Unavailable) as refused:
            store.settle(play(), outcome(), None)

        assert "secret" not in str(refused.value)
        assert "does not answer" in (store.ready() or "")


def test_a_restart_between_two_plays_costs_nothing(own_postgres: Postgres) -> None:
    """Sessions that ended while they were idle are replaced before the next play."""
    with psycopg.connect(own_postgres.url, autocommit=True) as connection:
        migrate(connection)
    with opened(own_postgres.url) as store:
        store.settle(play("play-0"), outcome(), None)

        own_postgres.stop()
        own_postgres.start()

        assert store.settle(play("play-1"), outcome(), None) is Settlement.WRITTEN


def test_a_database_that_is_back_is_used_at_once(
    own_postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    """In an outage the pool gives up before a play does: the next one waits for no pause to end.

    Its pauses between two attempts double; only when it has given up, who asks next begins anew.
    """
    with psycopg.connect(own_postgres.url, autocommit=True) as connection:
        migrate(connection)
    with opened(own_postgres.url, seconds=POOL_TIMEOUT_SECONDS) as store:
        until(lambda: accepted(store, play("play-0")), what="a first play to be settled")
        own_postgres.stop()
        with pytest.raises(Unavailable):
            store.settle(play("play-1"), outcome(), None)
        gave_up = f"failed after {RECONNECT_SECONDS} sec"
        until(lambda: gave_up in caplog.text, what="the pool to give up")

        own_postgres.start()
        settled = until(lambda: accepted(store, play("play-1")), what="the play to be settled")

    assert settled is Settlement.WRITTEN
    assert RECONNECT_SECONDS < POOL_TIMEOUT_SECONDS


def accepted(store: Store, some: Play) -> Settlement | None:
    """Settle *some*, unless the database is still away."""
    with suppress(Unavailable):
        return store.settle(some, outcome(), None)
    return None


def test_tables_that_are_missing_are_waited_for(database: str) -> None:
    """Before the migration a play waits instead of being given up, and readiness says why."""
    with opened(database) as store:
        with pytest.raises(Unavailable, match="UndefinedTable"):
            store.settle(play(), outcome(), None)

        assert store.ready() == f"not applied: {', '.join(REVISIONS)}; run consumers migrate"


def test_a_standby_is_waited_for(tables: str) -> None:
    """A database that only reads is `Unavailable`: somebody will promote it."""
    url = make_conninfo(tables, options="-c default_transaction_read_only=on")

    with opened(url) as store, pytest.raises(Unavailable, match="ReadOnlySqlTransaction"):
        store.settle(play(), outcome(), None)


def test_a_lock_that_is_held_too_long_is_waited_for(tables: str) -> None:
    """A statement that timed out behind a lock is `Unavailable`."""
    url = make_conninfo(tables, options="-c statement_timeout=100ms")

    with opened(url) as store, psycopg.connect(tables) as other:
        other.execute("LOCK TABLE plays")
        with pytest.raises(Unavailable, match="QueryCanceled"):
            store.settle(play(), outcome(), None)


@pytest.mark.parametrize("sqlstate", ["58P01", "XX002", "55000"])
def test_a_broken_server_is_waited_for(store: Store, tables: str, sqlstate: str) -> None:
    """A file that is missing, an index that is corrupt: `Unavailable`, and no play is given up."""
    with psycopg.connect(tables) as connection:
        connection.execute(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN RAISE 'broken' USING ERRCODE = '{sqlstate}'; END $$"
        )
        connection.execute(
            "CREATE TRIGGER fail BEFORE INSERT ON plays FOR EACH ROW EXECUTE FUNCTION fail()"
        )

    with pytest.raises(Unavailable, match=sqlstate):
        store.settle(play(), outcome(), None)


def test_what_does_not_fit_is_judged_by_the_runtime(store: Store) -> None:
    """A value that the table refuses travels on as the database's error: a dead letter."""
    with pytest.raises(psycopg.Error) as refused:
        store.settle(play(bet=0), outcome(), None)

    assert reaction_to(refused.value) is Reaction.DEAD_LETTER


def test_a_store_with_its_tables_is_ready(store: Store) -> None:
    """Connected and migrated is ready."""
    assert store.ready() is None


def test_a_pool_says_who_has_a_connection_and_who_waits(tables: str) -> None:
    """With two connections and three plays behind a lock, two are in use and one call waits."""
    with (
        opened(tables) as store,
        ThreadPoolExecutor(3) as threads,
        psycopg.connect(tables) as other,
    ):
        other.execute("LOCK TABLE plays")
        for number in range(3):
            threads.submit(store.settle, play(play_id=f"play-{number}"), outcome(), None)

        busy = Connections(in_use=2, idle=0, limit=2, waiting=1)
        until(lambda: store.connections() == busy, what="two connections in use, one wanted")
        other.rollback()
        threads.shutdown()

        assert store.connections() == Connections(in_use=0, idle=2, limit=2, waiting=0)
