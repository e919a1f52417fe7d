"""The scenery of the demo: embedded components, and the services started by their real commands.

Everything started here ends with the `Stage`, or with the process that holds it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from demo.pages import Pager
from tests.infra.mock_kafka import MockKafka
from tests.infra.otlp import OtlpReceiver
from tests.infra.postgres import Postgres
from tests.infra.process import Service

if TYPE_CHECKING:
    from typing import Self

TOPIC = "game.slots.plays"
GROUP = "game-consumer"
LAGMON = """\
clusters:
  - name: demo
    bootstrap_servers: {kafka}
    groups: {{static: {{{group}: [{topic}]}}}}
poll_interval: 1s
web: {{host: 127.0.0.1, port: 0}}
alertmanagers: [{{url: "{alertmanager}"}}]
links: {{jaeger: "http://localhost:16686"}}
"""


class Stage:
    """Kafka, Postgres, a trace receiver, a pager and the three services. A context manager."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.kafka = MockKafka(TOPIC, f"{TOPIC}.dlq")
        self.postgres = Postgres()
        self.traces = OtlpReceiver()
        self.pager = Pager()
        self.database = ""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for component in (self.kafka, self.postgres, self.traces, self.pager):
                stack.enter_context(component)
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lagmon-")))
            self.database = self.postgres.create_database()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def migrate(self) -> str:
        """Create the game's tables by their own command; give what it printed."""
        done = subprocess.run(
            [command("consumers"), "migrate"],
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"consumers migrate ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def api(self) -> Service:
        """Start the API; it publishes what players ask for."""
        return self._service("game-api", [command("consumers"), "api"])

    def worker(self) -> Service:
        """Start the worker; it settles what was published."""
        return self._service("game-consumer", [command("consumers"), "worker"])

    def lagmon(self) -> Service:
        """Start the monitor with the configuration that a user would write."""
        config = self._folder / "lagmon.yml"
        config.write_text(
            LAGMON.format(
                kafka=self.kafka.bootstrap_servers,
                group=GROUP,
                topic=TOPIC,
                alertmanager=self.pager.url,
            )
        )
        return self._service("lagmon", [command("lagmon"), "serve", "--config", str(config)])

    def _service(self, name: str, line: list[str]) -> Service:
        service = Service(line, env=self._environment(), name=name)
        self._stack.enter_context(service)
        return service

    def _environment(self) -> dict[str, str]:
        """Give the settings of the game services; librdkafka's mock needs the newer protocol."""
        inherited = {
            k: v
            for k, v in os.environ.items()
            if not k.startswith(("CONSUMERS_", "LAGMON_", "OTEL_"))
        }
        return inherited | {
            "CONSUMERS_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "CONSUMERS_DATABASE_URL": self.database,
            "CONSUMERS_ENVIRONMENT": "demo",
            "CONSUMERS_PORT": "0",
            "CONSUMERS_CLIENT": json.dumps({"group.protocol": "consumer"}),
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.traces.endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }


def command(name: str) -> str:
    """Give the path of the installed command *name*: beside this Python, or on PATH."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if not found:
        raise RuntimeError(f"the command {name} is not installed; `make demo` installs it")
    return found


def address(service: Service) -> str:
    """Wait until *service* says where it listens."""
    return str(service.wait_for_log("service_started", timeout=30)["address"])


def get(url: str) -> httpx.Response:
    """Fetch *url*; five seconds at most."""
    return httpx.get(url, timeout=5)
