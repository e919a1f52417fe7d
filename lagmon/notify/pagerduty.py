"""Tell PagerDuty by its Events API v2: `written` decides what is said (pure), `PagerDuty` says it.

A trigger says what an Alertmanager would be told: the sentence as its summary, everything else as
custom details. What is longer than PagerDuty takes is cut, and the longest details are left out by
name. The routing key is read for each event, and is in the event alone.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lagmon.labels import safe
from lagmon.notify.access import Access
from lagmon.notify.annotations import annotate
from lagmon.notify.delivery import JSON, TIMEOUT_SECONDS, Delivery, named
from lagmon.notify.fallback import Action
from lagmon.notify.mailbox import Outcome
from lagmon.wording import moment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lagmon.notify.fallback import Event
    from lagmon.report import Links, Notice

# What PagerDuty takes, by its documentation of the Events API v2.
LONGEST_SUMMARY = 1024  # characters
LARGEST_EVENT = 512_000  # bytes
_KEY_BYTES = 1024  # of them that are left for the routing key, which has 32
LONGEST_DETAIL = 8192  # characters; ours
_CUT = "…"
_LINKS = {"trace_url": "Trace in Jaeger", "runbook_url": "Runbook"}
_APART = frozenset({"summary", *_LINKS})  # said elsewhere in the event


def written(event: Event, links: Links) -> dict[str, Any]:
    """Write *event* but for its routing key. A trigger has one notice at least."""
    named = {"event_action": event.action.value, "dedup_key": event.about.dedup_key}
    if event.action is Action.RESOLVE:
        return named
    first, *others = event.notices
    said = annotate(first, links)
    built = {
        **named,
        "client": "lagmon",
        "links": [
            {"href": said[name], "text": text} for name, text in _LINKS.items() if name in said
        ],
        "payload": _payload(first, said),
    }
    if links.lagmon:
        built["client_url"] = links.lagmon
    return _fitted(built, _details(said, others))


def _payload(notice: Notice, said: Mapping[str, str]) -> dict[str, Any]:
    rule, incident = notice.rule, notice.change.incident
    cluster, group = safe(incident.key.cluster), safe(incident.key.group or "")
    known = {
        "summary": _shortened(f"{rule.priority.value} {said['summary']}", LONGEST_SUMMARY),
        "source": cluster,
        "severity": rule.severity.value,
        "timestamp": moment(incident.opened_at),
        "component": group,
        "group": cluster,
        "class": rule.code,
    }
    return {name: text for name, text in known.items() if text}


def _details(said: Mapping[str, str], others: Sequence[Notice]) -> dict[str, str]:
    details = {name: text for name, text in said.items() if name not in _APART}
    if others:
        details["also"] = ", ".join(sorted({notice.rule.name for notice in others}))
    return {name: _shortened(text, LONGEST_DETAIL) for name, text in details.items()}


def _fitted(built: dict[str, Any], details: dict[str, str]) -> dict[str, Any]:
    """Give *built* with as many of *details* as fit into an event, the shortest ones."""
    kept, left_out = dict(details), list[str]()
    while True:
        told = kept | ({"left_out": ", ".join(sorted(left_out))} if left_out else {})
        whole = built | {"payload": built["payload"] | {"custom_details": told}}
        if not kept or len(_bytes(whole)) <= LARGEST_EVENT - _KEY_BYTES:
            return whole
        longest = max(kept, key=lambda name: len(kept[name]))
        del kept[longest]
        left_out.append(longest)


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - len(_CUT)] + _CUT


def _bytes(event: Mapping[str, Any]) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode()


class PagerDuty:
    """One service of PagerDuty, by the routing key that *routing_key_file* holds at each sending.

    Needs a running event loop from the first `send` to `close`. No log line has the key, also
    where what answers at *url* repeats it.
    """

    def __init__(
        self,
        links: Links,
        *,
        routing_key_file: Path,
        url: str,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self.name = named("pagerduty", url)
        self._links, self._routing_key_file = links, routing_key_file
        self._delivery = Delivery(self.name, url, Access(), timeout_seconds)

    async def send(self, event: Event) -> Outcome:
        """Post *event*; answer in bounded time whatever the other side does."""
        key = await self._delivery.secret(self._routing_key_file)
        if key is None:
            return Outcome.FAILED
        said = _bytes({"routing_key": key, **written(event, self._links)})
        return await self._delivery.post(said, JSON, hidden=key)

    async def close(self) -> None:
        """Close the connections."""
        await self._delivery.close()
