"""``lagmon check-config``: say what is wrong with a settings file, or what it would watch.

librdkafka is asked about its properties, and the web configuration file is read with all that it
names. Kafka is asked nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lagmon.collector import properties
from lagmon.configuration.sources import load
from lagmon.errors import SettingsError
from lagmon.webconfig import live

if TYPE_CHECKING:
    import argparse

    from lagmon.configuration.settings import Settings


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command to *commands*."""
    parser = commands.add_parser("check-config", help="say what is wrong with a settings file")
    parser.add_argument("config", type=Path, metavar="FILE", help="settings as YAML")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Read the file; SettingsError with every problem that it has."""
    settings = load(chosen.config)
    look_through(settings)
    sys.stdout.write(f"{chosen.config}: good, {_what(settings)}\n")
    return 0


def look_through(settings: Settings) -> None:
    """Look for what can be wrong with *settings* that fit; SettingsError with all that is."""
    problems = [
        f"clusters[{number}].{problem}"
        for number, cluster in enumerate(settings.clusters)
        for problem in properties.problems(cluster)
    ]
    problems += _of_web_config(settings)
    if problems:
        raise SettingsError(problems)


def _of_web_config(settings: Settings) -> tuple[str, ...]:
    if settings.web.config_file is None:
        return ()
    try:
        live.read(settings.web.config_file)
    except SettingsError as error:
        return error.problems
    return ()


def _what(settings: Settings) -> str:
    names = ", ".join(cluster.name for cluster in settings.clusters)
    told = f"clusters: {names}; Alertmanagers: {len(settings.alertmanagers)}"
    return f"{told}; webhooks: {len(settings.webhooks)}" if settings.webhooks else told
