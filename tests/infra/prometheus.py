"""A real Prometheus that scrapes one address once a second. It ends with this process."""

from __future__ import annotations

from typing import Any

import httpx
import yaml

from tests.infra.component import Component
from tests.infra.ports import free_port
from tests.infra.require import program
from tests.infra.wait import until

INSTALL = "install the Debian package prometheus"
START_SECONDS = 30
ANSWER_SECONDS = 30


class Prometheus(Component):
    """One Prometheus at *url* that scrapes *target* (``HOST:PORT``). A context manager."""

    def __init__(self, target: str) -> None:
        super().__init__()
        self._target = target

    def start(self) -> None:
        """Start it and wait until it is ready; raise `Missing` if it is not installed."""
        binary = program("prometheus", INSTALL)
        folder = self.folder("prometheus")
        config = folder / "prometheus.yml"
        config.write_text(yaml.safe_dump(configuration(self._target)))
        address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{address}"
        command = [
            binary,
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address}",
        ]
        self.run("prometheus", command)
        until(self._ready, timeout=START_SECONDS, what="Prometheus to be ready")

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Give what *expression* is now: labels and value of each series."""
        answer = httpx.get(
            f"{self.url}/api/v1/query", params={"query": expression}, timeout=ANSWER_SECONDS
        )
        found: list[dict[str, Any]] = answer.raise_for_status().json()["data"]["result"]
        return found

    def metadata(self) -> dict[str, list[dict[str, str]]]:
        """Give kind and help of each metric that it has scraped."""
        answer = httpx.get(f"{self.url}/api/v1/metadata", timeout=ANSWER_SECONDS)
        found: dict[str, list[dict[str, str]]] = answer.raise_for_status().json()["data"]
        return found

    def _ready(self) -> bool:
        if self._service and not self._service.running:
            raise RuntimeError(f"Prometheus ended\n{self._service.tail()}")
        try:
            return httpx.get(f"{self.url}/-/ready", timeout=ANSWER_SECONDS).is_success
        except httpx.TransportError:
            return False


def configuration(target: str) -> dict[str, Any]:
    """Give Prometheus's configuration: scrape *target* under the name ``lagmon``."""
    scraped = {"job_name": "lagmon", "static_configs": [{"targets": [target]}]}
    return {"global": {"scrape_interval": "1s"}, "scrape_configs": [scraped]}
