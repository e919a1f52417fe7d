"""Somebody on call, who types what a page says: on real Kafka and Postgres, without Docker.

``docker compose exec`` and ``run`` become the very command in the container, with the programs of
this machine. ``stop`` and ``up`` of the worker are done to a real one. All else of a line, such as
where its output goes, is left to a shell.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.docs.commands import BLOCK, is_example
from tests.docs.pages import text
from tests.docs.programs import KAFKA
from tests.infra import kafka_jvm, postgres_wheel
from tests.infra.require import required

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.infra.process import Service
    from tests.infra.product import Product

STOP_SECONDS = 60
ANSWER_SECONDS = 120
# What stands before the command in the container goes: options that take no value, the service.
DOCKER = """
docker() {
  shift 2
  while [ "${1#-}" != "$1" ]; do shift; done
  shift
  "$@"
}
"""


def lines(page: str, heading: str) -> list[str]:
    """Give what is to be typed under the second-level *heading* of *page*, a command each."""
    part = text(page).partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    shown = [block["text"] for block in BLOCK.finditer(part) if not is_example(block["text"])]
    return [line.strip() for each in shown for line in each.splitlines()]


class Operator:
    """Types in *folder*; the worker is *product*'s, and *there* says what is what here.

    *there* has a name of the page for each name of the test; what the page calls ``game`` for
    Postgres is the database of *product*.
    """

    def __init__(self, product: Product, folder: Path, there: Mapping[str, str]) -> None:
        self._product, self._folder, self._there = product, folder, there
        self._url = urlsplit(product.environment["CONSUMERS_DATABASE_URL"])
        self.worker: Service | None = None

    def types(self, line: str) -> str:
        """Type one *line*; give what it prints. It must not fail."""
        match shlex.split(line):
            case ["docker", "compose", "up", *_, "worker"]:
                self.worker = self._product.worker()
                return ""
            case ["docker", "compose", "stop", "worker"]:
                if self.worker and self.worker.running:
                    assert self.worker.stop(STOP_SECONDS) == 0, self.worker.tail()
                return ""
            case _:
                return self._runs(self._real(line))

    def _runs(self, line: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{DOCKER}{self._kafka()}{line}"],
            cwd=self._folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def _kafka(self) -> str:
        """Give shell functions that are called as the scripts of Kafka are."""
        with required():
            run = shlex.join(kafka_jvm.command())
        return "".join(f'{name}.sh() {{ {run} {of} "$@"; }}\n' for name, of in KAFKA.items())

    def _real(self, line: str) -> str:
        database, user = self._url.path.strip("/"), self._url.username or "postgres"
        places = {
            "/opt/kafka/bin/": "",
            "localhost:19092": self._product.kafka,
            "--username=game": f"--username={user}",
            "--dbname=game": f"--dbname={database}",
            "--format=custom game": f"--format=custom {database}",
            **self._there,
        }
        for page, real in places.items():
            line = line.replace(page, real)
        return line

    def _environment(self) -> dict[str, str]:
        with required():
            programs = [str(postgres_wheel.installed()), str(Path(sys.executable).parent)]
        return {
            **os.environ,
            **self._product.environment,
            "PATH": os.pathsep.join([*programs, os.environ["PATH"]]),
            "PGHOST": self._url.hostname or "",
            "PGPORT": str(self._url.port or ""),
            "PGDATABASE": self._url.path.strip("/"),
            "PGPASSWORD": self._url.password or "",
        }
