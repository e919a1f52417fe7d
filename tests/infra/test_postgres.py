"""The real database server: databases, its log, and what survives its death."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg
import pytest

from tests.infra.postgres import Postgres, described
from tests.infra.postgres_wheel import installed, reachable
from tests.infra.require import Missing
from tests.infra.wait import until

CREATE = "CREATE TABLE kept AS SELECT 1 AS one"


def test_a_database_is_fresh(postgres: Postgres, database: str) -> None:
    """Each database is empty and apart from the others."""
    other = postgres.create_database()
    with psycopg.connect(database) as connection:
        connection.execute(CREATE)

    with psycopg.connect(other) as connection:
        found = connection.execute("SELECT to_regclass('kept')").fetchone()

    assert found == (None,)
    postgres.drop_database(other)


def test_a_dropped_database_is_gone_with_its_sessions(postgres: Postgres) -> None:
    """Dropping a database does not wait for who is in it."""
    url = postgres.create_database()
    with psycopg.connect(url, autocommit=True) as connection:
        postgres.drop_database(url)

        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url)


def test_the_log_names_the_application_of_a_statement(own_postgres: Postgres) -> None:
    """A line of the log has the statement and the application name that was set for it."""
    with psycopg.connect(own_postgres.url) as connection:
        connection.execute("SELECT set_config('application_name', 'game/0af7651916cd43dd', true)")
        connection.execute("SELECT 42 AS answer")

    lines = until(
        lambda: [line for line in own_postgres.log_text().splitlines() if "42 AS answer" in line],
        what="the statement in the log",
    )
    assert "] game/0af7651916cd43dd@postgres LOG:" in lines[0]


def test_committed_rows_survive_a_kill(own_postgres: Postgres) -> None:
    """A killed server comes back at its address with what was committed."""
    url = own_postgres.url
    with psycopg.connect(url) as connection:
        connection.execute(CREATE)

    own_postgres.kill()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    own_postgres.start()

    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT one FROM kept").fetchone() == (1,)


def test_a_kill_leaves_no_session(own_postgres: Postgres) -> None:
    """A session of the killed server is broken, and does not keep the server from returning."""
    with psycopg.connect(own_postgres.url, autocommit=True) as connection:
        connection.execute("SELECT 1")

        own_postgres.kill()
        own_postgres.start()

        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_a_stop_sends_clients_away(own_postgres: Postgres) -> None:
    """A server that is stopped in order does not wait for an idle client."""
    with psycopg.connect(own_postgres.url, autocommit=True) as connection:
        own_postgres.stop()

        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_a_given_server_is_used_as_it_is(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DATABASE_URL names a server that is used, but neither stopped nor killed."""
    monkeypatch.setenv("DATABASE_URL", postgres.url)

    with Postgres() as given:
        assert given.url == postgres.url
        assert "127.0.0.1 (DATABASE_URL)" in described()
        with pytest.raises(Missing, match="unset DATABASE_URL"):
            given.kill()

    assert postgres.version()


def test_a_closed_environment_is_copied_with_its_libraries(tmp_path: Path) -> None:
    """Binaries that another user may not reach are copied so that they run for that user."""
    here = installed()
    wheel = here.parent.parent
    for folder in (wheel, wheel.with_name(f"{wheel.name}.libs")):
        shutil.copytree(folder, tmp_path / folder.name, symlinks=True)  # pytest's folder is closed
    closed = tmp_path / wheel.name / here.parent.name / here.name

    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        copied = reachable(closed, Path(name), "nobody")
        account = "nobody" if os.geteuid() == 0 else None
        asked = subprocess.run(
            [copied / "initdb", "--version"], user=account, capture_output=True, check=True
        )

    assert copied != closed
    assert asked.stdout.startswith(b"initdb (PostgreSQL)")
