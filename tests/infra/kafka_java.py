"""Run one Kafka broker, its own controller, as a Java child of this process.

The log folder lives through kills and restarts and goes with `remove`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.infra.kafka_jvm import command, format_logs, new_id, write_properties
from tests.infra.kafka_settings import CLIENTS, CONTROLLER, PROXIED, listeners
from tests.infra.ports import free_port
from tests.infra.process import Service

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STOP_SECONDS = 120  # a broker that hands over its partitions takes its time
NODE = 1


class JavaBroker:
    """One broker on 127.0.0.1; raise `Missing` without Java or the jars.

    *settings* are the broker's properties but for its listeners. With *advertised_port* it has a
    second listener, bound to another port than it advertises. Java gets *java_options* as well.
    """

    def __init__(
        self,
        settings: Mapping[str, str],
        advertised_port: int | None,
        java_options: Sequence[str] = (),
    ) -> None:
        run = command()
        self.host, self.port, self.inner_port = "127.0.0.1", free_port(), free_port()
        self._folder = tempfile.TemporaryDirectory(prefix="lagmon-kafka-")
        self._properties = Path(self._folder.name, "server.properties")
        self._logs = Path(self._folder.name, "logs")
        controller = f"{self.host}:{free_port()}"
        write_properties(
            self._properties,
            {
                **listeners(
                    bound={
                        CLIENTS: f"{self.host}:{self.port}",
                        PROXIED: f"{self.host}:{self.inner_port}",
                        CONTROLLER: controller,
                    },
                    advertised={
                        CLIENTS: f"{self.host}:{self.port}",
                        PROXIED: f"{self.host}:{advertised_port or self.inner_port}",
                    },
                ),
                "controller.quorum.voters": f"{NODE}@{controller}",
                "log.dirs": str(self._logs),
                **settings,
            },
        )
        broker = [*run, *java_options, "kafka.Kafka", str(self._properties)]
        self._service = Service(broker, name="kafka")

    def start(self) -> None:
        """Start it on the data it has; it may not serve yet."""
        if not self._logs.exists():
            format_logs(self._logs, NODE, new_id())
        self._service.start()

    def stop(self) -> None:
        """Shut it down in order."""
        self._service.finish(STOP_SECONDS)

    def kill(self) -> None:
        """End it in the middle of what it does."""
        self._service.kill()

    def remove(self) -> None:
        """End it if it runs, and delete its data."""
        self._service.close()
        self._folder.cleanup()

    def ended(self) -> str | None:
        """Say how it ended by itself, None while it runs."""
        code = self._service.returncode
        return None if code is None else f"exit code {code}\n{self._service.tail()}"
