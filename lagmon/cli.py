"""The command ``lagmon``: find the subcommand, run it, say what is wrong with its settings.

Each subcommand is a module of `lagmon.commands` and says what its exit codes mean. 2 is the same
for all: the command line or the settings are wrong, with every problem on standard error.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from lagmon.errors import SettingsError

try:
    from lagmon.commands import check, doctor, notify_test, once, record, replay, rules, serve, top
    from lagmon.commands.wiring import VERSION
except ModuleNotFoundError as error:
    raise ImportError("the command lagmon needs: pip install 'lagmon[service]'") from error

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = (serve, once, record, replay, rules, check, doctor, notify_test, top)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with *arguments*, those of the process by default; give the exit code."""
    chosen = parser().parse_args(arguments)
    try:
        code: int = chosen.run(chosen)
    except SettingsError as error:
        for problem in error.problems:
            sys.stderr.write(f"lagmon: {problem}\n")
        return 2
    return code


def parser() -> argparse.ArgumentParser:
    """Describe the whole command line."""
    whole = argparse.ArgumentParser(prog="lagmon", description="Watch Kafka consumer lag.")
    whole.add_argument("--version", action="version", version=f"lagmon {VERSION}")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return whole
