"""Send incidents to an Alertmanager: `alert` decides what is said (pure), `Alertmanager` says it.

API v2. The labels are the identity of an alert, so nothing that changes is among them; values,
times and the record are annotations. While an incident is open its alert is declared to hold for
`holding_seconds` more, four times as long as it takes until it is sent again: if lagmon dies, the
alert ends by itself, and three sendings may get lost before it does. Every Alertmanager gets every
alert from a notifier of its own, never through a load balancer, as its documentation asks.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from lagmon.labels import safe
from lagmon.notify.access import Access
from lagmon.notify.annotations import annotate
from lagmon.notify.delivery import JSON, TIMEOUT_SECONDS, Delivery, named
from lagmon.wording import moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lagmon.notify.mailbox import Outcome
    from lagmon.report import Links, Notice

SENDINGS = 4  # for which an alert holds: Prometheus's own rule


def holding_seconds(*intervals: float) -> float:
    """Give for how long an open alert is to hold, by all *intervals* (seconds) that may pass first.

    They are the reminder's, the cycle's and the cycle's deadline: an open alert is sent again in no
    less than the longest of them.
    """
    return SENDINGS * max(intervals)


def alert(notice: Notice, links: Links, holds_seconds: float) -> dict[str, Any]:
    """Build the JSON of one alert, which while open holds for *holds_seconds* from the notice on.

    A resolved one ends when its incident did. Alertmanager refuses an end before the beginning,
    which a clock that was set back would give; so neither time ever passes the other.
    """
    incident = notice.change.incident
    ends = notice.at + holds_seconds if incident.resolved_at is None else incident.resolved_at
    starts = min(incident.opened_at, notice.at, ends)
    built: dict[str, Any] = {
        "labels": _labels(notice),
        "annotations": annotate(notice, links),
        "startsAt": moment(starts),
        "endsAt": moment(ends),
    }
    if links.lagmon:
        built["generatorURL"] = links.lagmon
    return built


def _labels(notice: Notice) -> dict[str, str]:
    rule, key = notice.rule, notice.change.incident.key
    labels = {
        "alertname": rule.name,
        "code": rule.code,
        "severity": rule.severity.value,
        "priority": rule.priority.value,
        "kafka_cluster": safe(key.cluster),
        "group": safe(key.group or ""),
        "topic": safe(key.topic or ""),
        "partition": "" if key.partition is None else str(key.partition),
        "owner": safe(rule.owner),
        "source": "lagmon",
    }
    return dict(rule.labels) | {name: value for name, value in labels.items() if value}


class Alertmanager:
    """One Alertmanager at *url*; needs a running event loop from the first `send` to `close`.

    Credentials in *url* are sent as basic authentication, in place of those in *access*; neither
    name nor log lines have them. An open alert holds for *holds_seconds*, which is
    `holding_seconds` of what is configured.
    """

    def __init__(
        self,
        url: str,
        links: Links,
        *,
        holds_seconds: float,
        access: Access | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        bare, access = parted(url, access or Access())
        self.name = named("alertmanager", bare)
        self._links = links
        self._holds_seconds = holds_seconds
        # The client logs the address of every request: it must not have the credentials.
        self._delivery = Delivery(self.name, f"{bare}/api/v2/alerts", access, timeout_seconds)

    async def send(self, notices: Sequence[Notice]) -> Outcome:
        """Post *notices* as one batch; answer within the timeout whatever the other side does."""
        alerts = [alert(notice, self._links, self._holds_seconds) for notice in notices]
        return await self._delivery.post(json.dumps(alerts).encode(), JSON)

    async def close(self) -> None:
        """Close the connections."""
        await self._delivery.close()


def parted(url: str, access: Access) -> tuple[str, Access]:
    """Give *url* without credentials, and *access* with these, if it has any.

    Whatever stands before the last @ may belong to a password, also behind a slash.
    """
    scheme, _, rest = url.partition("://")
    credentials, _, where = rest.rpartition("@")
    bare = f"{scheme}://{where.rstrip('/')}"
    if not credentials:
        return bare, access
    user, _, password = credentials.partition(":")
    return bare, replace(access, username=unquote(user), password=unquote(password))
