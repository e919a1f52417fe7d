"""``consumers check COMMAND``: say which settings a command would run with, and where each is set.

Nothing is connected to, and nothing of a handler imported. Exit codes: 0 when the command would
start with them; 2 when it would not.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from consumers.commands.service import add_settings, read
from consumers.configuration.loading import named, origins
from consumers.configuration.settings import SERVICES
from consumers.configuration.showing import lines
from consumers.errors import SettingsError
from consumers.kafka.trial import problems

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``check`` to *commands*."""
    parser = commands.add_parser("check", help="print the settings in force, without secrets")
    parser.add_argument("of", choices=SERVICES, metavar="COMMAND", help=", ".join(SERVICES))
    add_settings(parser)
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Print the settings."""
    settings = read(SERVICES[chosen.of], chosen.config)
    if refused := problems(settings):
        raise SettingsError(tuple(named(one, os.environ) for one in refused))
    for line in lines(settings, origins(chosen.config)):
        sys.stdout.write(f"{line}\n")
    return 0
