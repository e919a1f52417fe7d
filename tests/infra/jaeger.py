"""A real Jaeger v2, and the traces that its own query API gives.

``JAEGER_BIN`` names the program; else ``jaeger`` on PATH. It runs by the configuration that is
shipped in deploy/jaeger, with its ports on 127.0.0.1. It ends with this process.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import httpx

from tests.infra import plain_http
from tests.infra.component import Component
from tests.infra.ports import free_port
from tests.infra.require import Missing
from tests.infra.wait import until

VARIABLE = "JAEGER_BIN"
INSTALL = f"put Jaeger v2 on PATH as `jaeger`, or its path into {VARIABLE}"
CONFIG = Path(__file__).parents[2] / "deploy" / "jaeger" / "config.yaml"
SHIPPED_FOLDER = "/tmp/jaeger"  # noqa: S108 - in its image the one folder that it may write to
SHIPPED_SAMPLING = "/etc/jaeger/sampling.json"
START_SECONDS = 60
ANSWER_SECONDS = 60


def binary() -> str | None:
    """Give the path of Jaeger's program, None if this machine has none."""
    return os.environ.get(VARIABLE) or shutil.which("jaeger")


class Jaeger(Component):
    """One Jaeger: spans go to `endpoint` by OTLP over HTTP. A context manager."""

    def __init__(self) -> None:
        super().__init__()
        self.endpoint = ""

    def start(self) -> None:
        """Start it and wait until it is healthy; raise `Missing` if it is not at hand."""
        program = binary()
        if program is None:
            raise Missing("Jaeger", INSTALL)
        folder = self.folder("jaeger")
        text, ports = moved(CONFIG.read_text(), folder)
        config = folder / "config.yaml"
        config.write_text(text)
        query, health, otlp = (ports[each] for each in (16686, 13133, 4318))
        self.url, self.endpoint = f"http://127.0.0.1:{query}", f"http://127.0.0.1:{otlp}"
        self.run("jaeger", [program, "--config", str(config)])
        until(
            lambda: self._answers(f"http://127.0.0.1:{health}/status"),
            timeout=START_SECONDS,
            what="Jaeger to be healthy",
        )

    def trace(self, trace_id: str) -> list[dict[str, Any]]:
        """Give the spans of a trace as the API shows them; empty if it knows none."""
        answer = plain_http.get(f"{self.url}/api/traces/{trace_id}", timeout=ANSWER_SECONDS)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return []
        found: list[dict[str, Any]] = answer.raise_for_status().json()["data"][0]["spans"]
        return found

    def _answers(self, url: str) -> bool:
        if self._service and not self._service.running:
            raise RuntimeError(f"Jaeger ended\n{self._service.tail()}")
        try:
            return plain_http.get(url, timeout=ANSWER_SECONDS).is_success
        except httpx.TransportError:
            return False


def moved(text: str, folder: Path) -> tuple[str, dict[int, int]]:
    """Move the shipped configuration into *folder* and to free ports; give it, and port by port."""
    ports = {int(port): free_port() for port in re.findall(r"0\.0\.0\.0(?:, port)?: ?(\d+)", text)}
    for shipped, port in ports.items():
        text = text.replace(f"0.0.0.0:{shipped}", f"127.0.0.1:{port}")
        text = text.replace(f"0.0.0.0, port: {shipped}", f"127.0.0.1, port: {port}")
    text = text.replace(SHIPPED_FOLDER, str(folder))
    return text.replace(SHIPPED_SAMPLING, str(CONFIG.with_name("sampling.json"))), ports
