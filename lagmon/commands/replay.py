"""``lagmon replay FILE``: judge recorded snapshots, one line of JSON to standard output for each.

Without ``--config`` the defaults and the shipped rules hold, whatever the environment says, so that
a recording means the same to everybody. With it, the environment wins over the file as it always
does; the file need not name a cluster.

Exit codes: 0 when every line was judged; 1 when one could not be, each named on standard error as
``FILE:LINE: PATH: what is wrong``, or when the file cannot be read.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lagmon.commands import wiring
from lagmon.configuration.settings import Cluster, Settings
from lagmon.configuration.sources import load
from lagmon.errors import RecordingError
from lagmon.recording.replay import replay

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

NOBODY = Cluster(name="replayed", bootstrap_servers="localhost:9092")  # is never asked
SIGPIPE = 141  # what a shell says of a program whose reader went away


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command to *commands*."""
    parser = commands.add_parser("replay", help="judge recorded snapshots once more")
    parser.add_argument("file", type=Path, metavar="FILE", help="what `lagmon record` wrote")
    parser.add_argument("--config", type=Path, metavar="FILE", help="rules and settings as YAML")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Replay as *chosen*; SettingsError if the configuration is wrong."""
    settings = (
        load(chosen.config, unnamed=NOBODY) if chosen.config else Settings(clusters=(NOBODY,))
    )
    try:
        with chosen.file.open("rb") as lines:
            return play(str(chosen.file), lines, settings)
    except BrokenPipeError:
        # Whoever read has seen enough: no traceback, and none when Python flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SIGPIPE
    except OSError as error:
        sys.stderr.write(f"lagmon: {chosen.file}: cannot be read: {error.strerror}\n")
        return 1


def play(name: str, lines: Iterable[bytes], settings: Settings) -> int:
    """Print a report for each of *lines*, which are those of the file *name*."""
    code = 0
    for number, said in replay(lines, wiring.policy(settings)):
        if isinstance(said, RecordingError):
            sys.stderr.write(f"{name}:{number}: {said}\n")
            code = 1
        else:
            sys.stdout.write(f"{said}\n")
    sys.stdout.flush()
    return code
