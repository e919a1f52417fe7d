"""The way of a page: Alertmanager with the shipped configuration, and a stand-in for PagerDuty.

Only what ties the configuration to production is exchanged: PagerDuty's address, the file of its
key, and the time between two messages about one group. Routes and inhibition are as shipped.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx
import yaml

from tests.deploy.files import ALERTMANAGER, read
from tests.infra.alertmanager import INSTALL, START_SECONDS
from tests.infra.endpoint import Endpoint, Request, Response
from tests.infra.ports import free_port
from tests.infra.process import Service
from tests.infra.require import need
from tests.infra.wait import until

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

KEY = "0123456789abcdef0123456789abcdef"
# Each time that a group of alerts comes up, Alertmanager asks its log whether it was told already.
ROUNDS = "alertmanager_nflog_queries_total "


class PagerDuty:
    """Accepts events as PagerDuty's Events API v2 does, and keeps them. A context manager."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self._endpoint = Endpoint(self._take)

    @property
    def url(self) -> str:
        """Where events are posted to."""
        return f"{self._endpoint.address}/v2/enqueue"

    def __enter__(self) -> Self:
        self._endpoint.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._endpoint.stop()

    def _take(self, request: Request) -> Response:
        self.events.append(json.loads(request.body))
        return Response(202, b"{}")


class Paging:
    """Alertmanager with the shipped configuration, and who is paged by it. A context manager.

    Its files are kept in *folder*; without *key* there is no key of PagerDuty, as at first.
    """

    def __init__(self, folder: Path, *, key: bool = True) -> None:
        self._program = need("prometheus-alertmanager|alertmanager", INSTALL)
        self._stack = ExitStack()
        self._folder = folder
        self.pagerduty = PagerDuty()
        self.key_file = folder / "pagerduty_routing_key"
        if key:
            self.key_file.write_text(KEY)
        self.url = f"http://127.0.0.1:{free_port()}"
        self.service = Service(self._command(), name="alertmanager")

    def __enter__(self) -> Self:
        with ExitStack() as started:
            started.enter_context(self.pagerduty)
            config = self._exchanged(read(ALERTMANAGER))
            (self._folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
            started.enter_context(self.service)
            until(self._ready, timeout=START_SECONDS, what="Alertmanager to be ready")
            self._stack = started.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def post(self, *alerts: dict[str, Any]) -> None:
        """Send *alerts* as lagmon and Prometheus do."""
        httpx.post(f"{self.url}/api/v2/alerts", json=alerts, timeout=30).raise_for_status()

    def states(self) -> dict[str, str]:
        """Give each alert's state (active, suppressed) by its `source`; the copy has none."""
        alerts = httpx.get(f"{self.url}/api/v2/alerts", timeout=30).raise_for_status().json()
        return {each["labels"].get("source", ""): each["status"]["state"] for each in alerts}

    def paged(self, count: int) -> list[dict[str, Any]]:
        """Wait until PagerDuty has got *count* events; give all it has."""
        events = self.pagerduty.events
        until(lambda: len(events) >= count, what=f"{count} events at PagerDuty")
        return list(events)

    def wait_for_rounds(self, count: int) -> None:
        """Wait until Alertmanager has looked *count* more times whether somebody is to be told."""
        first = self._rounds()
        until(lambda: self._rounds() >= first + count, what=f"{count} rounds of Alertmanager")

    def _rounds(self) -> float:
        text = httpx.get(f"{self.url}/metrics", timeout=30).raise_for_status().text
        (line,) = [each for each in text.splitlines() if each.startswith(ROUNDS)]
        return float(line.split()[1])

    def _command(self) -> list[str]:
        return [
            self._program,
            f"--config.file={self._folder / 'alertmanager.yml'}",
            f"--storage.path={self._folder / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
            "--cluster.listen-address=",
        ]

    def _exchanged(self, config: dict[str, Any]) -> dict[str, Any]:
        (pager,) = [each for each in config["receivers"] if each["name"] == "pagerduty"]
        pager["pagerduty_configs"][0]["routing_key_file"] = str(self.key_file)
        (p1,) = config["route"]["routes"]
        return config | {
            "global": {"pagerduty_url": self.pagerduty.url},
            "route": config["route"] | {"routes": [p1 | {"group_interval": "1s"}]},
        }

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/-/ready", timeout=30).is_success
        except httpx.TransportError:
            return False
