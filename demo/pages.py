"""Where pages arrive: a real Alertmanager with a webhook behind it, or a stand-in for its API.

Both give `Page` values. The stand-in takes ``POST /api/v2/alerts`` as Alertmanager documents it and
judges firing or resolved by ``endsAt`` alone; it groups, routes and silences nothing.
"""

from __future__ import annotations

import json
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from tests.infra.alertmanager import Alertmanager, WebhookReceiver
from tests.infra.require import Missing

if TYPE_CHECKING:
    from typing import Self


@dataclass(frozen=True, slots=True)
class Page:
    """One notification: ``firing`` or ``resolved``, with the alert's labels and annotations."""

    status: str
    labels: dict[str, str]
    annotations: dict[str, str]


class Pager:
    """Alertmanager, real if it is on PATH. A context manager; *url* is its address."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._webhook: WebhookReceiver | None = None
        self._stand_in: StandIn | None = None
        self.name = ""
        self.url = ""

    def __enter__(self) -> Self:
        try:
            self._start_real()
        except Missing:
            self._stand_in = self._stack.enter_context(StandIn())
            self.name, self.url = "a stand-in for Alertmanager", self._stand_in.url
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def pages(self) -> list[Page]:
        """List the pages so far, oldest first."""
        if self._stand_in:
            return self._stand_in.pages()
        sent = self._webhook.notifications() if self._webhook else []
        return [
            Page(alert["status"], alert["labels"], alert["annotations"])
            for notification in sent
            for alert in notification["alerts"]
        ]

    def _start_real(self) -> None:
        with ExitStack() as stack:
            webhook = stack.enter_context(WebhookReceiver())
            alertmanager = stack.enter_context(Alertmanager(webhook_url=webhook.url))
            self._webhook = webhook
            self.name, self.url = "Alertmanager", alertmanager.url
            self._stack = stack.pop_all()


class StandIn:
    """Take alerts by Alertmanager's API and keep them as pages: one when firing, one resolved."""

    def __init__(self) -> None:
        self._pages: list[Page] = []
        self._firing: set[str] = set()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def pages(self) -> list[Page]:
        """List the pages so far, oldest first."""
        with self._lock:
            return list(self._pages)

    def take(self, alerts: list[dict[str, Any]], now: datetime) -> None:
        """Keep what *alerts* change: the first firing and the first resolve of each label set."""
        with self._lock:
            for alert in alerts:
                ends = alert.get("endsAt")
                resolved = bool(ends) and datetime.fromisoformat(ends) <= now
                identity = json.dumps(alert["labels"], sort_keys=True)
                if resolved == (identity in self._firing):
                    self._firing.symmetric_difference_update({identity})
                    status = "resolved" if resolved else "firing"
                    self._pages.append(Page(status, alert["labels"], alert.get("annotations", {})))

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            """Answer POST /api/v2/alerts; anything else is not found."""

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                known = self.path == "/api/v2/alerts"
                if known:
                    stand_in.take(json.loads(body), datetime.now(UTC))
                self.send_response(200 if known else 404)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing: the story does the telling."""

        return Handler
