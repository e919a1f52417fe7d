"""The way of a page: Alertmanager with the shipped configuration, and stand-ins for who is told.

Only what ties the configuration to production is exchanged: PagerDuty's address, the files of the
secrets, the waits of what is not urgent, and the time between two messages about one group; and
which hours are working hours. Routes, texts and inhibition are as shipped.
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

SECRETS = "/etc/alertmanager/secrets"
URGENT = {"P0", "P1"}
ALWAYS: list[dict[str, Any]] = [{"times": [{"start_time": "00:00", "end_time": "24:00"}]}]
NEVER: list[dict[str, Any]] = []
KEY = "0123456789abcdef0123456789abcdef"
# Each time that a group of alerts comes up, Alertmanager asks its log whether it was told already.
ROUNDS = "alertmanager_nflog_queries_total "


class Receiver:
    """Accepts JSON at *path* with *answer*, and keeps it. A context manager."""

    def __init__(self, path: str, answer: Response) -> None:
        self.taken: list[dict[str, Any]] = []
        self._path, self._answer = path, answer
        self._endpoint = Endpoint(self._take)

    @property
    def url(self) -> str:
        """Where to post."""
        return f"{self._endpoint.address}{self._path}"

    def __enter__(self) -> Self:
        self._endpoint.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._endpoint.stop()

    def _take(self, request: Request) -> Response:
        assert request.path == self._path
        self.taken.append(json.loads(request.body))
        return self._answer


def pagerduty() -> Receiver:
    """Stand in for PagerDuty's Events API v2; what is taken are events."""
    return Receiver("/v2/enqueue", Response(202, b"{}"))


def slack() -> Receiver:
    """Stand in for an incoming webhook of Slack, whose address is the secret."""
    return Receiver("/services/T0/B0/secret", Response(200, b"ok", "text/plain"))


class Paging:
    """Alertmanager with the shipped configuration, and who is told by it. A context manager.

    Its files are kept in *folder*. Without *key* there is no key of PagerDuty, and without
    *webhook* no address of Slack, as at first. *working_hours* are `ALWAYS` or `NEVER`, *config* is
    the shipped configuration with something added.
    """

    def __init__(
        self,
        folder: Path,
        *,
        key: bool = True,
        webhook: bool = True,
        working_hours: list[dict[str, Any]] = ALWAYS,
        config: dict[str, Any] | None = None,
    ) -> None:
        self._program = need("prometheus-alertmanager|alertmanager", INSTALL)
        self._stack = ExitStack()
        self._folder = folder
        self._webhook = webhook
        self._working_hours = working_hours
        self._config = config or read(ALERTMANAGER)
        self.pagerduty = pagerduty()
        self.slack = slack()
        self.key_file = folder / "pagerduty_routing_key"
        self.webhook_file = folder / "slack_api_url"
        if key:
            self.key_file.write_text(KEY)
        self.url = f"http://127.0.0.1:{free_port()}"
        self._client = httpx.Client(base_url=self.url, timeout=30)
        self.service = Service(self._command(), name="alertmanager")

    def __enter__(self) -> Self:
        with ExitStack() as started:
            started.enter_context(self._client)
            started.enter_context(self.pagerduty)
            started.enter_context(self.slack)
            if self._webhook:
                self.webhook_file.write_text(self.slack.url)
            config = self._exchanged(self._config)
            (self._folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
            started.enter_context(self.service)
            until(self._ready, timeout=START_SECONDS, what="Alertmanager to be ready")
            self._stack = started.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def post(self, *alerts: dict[str, Any]) -> None:
        """Send *alerts* as lagmon and Prometheus do."""
        self._client.post("/api/v2/alerts", json=alerts).raise_for_status()

    def alerts(self) -> list[dict[str, Any]]:
        """List the alerts that it holds, each with its state (active, suppressed)."""
        held: list[dict[str, Any]]
        held = self._client.get("/api/v2/alerts").raise_for_status().json()
        return held

    def states(self) -> dict[str, str]:
        """Give each alert's state by its `source`; the copy has none."""
        return {each["labels"].get("source", ""): each["status"]["state"] for each in self.alerts()}

    def paged(self, count: int) -> list[dict[str, Any]]:
        """Wait until PagerDuty has got *count* events; give all it has."""
        events = self.pagerduty.taken
        until(lambda: len(events) >= count, what=f"{count} events at PagerDuty")
        return list(events)

    def told(self, count: int) -> list[dict[str, Any]]:
        """Wait until Slack has got *count* messages; give the attachment of all it has."""
        messages = self.slack.taken
        until(lambda: len(messages) >= count, what=f"{count} messages at Slack")
        return [attachment for each in messages for attachment in each["attachments"]]

    def wait_for_rounds(self, count: int) -> None:
        """Wait until Alertmanager has looked *count* more times whether somebody is to be told."""
        first = self._rounds()
        until(lambda: self._rounds() >= first + count, what=f"{count} rounds of Alertmanager")

    def _rounds(self) -> float:
        text = self._client.get("/metrics").raise_for_status().text
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
        root = config["route"]
        hours = {"name": "working-hours", "time_intervals": self._working_hours}
        kept = [each for each in config["time_intervals"] if each["name"] != hours["name"]]
        here = json.dumps(config["receivers"]).replace(SECRETS, str(self._folder))
        return config | {
            "global": {"pagerduty_url": self.pagerduty.url},
            "templates": [str(ALERTMANAGER.parent / each) for each in config["templates"]],
            "route": hurried(root, root)
            | {"routes": [hurried(each, root) for each in root["routes"]]},
            "time_intervals": [hours, *kept],
            "receivers": json.loads(here),
        }

    def _ready(self) -> bool:
        try:
            return self._client.get("/-/ready").is_success
        except httpx.TransportError:
            return False


def hurried(route: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """Give *route* with short times; what is urgent waits for its first word as long as shipped."""
    urgent = any(f'"{each}"' in str(route.get("matchers")) for each in URGENT)
    wait = route.get("group_wait", root["group_wait"]) if urgent else "0s"
    return route | {"group_interval": "1s", "group_wait": wait}
