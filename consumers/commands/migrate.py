"""``consumers migrate``: bring the game's tables up to date.

Exit codes: 0 when nothing is missing any more; 1 when the database refused, with one line.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import psycopg
import structlog

from consumers.commands.service import VERSION, add_settings, read
from consumers.configuration.settings import MigrateSettings
from consumers.game.migrate import migrate
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
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Apply what is missing."""
    return apply_migrations(read(MigrateSettings, chosen.config))


def apply_migrations(settings: MigrateSettings) -> int:
    """Apply what is missing; give the exit code."""
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
            applied = migrate(connection)
    except psycopg.Error as error:
        sys.stderr.write(f"consumers migrate: {' '.join(str(error).split())}\n")
        return 1
    log.info("database_migrated", applied=applied)
    return 0
