"""What is in the file that survives a restart, as text: version 1, one JSON object. Pure.

In: each cluster's `incidents.State`, what progress and arrivals give as JSON, and what was paged as
JSON, none of which is looked into. Out: the same, or RecordingError with the path of what is wrong.
The version grows by parts that may be missing: what an older lagmon did not write is not known, and
what a newer one wrote beside is passed over.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lagmon.alerts.incidents import Pending, State
from lagmon.errors import RecordingError
from lagmon.fields import AMOUNTS, PARTITIONS, TIMES, Fields
from lagmon.model import Incident, IncidentKey

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = 1

# One call of the encoder keeps every other thread waiting, of a large cluster for 60 ms. So there
# is a call for each group: clusters / name / progress / groups / name.
_GROUP_DEPTH = 5


@dataclass(frozen=True, slots=True)
class Saved:
    """What is kept of one cluster; *progress* and *arrivals* are any values that JSON can hold."""

    incidents: State
    progress: Any = None
    arrivals: Any = None


@dataclass(frozen=True, slots=True)
class Kept:
    """All that is kept: the *clusters* by name, and *paged*, what somebody was woken by."""

    clusters: Mapping[str, Saved] = field(default_factory=dict)
    paged: Any = None


def dumps(clusters: Mapping[str, Saved], paged: Any = None) -> str:
    """Write *clusters* by name, and *paged*, as the content of the file."""
    kept = {name: _saved_out(saved) for name, saved in sorted(clusters.items())}
    value = {"v": VERSION, "clusters": kept, "paged": paged}
    return _encoded(value, _GROUP_DEPTH)


def _encoded(value: Any, depth: int) -> str:
    """Encode *value*, an object down to *depth* item by item."""
    if depth and isinstance(value, dict) and all(isinstance(key, str) for key in value):
        items = (f"{json.dumps(key)}:{_encoded(one, depth - 1)}" for key, one in value.items())
        return f"{{{','.join(items)}}}"
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def loads(content: str | bytes) -> Kept:
    """Read the *content* of the file; RecordingError with the path of what is wrong in it."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RecordingError(f"the file is no JSON: {error}") from None
    fields = Fields.of(value)
    version = fields.whole("v")
    if version != VERSION:
        raise RecordingError(f"v: is {version}; this lagmon reads version {VERSION}")
    clusters = fields.below("clusters")
    saved = {name: _saved_in(clusters.below(name), value["clusters"][name]) for name in clusters}
    return Kept(saved, value.get("paged"))


def _saved_out(saved: Saved) -> dict[str, Any]:
    state = saved.incidents
    return {
        "pending": [_pending_out(each) for each in state.pending],
        "opened": [_incident_out(each) for each in state.opened],
        "resolved": [_incident_out(each) for each in state.resolved],
        "easing": [_pending_out(each) for each in state.easing],
        "progress": saved.progress,
        "arrivals": saved.arrivals,
    }


def _saved_in(fields: Fields, value: Mapping[str, Any]) -> Saved:
    state = State(
        pending=tuple(_pending_in(each) for each in fields.each("pending")),
        opened=tuple(_incident_in(each) for each in fields.each("opened")),
        resolved=tuple(_incident_in(each) for each in fields.each("resolved")),
        easing=tuple(_pending_in(each) for each in fields.each("easing")),
    )
    return Saved(state, value.get("progress"), value.get("arrivals"))


def _key_out(key: IncidentKey) -> dict[str, Any]:
    names = {"group": key.group, "topic": key.topic, "partition": key.partition}
    known = {name: value for name, value in names.items() if value is not None}
    return {"rule": key.rule, "cluster": key.cluster, **known}


def _key_in(fields: Fields) -> IncidentKey:
    return IncidentKey(
        fields.text("rule"),
        fields.text("cluster"),
        fields.maybe_text("group"),
        fields.maybe_text("topic"),
        fields.maybe_whole("partition", PARTITIONS),
    )


def _pending_out(pending: Pending) -> dict[str, Any]:
    return {
        **_key_out(pending.key),
        "since": pending.since,
        "held_seconds": pending.held_seconds,
        "seen_at": pending.seen_at,
        "value": pending.value,
    }


def _pending_in(fields: Fields) -> Pending:
    return Pending(
        _key_in(fields),
        fields.number("since", TIMES),
        fields.number("held_seconds", AMOUNTS),
        fields.maybe_number("seen_at", TIMES),
        fields.number("value", AMOUNTS),
    )


def _incident_out(incident: Incident) -> dict[str, Any]:
    return {
        **_key_out(incident.key),
        "since": incident.since,
        "opened_at": incident.opened_at,
        "value": incident.value,
        "sent_at": incident.sent_at,
        "resolved_at": incident.resolved_at,
        "held": incident.held,
    }


def _incident_in(fields: Fields) -> Incident:
    return Incident(
        _key_in(fields),
        fields.number("since", TIMES),
        fields.number("opened_at", TIMES),
        fields.number("value", AMOUNTS),
        fields.number("sent_at", TIMES),
        fields.maybe_number("resolved_at", TIMES),
        held=fields.maybe_truth("held") or False,
    )
