"""Send incidents to any HTTP address: `body` decides what is said (pure), `Webhook` says it.

Labels, annotations and times are those that an Alertmanager gets. ``id`` stays the same as long as
an incident is about the same, and ``change`` says what is news: a receiver that is told again every
minute, or twice, can tell. ``docs/reference/lagmon-webhook.schema.json`` is the form.

A body is signed with the time at which it was sent, so that whoever listens can neither change it
nor send it again later: HMAC-SHA256 over ``TIMESTAMP.BODY``.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import TYPE_CHECKING, Any

from lagmon.notify.access import Access
from lagmon.notify.alertmanager import alert, parted
from lagmon.notify.delivery import JSON, TIMEOUT_SECONDS, Delivery, named
from lagmon.notify.mailbox import Outcome
from lagmon.wording import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lagmon.report import Links, Notice

VERSION = 1
TIMESTAMP, SIGNATURE = "X-Lagmon-Timestamp", "X-Lagmon-Signature"
_ID_DIGITS = 32


def body(notices: Sequence[Notice], links: Links, holds_seconds: float, now: float) -> bytes:
    """Write what is posted about *notices*, in a batch, at *now* (seconds)."""
    told = {
        "version": VERSION,
        "source": "lagmon",
        "sent_at": moment(now),
        "alerts": [_alert(notice, links, holds_seconds) for notice in notices],
    }
    return json.dumps(told, separators=(",", ":")).encode()


def signature(key: str, timestamp: str, said: bytes) -> str:
    """Sign *said* with *key* as sent at *timestamp*, in whole seconds since the epoch."""
    signed = hmac.new(key.encode(), timestamp.encode() + b"." + said, hashlib.sha256)
    return f"v1={signed.hexdigest()}"


def _alert(notice: Notice, links: Links, holds_seconds: float) -> dict[str, Any]:
    built = alert(notice, links, holds_seconds)
    labels = json.dumps(built["labels"], sort_keys=True).encode()
    return {
        "id": hashlib.sha256(labels).hexdigest()[:_ID_DIGITS],
        "status": "firing" if notice.change.incident.resolved_at is None else "resolved",
        "change": notice.change.change.value,
        "labels": built["labels"],
        "annotations": built["annotations"],
        "starts_at": built["startsAt"],
        "ends_at": built["endsAt"],
        "url": built.get("generatorURL"),
    }


class Webhook:
    """One receiver at *url*; needs a running event loop from the first `send` to `close`.

    What is sent is signed by what *secret_file* holds at that time. All else is as with an
    `Alertmanager`.
    """

    def __init__(
        self,
        url: str,
        links: Links,
        *,
        secret_file: Path,
        holds_seconds: float,
        access: Access | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        now: Callable[[], float] = time.time,
    ) -> None:
        bare, access = parted(url, access or Access())
        self.name = named("webhook", bare)
        self._links, self._holds_seconds = links, holds_seconds
        self._secret_file, self._now = secret_file, now
        self._path = bare.partition("://")[2].partition("/")[2]  # it may be what lets one in
        self._delivery = Delivery(self.name, bare, access, timeout_seconds)

    async def send(self, notices: Sequence[Notice]) -> Outcome:
        """Post *notices* as one batch; answer in bounded time whatever the other side does."""
        key = await self._delivery.secret(self._secret_file)
        if key is None:
            return Outcome.FAILED
        now = self._now()
        said, timestamp = body(notices, self._links, self._holds_seconds, now), str(int(now))
        signed = {TIMESTAMP: timestamp, SIGNATURE: signature(key, timestamp, said)}
        return await self._delivery.post(said, JSON | signed, hidden=self._path)

    async def close(self) -> None:
        """Close the connections."""
        await self._delivery.close()
