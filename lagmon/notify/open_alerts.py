"""Ask Alertmanagers which of lagmon's alerts are open at them. Needs a running event loop.

In: where they are and what they want to see of us. Out: the alerts of a cluster that any of them
has open, each once, or None where none answered. Nothing is raised. What is silenced or inhibited
is open all the same: whoever judges it next has to know of it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import httpx
import structlog

from lagmon.labels import safe
from lagmon.notify.access import AccessError
from lagmon.notify.alertmanager import parted
from lagmon.notify.delivery import asking, named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lagmon.notify.access import Access

TIMEOUT_SECONDS = 5.0
ENDED = (
    httpx.HTTPError,
    AccessError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,  # JSON that is nested without end
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """An alert as it was sent: *rule*, and the labels of what it is about, made safe as they were.

    *since* and *opened_at* are times, *value* the last number that was told; 0 for a state.
    """

    rule: str
    group: str | None
    topic: str | None
    partition: int | None
    since: float
    opened_at: float
    value: float


async def open_alerts(
    receivers: Sequence[tuple[str, Access]], cluster: str
) -> tuple[OpenAlert, ...] | None:
    """Ask each of *receivers*, by address, for the alerts of *cluster*."""
    answers = await asyncio.gather(*(_asked(url, access, cluster) for url, access in receivers))
    known = [one for one in answers if one is not None]
    if not known:
        return None
    found = {(a.rule, a.group, a.topic, a.partition): a for answer in known for a in answer}
    return tuple(found.values())


def read(alert: Any) -> OpenAlert | None:
    """Read one *alert* as API v2 gives it; None where it is not of lagmon's making."""
    labels, told = alert["labels"], alert["annotations"]
    if labels.get("source") != "lagmon":
        return None
    opened_at = _moment(alert["startsAt"])
    partition = labels.get("partition")
    return OpenAlert(
        labels["alertname"],
        labels.get("group"),
        labels.get("topic"),
        None if partition is None else int(partition),
        _moment(told["since"]) if "since" in told else opened_at,
        opened_at,
        float(told.get("value", 0.0)),
    )


async def _asked(url: str, access: Access, cluster: str) -> list[OpenAlert] | None:
    bare, access = parted(url, access)
    name = named("alertmanager", bare)
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return [one for one in map(read, await _alerts(bare, access, cluster)) if one]
    except (TimeoutError, *ENDED) as error:
        log.warning("alerts_not_told", notifier=name, error=str(error) or type(error).__name__)
        return None


async def _alerts(bare: str, access: Access, cluster: str) -> list[Any]:
    filters = ('source="lagmon"', f"kafka_cluster={_quoted(safe(cluster))}")
    async with asking(access, TIMEOUT_SECONDS) as made:
        answer = await made.get(f"{bare}/api/v2/alerts", params={"filter": list(filters)})
    found = answer.raise_for_status().json()
    return list(found)


def _quoted(text: str) -> str:
    """Write *text* as Alertmanager's matchers want it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
