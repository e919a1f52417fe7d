"""``consumers migrate``: bring the game's tables up to date, or back to an older revision.

Exit codes: 0 when nothing is missing any more; 1 when the database refused, with one line.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import psycopg
import structlog

from consumers.commands.service import VERSION, add_settings, read
from consumers.configuration.settings import MigrateSettings
from consumers.game.schema import REVISIONS
from propagation.integrations import logs

if TYPE_CHECKING:
    import argparse


NAME = "game-migrate"
CONNECT_SECONDS = 10  # nobody repeats it

log = structlog.get_logger(__name__)


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``migrate`` to *commands*."""
    parser = commands.add_parser("migrate", help="bring the tables in Postgres up to date")
    add_settings(parser)
    parser.add_argument(
        "--downgrade",
        choices=["base", *REVISIONS],
        help="take back what was applied after this revision, with the data in it",
    )
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Apply what is missing, or take back what is told."""
    return change_tables(read(MigrateSettings, chosen.config), chosen.downgrade)


def change_tables(settings: MigrateSettings, back_to: str | None) -> int:
    """Apply what is missing, or take back what came after *back_to*; give the exit code."""
    # Here, because alembic takes a third of a second and 20 MB, and every command imports this.
    from consumers.game.migrate import downgrade, migrate  # noqa: PLC0415 - as said

    logs.configure(
        NAME, version=VERSION, environment=settings.environment, level=settings.log_level
    )
    try:
        with psycopg.connect(
            settings.database_url.get_secret_value(),
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            application_name=NAME,
        ) as connection:
            if back_to:
                log.info("database_downgraded", taken_back=downgrade(connection, back_to))
            else:
                log.info("database_migrated", applied=migrate(connection))
    except psycopg.Error as error:
        sys.stderr.write(f"consumers migrate: {' '.join(str(error).split())}\n")
        return 1
    return 0
