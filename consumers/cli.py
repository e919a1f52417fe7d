"""The command ``consumers``: find the subcommand, run it, say what is wrong with its settings.

Each subcommand is a module of `consumers.commands` and says what its exit codes mean. 2 is the same
for all: the command line or the settings are wrong, with every problem on standard error.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from consumers.errors import SettingsError

try:
    from consumers.commands import api, check, dlq, fintech, load, migrate, run, worker
    from consumers.commands.service import VERSION
except ModuleNotFoundError as error:
    raise ImportError("the command consumers needs: pip install 'lagmon[consumers]'") from error

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = (api, worker, run, migrate, fintech, load, dlq, check)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with *arguments*, those of the process by default; give the exit code."""
    chosen = parser().parse_args(arguments)
    try:
        code: int = chosen.run(chosen)
    except SettingsError as error:
        for problem in error.problems:
            sys.stderr.write(f"consumers: {problem}\n")
        return 2
    return code


def parser() -> argparse.ArgumentParser:
    """Describe the whole command line."""
    whole = argparse.ArgumentParser(
        prog="consumers", description="Consumers of Kafka, and the game on them."
    )
    whole.add_argument("--version", action="version", version=f"consumers {VERSION}")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return whole
