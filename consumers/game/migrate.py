"""Bring the game's tables up to date by alembic, or back. What is missing is said by ``schema``.

A migration is a file ``migrations/versions/NNNN_name.py`` of plain SQL; see ``migrations/env.py``
for how they are run. One that was released is never edited: write the next. Importing this loads
alembic and SQLAlchemy: only the command that migrates does.
"""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any

import structlog
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from consumers.game.schema import REVISIONS, applied

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.runtime.migration import MigrationInfo
    from psycopg import Connection

_alone = threading.Lock()  # alembic keeps what it is doing in globals

log = structlog.get_logger(__name__)


def migrate(connection: Connection) -> tuple[str, ...]:
    """Apply what is missing, and give the names of it.

    *connection* must be in autocommit mode. A failing migration raises the database's own error
    and leaves nothing behind, of those before it neither. Tables that are further than this program
    knows are left alone.
    """
    revision = applied(connection)
    if revision is not None and revision not in REVISIONS:
        log.warning("database_is_newer", revision=revision)
        return ()
    with _alembic(connection) as (config, steps):
        command.upgrade(config, "head")
    for name in steps:
        log.info("migration_applied", name=name)
    return tuple(steps)


def downgrade(connection: Connection, revision: str) -> tuple[str, ...]:
    """Take back what was applied after *revision*, ``base`` for all; give the names of it.

    It drops data. Raises `ValueError` when there is no such revision.
    """
    if revision not in {"base", *REVISIONS}:
        raise ValueError(f"there is no revision {revision}: base, {', '.join(REVISIONS)}")
    with _alembic(connection) as (config, steps):
        command.downgrade(config, revision)
    for name in steps:
        log.info("migration_taken_back", name=name)
    return tuple(steps)


@contextmanager
def _alembic(connection: Connection) -> Iterator[tuple[Config, list[str]]]:
    """Give what alembic's commands want, and the list that they write the names of each step to."""
    steps: list[str] = []

    def step_done(*, step: MigrationInfo, **_: Any) -> None:
        steps.append(str(step.up_revision_id))

    logging.getLogger("alembic").setLevel(logging.WARNING)  # the steps are logged by us
    # SQLAlchemy opens transactions the way of PEP 249, which autocommit would switch off.
    connection.autocommit = False
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: connection,
        poolclass=StaticPool,
        use_native_hstore=False,
    )
    try:
        with (
            _alone,
            engine.connect() as bound,
            as_file(files("consumers.game") / "migrations") as folder,
        ):
            config = Config(attributes={"connection": bound, "applied": step_done})
            config.set_main_option("script_location", str(folder).replace("%", "%%"))
            yield config, steps
    except DBAPIError as error:
        raise (error.orig or error) from None  # SQLAlchemy's own words add a link to its pages
    finally:
        if not connection.closed:
            connection.rollback()
            connection.autocommit = True
