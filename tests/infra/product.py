"""The product's own services, started by the commands that a user types. Imports none of its code.

Everything started here ends with the `Product`, or with the process that holds it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.infra.process import Service

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Self

    from tests.infra.mock_kafka import MockKafka

START_SECONDS = 60  # to say where it listens; a loaded machine needs a part of it
OURS = ("CONSUMERS_", "LAGMON_", "OTEL_")  # variables of the outer environment that would interfere


class Product:
    """Start API, worker, partner and lagmon against *kafka* and *database*. A context manager.

    *otlp* is the endpoint for spans; without it none are exported. *client* holds librdkafka
    properties for both game services.
    """

    def __init__(
        self,
        *,
        kafka: str,
        database: str = "",
        otlp: str | None = None,
        client: Mapping[str, str] | None = None,
    ) -> None:
        self._stack = ExitStack()
        self.kafka = kafka
        self.environment = {
            "CONSUMERS_BOOTSTRAP_SERVERS": kafka,
            "CONSUMERS_DATABASE_URL": database,
            "CONSUMERS_PORT": "0",
            "CONSUMERS_CLIENT": json.dumps(client or {}),
            "OTEL_TRACES_EXPORTER": "otlp" if otlp else "none",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }
        if otlp:
            self.environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = otlp

    def __enter__(self) -> Self:
        self._folder = Path(
            self._stack.enter_context(tempfile.TemporaryDirectory(prefix="lagmon-"))
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def migrate(self) -> None:
        """Create the game's tables; raise with its words if the command fails."""
        done = self.run("consumers", "migrate")
        if done.returncode:
            raise RuntimeError(f"consumers migrate ended with {done.returncode}: {done.stderr}")

    def run(
        self, name: str, *arguments: str, cwd: Path | None = None, **extra: str
    ) -> subprocess.CompletedProcess[str]:
        """Run one of our commands to its end, in *cwd*, two minutes at most."""
        return subprocess.run(
            [command(name), *arguments],
            cwd=cwd,
            env=self._environment(extra),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def api(self, **extra: str) -> Service:
        """Start the API with *extra* environment variables."""
        return self._start("game-api", ["consumers", "api"], extra)

    def worker(self, **extra: str) -> Service:
        """Start a worker with *extra* environment variables."""
        return self._start("game-consumer", ["consumers", "worker"], extra)

    def fintech(self, **extra: str) -> Service:
        """Start the stand-in for the partner with *extra* environment variables."""
        return self._start("fintech", ["consumers", "fintech"], extra)

    def load(self, url: str, *options: str) -> Service:
        """Start plays against the API at *url*."""
        return self._start("load", ["consumers", "load", "--url", url, *options], {})

    def handler(self, place: str, *options: str, folder: Path, **extra: str) -> Service:
        """Start a worker for the handler at *place*, MODULE:NAME, typed in *folder*."""
        return self._start(place, ["consumers", "run", place, *options], extra, folder)

    def lagmon(self, **settings: Any) -> Service:
        """Start lagmon on this Kafka with *settings* beside the cluster's address."""
        cluster = {"name": "test", "bootstrap_servers": self.kafka, **settings.pop("cluster", {})}
        web = {"host": "127.0.0.1", "port": 0}
        config = self._folder / "lagmon.yml"
        config.write_text(yaml.safe_dump({"clusters": [cluster], "web": web, **settings}))
        return self._start("lagmon", ["lagmon", "serve", "--config", str(config)], {})

    def _start(
        self, name: str, line: list[str], extra: Mapping[str, str], folder: Path | None = None
    ) -> Service:
        service = Service(
            [command(line[0]), *line[1:]], env=self._environment(extra), name=name, cwd=folder
        )
        self._stack.enter_context(service)
        return service

    def _environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        outer = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        return outer | self.environment | dict(extra)


@contextmanager
def new_game(kafka: MockKafka, database: str) -> Iterator[Product]:
    """Give the game on fresh topics and an empty *database*; nothing is started or migrated yet."""
    topic = f"plays-{uuid.uuid4().hex[:8]}"
    kafka.create_topic(topic)
    kafka.create_topic(f"{topic}.dlq")
    with Product(
        kafka=kafka.bootstrap_servers,
        database=database,
        client={"group.protocol": "consumer"},
    ) as product:
        product.environment |= {"CONSUMERS_TOPIC": topic, "CONSUMERS_GROUP": f"of-{topic}"}
        yield product


def command(name: str) -> str:
    """Give the path of the installed command *name*: beside this Python, or on PATH."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if not found:
        raise RuntimeError(f"the command {name} is not installed; `make test` installs it")
    return found


def address(service: Service) -> str:
    """Wait until *service* says where it listens; give that address."""
    return str(service.wait_for_log("service_started", timeout=START_SECONDS)["address"])
