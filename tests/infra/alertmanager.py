"""A real Alertmanager and a webhook behind it.

It notifies at once and one alert at a time (no grouping), and tells when an alert is resolved, so
that a test sees each alert exactly as it was sent. It ends with this process.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import httpx
import yaml

from tests.infra import plain_http
from tests.infra.component import Component
from tests.infra.endpoint import Endpoint, Request, Response
from tests.infra.ports import free_port
from tests.infra.require import program
from tests.infra.wait import until

if TYPE_CHECKING:
    from typing import Self

INSTALL = "install the Debian package prometheus-alertmanager"
START_SECONDS = 60
ANSWER_SECONDS = 60
RECEIVER = "webhook"
ROUTE = {
    "receiver": RECEIVER,
    "group_by": ["..."],  # every label: one notification for each alert
    "group_wait": "0s",
    "group_interval": "1s",  # how soon a resolve is told
    "repeat_interval": "1h",
}


class Alertmanager(Component):
    """One Alertmanager at *url*; it notifies *webhook_url* if given. A context manager."""

    def __init__(self, webhook_url: str | None = None) -> None:
        super().__init__()
        self._webhook_url = webhook_url
        self._port = 0

    def start(self) -> None:
        """Start it and wait until it is ready; raise `Missing` if it is not installed.

        After a `stop` it comes back at the same address, and knows nothing of before.
        """
        binary = program("prometheus-alertmanager|alertmanager", INSTALL)
        folder = self.folder("alertmanager")
        config = folder / "alertmanager.yml"
        config.write_text(yaml.safe_dump(configuration(self._webhook_url)))
        self._port = self._port or free_port()
        address = f"127.0.0.1:{self._port}"
        self.url = f"http://{address}"
        command = [
            binary,
            f"--config.file={config}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address={address}",
            f"--web.external-url={self.url}",
            "--cluster.listen-address=",
        ]
        self.run("alertmanager", command)
        until(self._ready, timeout=START_SECONDS, what="Alertmanager to be ready")

    def alerts(self) -> list[dict[str, Any]]:
        """List the alerts that it holds, as API v2 gives them."""
        answer = plain_http.get(f"{self.url}/api/v2/alerts", timeout=ANSWER_SECONDS)
        found: list[dict[str, Any]] = answer.raise_for_status().json()
        return found

    def _ready(self) -> bool:
        if self._service and not self._service.running:
            raise RuntimeError(f"Alertmanager ended\n{self._service.tail()}")
        try:
            return plain_http.get(f"{self.url}/-/ready", timeout=ANSWER_SECONDS).is_success
        except httpx.TransportError:
            return False


class WebhookReceiver:
    """Keep the notifications that are posted to *url*. A context manager."""

    def __init__(self) -> None:
        self._notifications: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._server = Endpoint(self._take)
        self.url = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to receive."""
        self._server.start()
        self.url = f"{self._server.address}/"

    def stop(self) -> None:
        """Close; raise what was no notification. What was received stays."""
        self._server.stop()

    def notifications(self) -> list[dict[str, Any]]:
        """List the notifications so far, oldest first, as Alertmanager's webhook sends them."""
        with self._lock:
            return list(self._notifications)

    def clear(self) -> None:
        """Forget the notifications so far."""
        with self._lock:
            self._notifications.clear()

    def _take(self, request: Request) -> Response:
        notification = json.loads(request.body)
        with self._lock:
            self._notifications.append(notification)
        return Response()


def configuration(webhook_url: str | None) -> dict[str, Any]:
    """Give Alertmanager's configuration: everything to *webhook_url*, or to nobody."""
    hooks = [{"url": webhook_url, "send_resolved": True}] if webhook_url else []
    return {"route": ROUTE, "receivers": [{"name": RECEIVER, "webhook_configs": hooks}]}
