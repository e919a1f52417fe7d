"""The way of a page: Alertmanager with the shipped configuration, and a stand-in for PagerDuty.

Only what ties the configuration to production is exchanged: PagerDuty's address, the file of its
key, and the time between two messages about one group. Routes and inhibition are as shipped.
"""

from __future__ import annotations

import json
import threading
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import yaml

from tests.deploy.files import ALERTMANAGER, read
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
    """An HTTP server that accepts events as PagerDuty's Events API v2 does, and keeps them."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        kept = self.events

        class Enqueue(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                kept.append(json.loads(body))
                self.send_response(202)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Keep the test's output clean."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Enqueue)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Where events are posted to."""
        return f"http://127.0.0.1:{self._server.server_port}/v2/enqueue"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Paging:
    """Alertmanager with the shipped configuration, and who is paged by it. A context manager.

    Its files are kept in *folder*; without *key* there is no key of PagerDuty, as at first.
    """

    def __init__(self, folder: Path, *, key: bool = True) -> None:
        program = need(
            "alertmanager|prometheus-alertmanager", "apt-get install prometheus-alertmanager"
        )
        self._stack = ExitStack()
        self.pagerduty = PagerDuty()
        self.key_file = folder / "pagerduty_routing_key"
        if key:
            self.key_file.write_text(KEY)
        config = folder / "alertmanager.yml"
        config.write_text(yaml.safe_dump(self._exchanged(read(ALERTMANAGER))))
        self.url = f"http://127.0.0.1:{free_port()}"
        self.service = Service(
            [
                program,
                f"--config.file={config}",
                f"--storage.path={folder / 'data'}",
                f"--web.listen-address={self.url.removeprefix('http://')}",
                "--cluster.listen-address=",
            ],
            name="alertmanager",
        )

    def __enter__(self) -> Self:
        self._stack.enter_context(self.pagerduty)
        self._stack.enter_context(self.service)
        until(self._ready, what="Alertmanager to be ready")
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def post(self, *alerts: dict[str, Any]) -> None:
        """Send *alerts* as lagmon and Prometheus do."""
        httpx.post(f"{self.url}/api/v2/alerts", json=alerts).raise_for_status()

    def states(self) -> dict[str, str]:
        """Give each alert's state (active, suppressed) by its `source`; the copy has none."""
        alerts = httpx.get(f"{self.url}/api/v2/alerts").raise_for_status().json()
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
        text = httpx.get(f"{self.url}/metrics").raise_for_status().text
        (line,) = [each for each in text.splitlines() if each.startswith(ROUNDS)]
        return float(line.split()[1])

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
            return httpx.get(f"{self.url}/-/ready").is_success
        except httpx.TransportError:
            return False
