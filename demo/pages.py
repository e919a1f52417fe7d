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
from typing import TYPE_CHECKING, Any

from tests.infra.alertmanager import Alertmanager, WebhookReceiver
from tests.infra.endpoint import Endpoint, Request, Response
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
        self._server = Endpoint(self._answer)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    @property
    def url(self) -> str:
        """The base address, as Alertmanager's."""
        return self._server.address

    def pages(self) -> list[Page]:
        """List the pages so far, oldest first."""
        with self._lock:
            return list(self._pages)

    def take(self, alerts: list[dict[str, Any]], now: datetime) -> None:
        """Keep what *alerts* change: the first firing and the first resolve of each label set."""
        with self._lock:
            for alert in alerts:
                ends = alert.get("endsAt")
                resolved = ends is not None and datetime.fromisoformat(ends) <= now
                identity = json.dumps(alert["labels"], sort_keys=True)
                if resolved == (identity in self._firing):
                    self._firing.symmetric_difference_update({identity})
                    status = "resolved" if resolved else "firing"
                    self._pages.append(Page(status, alert["labels"], alert.get("annotations", {})))

    def _answer(self, request: Request) -> Response:
        if (request.method, request.path) != ("POST", "/api/v2/alerts"):
            return Response(404)
        self.take(json.loads(request.body), datetime.now(UTC))
        return Response()
