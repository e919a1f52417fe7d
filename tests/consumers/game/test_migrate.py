"""Migrations on a real PostgreSQL: each once, in order, whole or not at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files

import psycopg
import pytest

from consumers.game.migrate import migrate, missing

ALL = ("0001_plays",)


def connected(url: str) -> psycopg.Connection:
    """Connect the way `migrate` wants it."""
    return psycopg.connect(url, autocommit=True)


def test_an_empty_database_gets_every_migration(database: str) -> None:
    """On an empty database all are missing; afterwards none is, and the tables are there."""
    with connected(database) as connection:
        before = missing(connection)
        applied = migrate(connection)

        assert before == applied == ALL
        assert missing(connection) == ()
        assert connection.execute("SELECT count(*) FROM plays").fetchone() == (0,)


def test_asking_changes_nothing(database: str) -> None:
    """To ask what is missing creates nothing."""
    with connected(database) as connection:
        missing(connection)

        found = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert found.fetchone() == (0,)


def test_a_second_run_does_nothing(database: str) -> None:
    """What was applied is not applied again, and its rows stay."""
    with connected(database) as connection:
        migrate(connection)
        connection.execute("INSERT INTO player_totals VALUES ('ada', 1, 2, 3)")

        assert migrate(connection) == ()
        assert connection.execute("SELECT count(*) FROM player_totals").fetchone() == (1,)


def test_of_many_runners_one_works(database: str) -> None:
    """Six at the same time: each migration is applied by exactly one, and nobody fails."""

    def run(_: int) -> tuple[str, ...]:
        with connected(database) as connection:
            return migrate(connection)

    with ThreadPoolExecutor(6) as pool:
        applied = list(pool.map(run, range(6)))

    assert sorted(name for names in applied for name in names) == list(ALL)


def test_a_failing_migration_leaves_nothing(database: str) -> None:
    """When a later statement of a migration fails, its first ones are undone and not remembered."""
    with connected(database) as connection:
        connection.execute("CREATE TABLE player_totals (other int)")

        with pytest.raises(psycopg.errors.DuplicateTable):
            migrate(connection)

        assert missing(connection) == ALL
        assert connection.execute("SELECT to_regclass('plays')").fetchone() == (None,)


def test_the_names_are_in_order() -> None:
    """The files are numbered without a gap, so that their order is the order of their names."""
    names = sorted(
        file.name
        for file in (files("consumers.game") / "migrations").iterdir()
        if file.name.endswith(".sql")
    )

    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
