"""What the API answers: one value of plain dicts and lists for each question. Pure.

In: what `lookup` found in a report, the rules, the links and the time. Out: values for JSON. The
keys are those of ``lagmon once --json`` where they mean the same; ``openapi.yml`` lists all. What
is not known is null beside a reason. Times are seconds since the epoch. Names that strangers chose
are made safe. Of a record there is never a key or a payload.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lagmon import waited
from lagmon.judge.suspects import SWITCHED_OFF, UNSEEN, looked_at
from lagmon.labels import safe
from lagmon.model import Why
from lagmon.report import OldestRecord
from lagmon.web import lookup
from lagmon.web.groups import firing_on, rank
from lagmon.wording import reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lagmon.alerts.rules import Rule
    from lagmon.model import Age, GroupLag, Incident, PartitionLag
    from lagmon.readings import Member, TopicPartition
    from lagmon.report import ClusterReport, Links, Report

ROOT = "/api/v1"
DIGITS = 3  # of times: Kafka has them to the millisecond

NOTHING_UNREAD = "nothing is unread"
NO_INCIDENT = "not looked at: no incident of the group is open or pending"
_UNKNOWN = {
    Why.NEVER_COMMITTED: "the group never committed an offset here",
    Why.NO_COMMITS: "no commit of the group is there",
    Why.NO_END_OFFSET: "the end of the partition is not known",
    Why.NO_COMMITTED_OFFSET: "the committed offset is not known",
    Why.TOPIC_DELETED: "the topic is deleted",
    Why.GROUP_UNREADABLE: "the group cannot be read",
}


def clusters(report: Report, now: float) -> dict[str, Any]:
    """Say of each cluster whether it answers, and since when the values stand."""
    return {
        "version": report.version,
        "at": _time(now),
        "clusters": [_cluster(each) for each in report.clusters],
    }


def groups(chosen: Sequence[ClusterReport]) -> dict[str, Any]:
    """List the groups of the *chosen* clusters by name, without their partitions."""
    return {
        "groups": [
            _group(each, cluster, firing)
            for cluster in chosen
            if cluster.lag is not None
            for firing in [firing_on(cluster)]
            for each in sorted(cluster.lag.groups, key=lambda one: one.group)
        ],
        "missing": [
            {"cluster": safe(cluster.cluster), "why": why}
            for cluster in chosen
            if (why := lookup.why_missing(cluster)) is not None
        ],
    }


def group(
    found: GroupLag, cluster: ClusterReport, rules: Mapping[str, Rule], links: Links, now: float
) -> dict[str, Any]:
    """Say all of one group: its partitions, incidents, and its oldest uncommitted record."""
    record = dict(cluster.records).get(found.group)
    mine = [pair for pair in lookup.opened(cluster) if pair[0].key.group == found.group]
    return _group(found, cluster, firing_on(cluster)) | {
        "kafka_state": None if found.state is None else safe(found.state),
        "partitions": [_partition(row) for row in sorted(found.partitions, key=lambda row: row.at)],
        "incidents": [_incident(each, at, rules, links, now) for each, at in mine],
        "record": None if record is None else _record(record, links, now),
    }


def incidents(
    chosen: Sequence[ClusterReport], rules: Mapping[str, Rule], links: Links, now: float
) -> dict[str, Any]:
    """List the open incidents of the *chosen* clusters, the oldest first."""
    opened = [pair for cluster in chosen for pair in lookup.opened(cluster)]
    opened.sort(key=lambda pair: pair[0].opened_at)
    return {"incidents": [_incident(each, at, rules, links, now) for each, at in opened]}


def record(
    cluster: ClusterReport,
    at: TopicPartition,
    rows: Sequence[tuple[GroupLag, PartitionLag]],
    links: Links,
    now: float,
) -> dict[str, Any]:
    """Give for each group with a row about *at* its oldest uncommitted record, or why none."""
    found = sorted(rows, key=lambda pair: pair[0].group)
    return {
        "cluster": safe(cluster.cluster),
        "topic": safe(at.topic),
        "partition": at.partition,
        "groups": [_standing(each, row, cluster, links, now) for each, row in found],
    }


def _cluster(cluster: ClusterReport) -> dict[str, Any]:
    lag = cluster.lag
    return {
        "cluster": safe(cluster.cluster),
        "up": cluster.error is None if cluster.asked else None,
        "error": _text(cluster.error),
        "last_success": _time(cluster.last_success),
        "values_at": None if lag is None else _time(lag.at),
        "groups": None if lag is None else len(lag.groups),
        "complete": None if lag is None else lag.complete,
        "list_errors": [reason(each) for each in cluster.list_errors],
        "incidents": len(cluster.incidents),
        "collector_restarts": cluster.restarts,
        "share": _share(cluster),
    }


def _share(cluster: ClusterReport) -> dict[str, Any] | None:
    share = cluster.share
    if share is None:
        return None
    said = {"owned": len(share.owned), "of": share.of, "confirmed": cluster.is_confirmed}
    return {**said, "why": None if cluster.is_confirmed else _text(share.why)}


def _group(group: GroupLag, cluster: ClusterReport, firing: set[str | None]) -> dict[str, Any]:
    unreadable = group.why is Why.GROUP_UNREADABLE
    name = safe(group.group)
    return {
        "cluster": safe(cluster.cluster),
        "group": name,
        "state": group.judged,
        "since": _time(group.since),
        "reason": _text(group.reason),
        "lag": group.lag,
        **_age(waited.by_all(group.partitions)),
        "why": group.why,
        "error": _text(group.detail),
        "uncommitted": None if unreadable else group.uncommitted,
        "unknown": None if unreadable else group.unknown,
        "lag_rate": None if group.rate is None else round(group.rate, DIGITS),
        "members": group.members,
        "rank": rank(group, firing, cluster.pending),
        "incident": group.group in firing,
        "values_at": None if cluster.lag is None else _time(cluster.lag.at),
        "url": f"{ROOT}/groups/{_quoted(name)}?cluster={_quoted(safe(cluster.cluster))}",
    }


def _partition(row: PartitionLag) -> dict[str, Any]:
    return {
        "topic": safe(row.at.topic),
        "partition": row.at.partition,
        "state": row.judged,
        "since": _time(row.since),
        "reason": _text(row.reason),
        "lag": row.lag,
        **_age(row.age),
        "why": row.why,
        "error": _text(row.detail),
        "committed": row.committed,
        "start": row.start,
        "end": row.end,
        "lost": row.lost,
        "owner": None if row.owner is None else _member(row.owner),
    }


def _member(member: Member) -> dict[str, str]:
    return {
        "member_id": safe(member.member_id),
        "client_id": safe(member.client_id),
        "host": safe(member.host.removeprefix("/")),
    }


def _age(age: Age | None) -> dict[str, Any]:
    error = None if age is None else age.error_seconds
    return {
        "lag_seconds": None if age is None else round(age.seconds, DIGITS),
        "seconds_method": None if age is None else age.method,
        "seconds_error": None if error is None else round(error, DIGITS),
    }


def _incident(
    incident: Incident,
    record: OldestRecord | None,
    rules: Mapping[str, Rule],
    links: Links,
    now: float,
) -> dict[str, Any]:
    key = incident.key
    rule = rules.get(key.rule)
    rule = rule and (rule.of(key.group) or rule)
    compares = rule is not None and rule.condition.compares
    return {
        "rule": key.rule,
        "code": rule.code if rule else None,
        "severity": rule.severity if rule else None,
        "priority": rule.priority if rule else None,
        "condition": str(rule.condition) if rule else None,
        "cluster": safe(key.cluster),
        "group": _text(key.group),
        "topic": _text(key.topic),
        "partition": key.partition,
        "since": _time(incident.since),
        "opened_at": _time(incident.opened_at),
        "value": incident.value if compares else None,
        "maintenance": incident.held,
        "owner": _text(rule.owner or None) if rule else None,
        "runbook": links.runbook_of(rule) or None,
        "record": None if record is None else _record(record, links, now),
    }


def _standing(
    group: GroupLag, row: PartitionLag, cluster: ClusterReport, links: Links, now: float
) -> dict[str, Any]:
    found = looked_at(row, cluster.answers) or _why_not_looked_at(group, row, cluster)
    shown, why = (found, None) if isinstance(found, OldestRecord) else (None, found)
    return {
        "group": safe(group.group),
        "committed": row.committed,
        "lag": row.lag,
        "record": None if shown is None else _record(shown, links, now),
        "why": _text(why),
    }


def _why_not_looked_at(group: GroupLag, row: PartitionLag, cluster: ClusterReport) -> str:
    if row.why is not None:
        return _UNKNOWN[row.why]
    if not row.lag:
        return NOTHING_UNREAD
    shown = dict(cluster.records).get(group.group)
    if shown is None:
        return NO_INCIDENT
    return SWITCHED_OFF if shown.trace_unknown == SWITCHED_OFF else UNSEEN


def _record(record: OldestRecord, links: Links, now: float) -> dict[str, Any]:
    linked = record.trace_id if record.trace_unknown is None else None
    at = record.timestamp
    return {
        "topic": safe(record.at.topic),
        "partition": record.at.partition,
        "offset": record.offset,
        "timestamp": _time(at),
        "age_seconds": None if at is None else round(max(0.0, now - at), DIGITS),
        "size": record.size,
        "key_hash": record.key_hash,
        "headers": [{"name": safe(name), "value": safe(text)} for name, text in record.headers],
        "trace_id": record.trace_id,
        "trace_url": (links.trace(linked) if linked else "") or None,
        "trace_unknown": _text(record.trace_unknown),
        "in_open_transaction": record.pending,
    }


def _time(at: float | None) -> float | None:
    return None if at is None else round(at, DIGITS)


def _text(text: str | None) -> str | None:
    return None if text is None else safe(text)


def _quoted(name: str) -> str:
    return quote(name, safe="")
