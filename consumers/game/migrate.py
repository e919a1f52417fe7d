"""Bring the game's tables up to date, and say what is missing.

A migration is a file ``migrations/NNNN_name.sql``; it runs once, in the order of the names, in one
transaction with the row in ``schema_migrations`` that remembers it. An advisory lock makes a second
runner wait, then find the work done. A migration that was released is never edited: write the next.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from psycopg import Connection

LOCK = 4_201_973_008  # any number that no other program takes in the same database

log = structlog.get_logger(__name__)


def migrate(connection: Connection) -> tuple[str, ...]:
    """Apply what is missing, and give the names of it.

    *connection* must be in autocommit mode. A failing migration raises the database's own error
    and leaves nothing behind; those before it stay.
    """
    return tuple(name for name, text in sorted(_files().items()) if _apply(connection, name, text))


def missing(connection: Connection) -> tuple[str, ...]:
    """Give the names of the migrations that were not applied, in order. Reads only."""
    table = connection.execute("SELECT to_regclass('schema_migrations')").fetchone()
    if table is None or table[0] is None:
        return tuple(sorted(_files()))
    applied = {row[0] for row in connection.execute("SELECT name FROM schema_migrations")}
    return tuple(sorted(_files().keys() - applied))


def _apply(connection: Connection, name: str, text: bytes) -> bool:
    with connection.transaction():
        # Held until the transaction ends, so that it works behind a transaction pooler too.
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        if name not in missing(connection):
            return False
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations ("
            "name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        connection.execute(text)
        connection.execute("INSERT INTO schema_migrations (name) VALUES (%s)", [name])
    log.info("migration_applied", name=name)
    return True


def _files() -> dict[str, bytes]:
    folder = files("consumers.game") / "migrations"
    found = (file for file in folder.iterdir() if file.name.endswith(".sql"))
    return {file.name.removesuffix(".sql"): file.read_bytes() for file in found}
