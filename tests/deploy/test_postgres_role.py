"""deploy/postgres-exporter/role.sql, run by psql as the stack runs it, on a real PostgreSQL."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from tests.deploy.files import DEPLOY, services
from tests.infra.ports import free_port
from tests.infra.postgres_wheel import installed
from tests.infra.process import Service
from tests.infra.require import need, required
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.infra.postgres import Postgres

ROLE = DEPLOY / "postgres-exporter/role.sql"
SECRET = "/run/secrets/postgres_exporter_password"
PASSWORD = "5e5a" * 12  # as deploy/secrets.sh draws them


class Monitored:
    """A database that the script was run on, with the file of the role's password."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.password = folder / "password"
        self._script = folder / "role.sql"
        self._script.write_text(ROLE.read_text().replace(SECRET, str(self.password)))

    def make_role(self, password: str = PASSWORD) -> None:
        """Run the script, by psql as the owner of the database."""
        self.password.write_text(password)
        command = [str(installed() / "psql"), self.url, "--no-psqlrc", "--quiet"]
        done = subprocess.run(
            [*command, f"--file={self._script}"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert password not in done.stdout + done.stderr

    def as_monitor(self) -> psycopg.Connection:
        """Connect as the role."""
        return psycopg.connect(self.url, user="monitor", password=PASSWORD, autocommit=True)


@pytest.fixture
def monitored(postgres: Postgres, tmp_path: Path) -> Iterator[Monitored]:
    """Give a database with a table of the game, and the role."""
    with required():
        made = Monitored(postgres.create_database(), tmp_path)
    with psycopg.connect(made.url, autocommit=True) as connection:
        connection.execute("create table plays (play_id text)")
        made.make_role()
        try:
            yield made
        finally:
            connection.execute("drop role monitor")


def test_the_role_sees_statistics_and_no_data(monitored: Monitored) -> None:
    """It may see what every session does, and read no table, make no role and no database."""
    with monitored.as_monitor() as connection:
        sessions = connection.execute("select count(*) from pg_stat_activity where query <> ''")
        rights = connection.execute(
            "select rolsuper, rolcreatedb, rolcreaterole, rolconnlimit from pg_roles"
            " where rolname = 'monitor'"
        )

        assert sessions.fetchone()
        assert rights.fetchone() == (False, False, False, 5)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select * from plays")


def test_a_second_run_changes_the_password_alone(monitored: Monitored) -> None:
    """The script may run at each start of the stack: the role gets the password of the file."""
    hashed = "select rolpassword from pg_authid where rolname = 'monitor'"
    with psycopg.connect(monitored.url, autocommit=True) as connection:
        (before,) = connection.execute(hashed).fetchone() or ("",)

        monitored.make_role("another")

        (after,) = connection.execute(hashed).fetchone() or ("",)
    assert before.startswith("SCRAM-SHA-256$")
    assert after.startswith("SCRAM-SHA-256$")
    assert after != before


def test_the_exporter_can_work_as_the_role(monitored: Monitored) -> None:
    """Configured as in the compose file, a real exporter sees the statistics of the base."""
    exporter = need("prometheus-postgres-exporter", "apt-get install prometheus-postgres-exporter")
    given = services()["postgres-exporter"]["environment"]
    place, port = urlsplit(monitored.url), free_port()
    environment = {
        **os.environ,
        **given,
        "DATA_SOURCE_URI": given["DATA_SOURCE_URI"].replace(
            "postgres:5432/game", f"{place.hostname}:{place.port}{place.path}"
        ),
        "DATA_SOURCE_PASS_FILE": str(monitored.password),
    }
    command = [exporter, f"--web.listen-address=127.0.0.1:{port}"]

    def page() -> str | None:
        try:
            text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text
        except httpx.TransportError:
            return None
        return text if "\npg_up 1" in text else None

    with Service(command, env=environment, name="postgres exporter"):
        text = until(page, timeout=60, what="the exporter's page")

    assert given["DATA_SOURCE_PASS_FILE"] == SECRET
    assert "\npg_stat_database_numbackends{" in text
