"""Migrations on a real PostgreSQL: each once, in order, all or nothing, there and back."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest
from alembic.script import ScriptDirectory

from consumers.game.migrate import downgrade, migrate
from consumers.game.schema import REVISIONS, VERSIONS, missing
from tests.infra.product import Product
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST = "0001_plays"
START_SECONDS = 100  # for three processes at once
LOCK = 4_201_973_008  # env.py's, which only alembic can load


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection]:
    """Connect to an empty database the way `migrate` wants it."""
    with connected(database) as connection:
        yield connection


def connected(url: str) -> psycopg.Connection:
    """Connect the way `migrate` wants it."""
    return psycopg.connect(url, autocommit=True)


def shape(connection: psycopg.Connection) -> list[tuple[str, ...]]:
    """Describe every column, constraint and index of the game's tables."""
    return connection.execute(
        "SELECT table_name, column_name, data_type, is_nullable, coalesce(column_default, '')"
        " FROM information_schema.columns WHERE table_schema = 'public'"
        " AND table_name <> 'alembic_version'"
        " UNION ALL SELECT tablename, indexname, indexdef, '', '' FROM pg_indexes"
        " WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
        " UNION ALL SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), '', ''"
        " FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
        " AND conrelid::regclass::text <> 'alembic_version' ORDER BY 1, 2, 3"
    ).fetchall()


def test_an_empty_database_gets_every_migration(connection: psycopg.Connection) -> None:
    """On an empty database all are missing; afterwards none is, and the tables are there."""
    before = missing(connection)
    applied = migrate(connection)

    assert before == applied == REVISIONS
    assert missing(connection) == ()
    assert connection.execute("SELECT count(settlement_id) FROM plays").fetchone() == (0,)


def test_asking_changes_nothing(connection: psycopg.Connection) -> None:
    """To ask what is missing creates nothing."""
    missing(connection)

    assert shape(connection) == []


def test_a_second_run_does_nothing(connection: psycopg.Connection) -> None:
    """What was applied is not applied again, and its rows stay."""
    migrate(connection)
    connection.execute("INSERT INTO player_totals VALUES ('ada', 1, 2, 3)")

    assert migrate(connection) == ()
    assert connection.execute("SELECT count(*) FROM player_totals").fetchone() == (1,)


def test_of_many_runners_one_works(database: str) -> None:
    """Three processes stand before the same lock: one applies everything, and none fails."""
    waiting = (
        "SELECT count(*) = 3 FROM pg_locks JOIN pg_database ON pg_database.oid = database"
        " WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()"
    )
    with (
        Product(kafka="127.0.0.1:1", database=database) as product,
        ThreadPoolExecutor(3) as pool,
        connected(database) as connection,
    ):
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        runs = [pool.submit(product.run, "consumers", "migrate") for _ in range(3)]
        until(
            lambda: counted(connection, waiting),
            timeout=START_SECONDS,
            what="three to wait for the lock",
        )
        connection.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
        ended = [run.result() for run in runs]

    assert [one.returncode for one in ended] == [0, 0, 0], [one.stderr for one in ended]
    lines = [json.loads(line) for one in ended for line in one.stdout.splitlines()]
    done = sorted(line["applied"] for line in lines if line["event"] == "database_migrated")
    assert done == [[], [], list(REVISIONS)]


def counted(connection: psycopg.Connection, question: str) -> bool:
    """Give the database's yes or no."""
    answer = connection.execute(question).fetchone()
    return bool(answer and answer[0])


def test_threads_of_one_process_wait_for_each_other(database: str) -> None:
    """Four threads at once: nobody fails, although alembic keeps its state in globals."""

    def run(_: int) -> tuple[str, ...]:
        with connected(database) as connection:
            return migrate(connection)

    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(run, range(4)))

    assert sorted(applied) == [(), (), (), REVISIONS]


def test_a_failing_migration_leaves_nothing(connection: psycopg.Connection) -> None:
    """When a later statement fails, all before it are undone, and the connection is as it was."""
    connection.execute("CREATE TABLE player_totals (other int)")

    with pytest.raises(psycopg.errors.DuplicateTable):
        migrate(connection)

    assert missing(connection) == REVISIONS
    assert connection.execute("SELECT to_regclass('plays')").fetchone() == (None,)
    assert connection.autocommit


def test_a_table_that_is_held_is_not_waited_for(database: str) -> None:
    """Behind somebody's lock a migration gives up, instead of holding up every play behind it."""
    with connected(database) as connection, psycopg.connect(database) as other:
        migrate(connection)
        downgrade(connection, FIRST)
        other.execute("SELECT * FROM plays")

        with pytest.raises(psycopg.errors.LockNotAvailable):
            migrate(connection)

        other.rollback()
        assert migrate(connection) == REVISIONS[1:]


@pytest.mark.parametrize("revision", ["base", *REVISIONS[:-1]])
def test_every_migration_can_be_taken_back(connection: psycopg.Connection, revision: str) -> None:
    """Back to any revision and forth again: it is told what is missing, and nothing is changed."""
    migrate(connection)
    whole = shape(connection)
    later = REVISIONS[REVISIONS.index(revision) + 1 :] if revision in REVISIONS else REVISIONS

    taken_back = downgrade(connection, revision)

    assert taken_back == later[::-1]
    assert missing(connection) == later
    assert migrate(connection) == later
    assert shape(connection) == whole


def test_back_to_base_nothing_is_left(connection: psycopg.Connection) -> None:
    """All that the migrations made is gone."""
    migrate(connection)

    downgrade(connection, "base")

    assert shape(connection) == []


def test_there_is_no_way_back_to_nowhere(connection: psycopg.Connection) -> None:
    """A revision that does not exist is refused before anything is done."""
    migrate(connection)

    with pytest.raises(ValueError, match="0000_nothing"):
        downgrade(connection, "0000_nothing")

    assert missing(connection) == ()


def test_a_settled_play_outlives_both_ways(connection: psycopg.Connection) -> None:
    """Taking the settlement's column back and giving it anew keeps the plays."""
    migrate(connection)
    connection.execute(
        "INSERT INTO plays (play_id, player_id, game, bet, symbols, payout, accepted_at,"
        " settlement_id) VALUES ('play-1', 'ada', 'sevens', 1, '{}', 0, now(), 'settlement-1')"
    )

    downgrade(connection, FIRST)
    migrate(connection)

    found = connection.execute("SELECT play_id, settlement_id FROM plays").fetchall()
    assert found == [("play-1", None)]


def test_tables_of_a_later_release_are_left_alone(connection: psycopg.Connection) -> None:
    """A release that was rolled back is ready on the tables of the next one, and changes none."""
    migrate(connection)
    connection.execute("UPDATE alembic_version SET version_num = '9999_later'")
    before = shape(connection)

    assert missing(connection) == ()
    assert migrate(connection) == ()
    assert shape(connection) == before


def test_tables_from_before_alembic_are_taken_over(connection: psycopg.Connection) -> None:
    """A database that kept its own list of migrations gets what comes after the first."""
    migrate(connection)
    downgrade(connection, FIRST)
    connection.execute("DROP TABLE alembic_version")
    connection.execute("CREATE TABLE schema_migrations (name text PRIMARY KEY)")
    connection.execute("INSERT INTO schema_migrations VALUES ('0001_plays')")

    assert migrate(connection) == REVISIONS[1:]
    assert missing(connection) == ()
    assert connection.execute("SELECT to_regclass('schema_migrations')").fetchone() == (None,)


def test_the_names_are_the_revisions_in_order() -> None:
    """What readiness reads from the files' names is what alembic would apply, in its order."""
    script = ScriptDirectory(str(VERSIONS).removesuffix("/versions"))

    revisions = [one.revision for one in script.walk_revisions()][::-1]

    assert revisions == list(REVISIONS)
    assert [int(name[:4]) for name in REVISIONS] == list(range(1, len(REVISIONS) + 1))
