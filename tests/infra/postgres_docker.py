"""Run PostgreSQL as a container; its data lives through kills and restarts.

Testcontainers' reaper removes the container should this process be killed.
"""

from __future__ import annotations

import time

from testcontainers.core.container import DockerContainer

from tests.infra.ports import free_port
from tests.infra.postgres_settings import ARGUMENTS

IMAGE = "postgres:18"
PORT = 5432  # inside the container
STOP_SECONDS = 20


class DockerServer:
    """One server in a container, used as a `WheelServer` is."""

    def __init__(self) -> None:
        self._container = DockerContainer(IMAGE)
        port = free_port()
        host = self._container.get_docker_client().host()
        self.url = f"postgresql://postgres@{host}:{port}/postgres"
        self._container.with_env("POSTGRES_HOST_AUTH_METHOD", "trust")
        self._container.with_command(["postgres", *ARGUMENTS])
        self._container.with_bind_ports(PORT, port)
        self._created = False
        self._started_at = 0.0

    def start(self) -> None:
        """Start it on the data it has; it may not serve yet."""
        self._started_at = time.time()
        if self._created:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._created = True

    def stop(self) -> None:
        """Shut it down in order, ending the sessions: the image asks for SIGINT, the fast way."""
        self._container.get_wrapped_container().stop(timeout=STOP_SECONDS)

    def kill(self) -> None:
        """End it in the middle of what it does."""
        self._container.get_wrapped_container().kill()

    def remove(self) -> None:
        """End it if it runs, and delete its data."""
        self._container.stop()

    def log_text(self) -> str:
        """Give the server's log since the last start."""
        container = self._container.get_wrapped_container()
        return bytes(container.logs(since=self._started_at)).decode(errors="replace")
