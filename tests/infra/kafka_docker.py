"""Run one Kafka broker, its own controller, as a container.

Its data lives as long as the `DockerBroker`, through kills and restarts. Testcontainers' reaper
removes the container should this process be killed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from testcontainers.core.container import DockerContainer

from tests.infra.kafka_jars import KAFKA_VERSION
from tests.infra.kafka_settings import CLIENTS, CONTROLLER, PROXIED, listeners
from tests.infra.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping

IMAGE = f"apache/kafka:{KAFKA_VERSION}"
STOP_SECONDS = 30
# Inside the container.
CLIENTS_PORT, CONTROLLER_PORT, PROXIED_PORT = 9092, 9093, 9094


class DockerBroker:
    """One broker in a container, with the same arguments as a `JavaBroker`."""

    def __init__(self, settings: Mapping[str, str], advertised_port: int | None) -> None:
        self._container = DockerContainer(IMAGE)
        self.host = str(self._container.get_docker_client().host())
        self.port, self.inner_port = free_port(), free_port()
        properties = {
            **listeners(
                bound={
                    CLIENTS: f"0.0.0.0:{CLIENTS_PORT}",
                    PROXIED: f"0.0.0.0:{PROXIED_PORT}",
                    CONTROLLER: f"localhost:{CONTROLLER_PORT}",
                },
                advertised={
                    CLIENTS: f"{self.host}:{self.port}",
                    PROXIED: f"127.0.0.1:{advertised_port or self.inner_port}",
                },
            ),
            "controller.quorum.voters": f"1@localhost:{CONTROLLER_PORT}",
            **settings,
        }
        for name, value in properties.items():
            self._container.with_env(f"KAFKA_{name.upper().replace('.', '_')}", value)
        self._container.with_bind_ports(CLIENTS_PORT, self.port)
        self._container.with_bind_ports(PROXIED_PORT, self.inner_port)
        self._created = False

    def start(self) -> None:
        """Start it on the data it has; it may not serve yet."""
        if self._created:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._created = True

    def stop(self) -> None:
        """Shut it down in order."""
        self._container.get_wrapped_container().stop(timeout=STOP_SECONDS)

    def kill(self) -> None:
        """End it in the middle of what it does."""
        self._container.get_wrapped_container().kill()

    def remove(self) -> None:
        """End it if it runs, and delete its data."""
        self._container.stop()

    def ended(self) -> str | None:
        """Say how it ended by itself, None while it runs."""
        container = self._container.get_wrapped_container()
        container.reload()
        if container.status != "exited":
            return None
        return f"container exited\n{container.logs(tail=20).decode(errors='replace')}"
