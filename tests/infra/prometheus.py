"""A real Prometheus that scrapes one address, or runs by a file. It ends with this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import yaml

from tests.infra import plain_http
from tests.infra.component import Component
from tests.infra.ports import free_port
from tests.infra.require import program
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

INSTALL = "install the Debian package prometheus"
START_SECONDS = 60
ANSWER_SECONDS = 60


class Prometheus(Component):
    """One Prometheus at *url* that scrapes *target* (``HOST:PORT``). A context manager.

    With *config* it runs by that file instead, and with *options* beside its own. It listens on
    *address*, at a free port without one.
    """

    def __init__(
        self,
        target: str = "",
        *,
        config: Path | None = None,
        options: Sequence[str] = (),
        address: str = "",
    ) -> None:
        super().__init__()
        self._target = target
        self._config = config
        self._options = options
        self._address = address

    def start(self) -> None:
        """Start it and wait until it is ready; raise `Missing` if it is not installed."""
        binary = program("prometheus", INSTALL)
        folder = self.folder("prometheus")
        if not (config := self._config):
            config = folder / "prometheus.yml"
            config.write_text(yaml.safe_dump(configuration(self._target)))
        address = self._address or f"127.0.0.1:{free_port()}"
        self.url = f"http://{address}"
        command = [
            binary,
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address}",
            *self._options,
        ]
        self.run("prometheus", command)
        until(self._ready, timeout=START_SECONDS, what="Prometheus to be ready")

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Give what *expression* is now: labels and value of each series."""
        found: list[dict[str, Any]] = self.data("query", query=expression)["result"]
        return found

    def data(self, path: str, **parameters: Any) -> Any:
        """Give the data that *path* of its API answers; raise with its words if it refuses."""
        answer = plain_http.get(
            f"{self.url}/api/v1/{path}", params=parameters, timeout=ANSWER_SECONDS
        )
        if answer.is_error:
            raise RuntimeError(f"{path} {parameters}: {answer.text}")
        return answer.json()["data"]

    def metadata(self) -> dict[str, list[dict[str, str]]]:
        """Give kind and help of each metric that it has scraped."""
        answer = plain_http.get(f"{self.url}/api/v1/metadata", timeout=ANSWER_SECONDS)
        found: dict[str, list[dict[str, str]]] = answer.raise_for_status().json()["data"]
        return found

    def _ready(self) -> bool:
        if self._service and not self._service.running:
            raise RuntimeError(f"Prometheus ended\n{self._service.tail()}")
        try:
            return plain_http.get(f"{self.url}/-/ready", timeout=ANSWER_SECONDS).is_success
        except httpx.TransportError:
            return False


def configuration(target: str) -> dict[str, Any]:
    """Give Prometheus's configuration: scrape *target* under the name ``lagmon``."""
    scraped = {"job_name": "lagmon", "static_configs": [{"targets": [target]}]}
    return {"global": {"scrape_interval": "1s"}, "scrape_configs": [scraped]}
