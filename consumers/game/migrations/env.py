"""Run migrations on the connection that `consumers.game.migrate` hands over. alembic loads this.

All of them in one transaction, behind an advisory lock: a second runner waits, then finds the work
done, and one that fails leaves nothing behind. The lock is the transaction's, not the session's, so
that it works behind a transaction pooler too.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import text

FIRST = "0001_plays"
BEFORE_ALEMBIC = "schema_migrations"  # where a database says that it has the first, and no more

# Of a table: whoever waits for one holds up every play behind it. Rather fail, and be run again.
PATIENCE = "SET LOCAL lock_timeout = '5s'"
LOCK = 4_201_973_008  # any number that no other program takes in the same database

connection = context.config.attributes["connection"]
context.configure(connection=connection, on_version_apply=context.config.attributes["applied"])
with context.begin_transaction():
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    connection.execute(text(PATIENCE))
    if connection.execute(text(f"SELECT to_regclass('{BEFORE_ALEMBIC}')")).scalar():
        context.get_context().stamp(context.script, FIRST)
        connection.execute(text(f"DROP TABLE {BEFORE_ALEMBIC}"))
    context.run_migrations()
