"""Which migrations there are, and which of them a database lacks. Reads only.

This is what ``/readyz`` asks. It knows the names of the files alone, so that a service which only
asks need not load alembic, a third of a second and as much memory as the rest of the game.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg import Connection

VERSIONS = files("consumers.game") / "migrations" / "versions"
REVISIONS = tuple(
    sorted(file.name.removesuffix(".py") for file in VERSIONS.iterdir() if file.name[0].isdigit())
)

EXISTS = "SELECT to_regclass('alembic_version') IS NOT NULL"
VERSION = "SELECT version_num FROM alembic_version"


def missing(connection: Connection) -> tuple[str, ...]:
    """Give the revisions that *connection*'s database lacks, in order.

    One that is further than this program knows lacks nothing: a release that is rolled back must
    still run on the tables of the next one.
    """
    revision = applied(connection)
    if revision is None:
        return REVISIONS
    return REVISIONS[REVISIONS.index(revision) + 1 :] if revision in REVISIONS else ()


def applied(connection: Connection) -> str | None:
    """Give the last revision that was applied, ``None`` if there is none."""
    exists = connection.execute(EXISTS).fetchone()
    row = connection.execute(VERSION).fetchone() if exists and exists[0] else None
    return str(row[0]) if row else None
