"""The register of every metric that lagmon exports: name, kind, help, labels.

The page writes these and nothing else; the reference in the docs and the dashboards are compared
with them by tests. Values are those of the last cycle, not of the moment of the scrape.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a metric's numbers mean to Prometheus."""

    GAUGE = "gauge"
    COUNTER = "counter"


@dataclass(frozen=True, slots=True)
class Metric:
    """One family of series: *help* is one line, *labels* are those of each of its series."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


_CLUSTER = ("kafka_cluster",)
_GROUP = (*_CLUSTER, "group")
_PARTITION = (*_CLUSTER, "topic", "partition")
_GROUP_TOPIC = (*_GROUP, "topic")
_GROUP_PARTITION = (*_GROUP_TOPIC, "partition")

PARTITION_LAG = Metric(
    "lagmon_partition_lag_messages",
    Kind.GAUGE,
    "Messages between the committed offset and the end of the partition; absent when unknown.",
    _GROUP_PARTITION,
)
PARTITION_LAG_SECONDS = Metric(
    "lagmon_partition_lag_seconds",
    Kind.GAUGE,
    "Time that the oldest unread message has waited; 0 when none is unread, absent when unknown.",
    _GROUP_PARTITION,
)
PARTITION_COMMITTED = Metric(
    "lagmon_partition_committed_offset",
    Kind.GAUGE,
    "The committed offset, which is that of the next message to read.",
    _GROUP_PARTITION,
)
PARTITION_LOST = Metric(
    "lagmon_partition_lost_messages",
    Kind.GAUGE,
    "Messages that were deleted before the group had read them; absent when there are none.",
    _GROUP_PARTITION,
)
GROUP_TOPIC_LAG = Metric(
    "lagmon_group_topic_lag_messages",
    Kind.GAUGE,
    "Sum of the known lags of a topic's partitions, instead of them where these are not exported.",
    _GROUP_TOPIC,
)
GROUP_TOPIC_LAG_SECONDS = Metric(
    "lagmon_group_topic_lag_seconds",
    Kind.GAUGE,
    "Time that the oldest unread message of a topic has waited; absent when unknown.",
    _GROUP_TOPIC,
)
GROUP_LAG = Metric(
    "lagmon_group_lag_messages",
    Kind.GAUGE,
    "Sum of the known lags of the group's partitions: a lower bound while some are unknown.",
    _GROUP,
)
GROUP_LAG_SECONDS = Metric(
    "lagmon_group_lag_seconds",
    Kind.GAUGE,
    "The highest of the known times that the group's partitions are behind.",
    _GROUP,
)
GROUP_MEMBERS = Metric(
    "lagmon_group_members",
    Kind.GAUGE,
    "Members of the group; absent when they could not be asked for.",
    _GROUP,
)
GROUP_UNCOMMITTED = Metric(
    "lagmon_group_uncommitted_partitions",
    Kind.GAUGE,
    "Partitions for which the group never committed an offset.",
    _GROUP,
)
GROUP_DELETED = Metric(
    "lagmon_group_deleted_topic_partitions",
    Kind.GAUGE,
    "Partitions that are skipped because their topic is deleted; absent when there are none.",
    _GROUP,
)
GROUP_UNKNOWN = Metric(
    "lagmon_group_unknown_partitions",
    Kind.GAUGE,
    "Partitions of which the lag could not be found out.",
    _GROUP,
)
GROUP_STATE = Metric(
    "lagmon_group_state",
    Kind.GAUGE,
    "1 for the state that the group is in: the worst of its partitions'.",
    (*_GROUP, "state"),
)
GROUP_LAG_RATE = Metric(
    "lagmon_group_lag_rate_messages_per_second",
    Kind.GAUGE,
    "How fast the group's lag grew in the last two minutes; below 0 while it shrinks.",
    _GROUP,
)
GROUP_RETENTION = Metric(
    "lagmon_group_retention_ratio",
    Kind.GAUGE,
    "The highest known unread part of what a partition's log still holds; above 1, some is lost.",
    _GROUP,
)
START_OFFSET = Metric(
    "lagmon_topic_partition_start_offset",
    Kind.GAUGE,
    "The offset of the oldest message that is still there.",
    _PARTITION,
)
END_OFFSET = Metric(
    "lagmon_topic_partition_end_offset",
    Kind.GAUGE,
    "The high watermark: the offset that the next message will get.",
    _PARTITION,
)
OPEN_TRANSACTION = Metric(
    "lagmon_topic_partition_open_transaction_messages",
    Kind.GAUGE,
    "Messages past the last stable offset: of open transactions, or written between two requests.",
    _PARTITION,
)
UP = Metric(
    "lagmon_up",
    Kind.GAUGE,
    "1 if the last cycle brought a snapshot of the cluster, otherwise 0.",
    _CLUSTER,
)
LAST_SUCCESS = Metric(
    "lagmon_last_success_timestamp_seconds",
    Kind.GAUGE,
    "When the last snapshot of the cluster was taken, in seconds since the epoch.",
    _CLUSTER,
)
GROUPS = Metric(
    "lagmon_groups",
    Kind.GAUGE,
    "Consumer groups in the last snapshot.",
    _CLUSTER,
)
MISSING_RIGHTS = Metric(
    "lagmon_missing_rights",
    Kind.GAUGE,
    "Things of a kind that lagmon may not DESCRIBE, so that something may be hidden; 0 if none.",
    (*_CLUSTER, "resource"),
)
CYCLES = Metric(
    "lagmon_cycles_total",
    Kind.COUNTER,
    "Cycles of the cluster by outcome: ok, no_snapshot, failed.",
    (*_CLUSTER, "outcome"),
)
RESTARTS = Metric(
    "lagmon_collector_restarts_total",
    Kind.COUNTER,
    "How often the collecting process had to be replaced.",
    _CLUSTER,
)
COLLECT_DURATION = Metric(
    "lagmon_collect_duration_seconds",
    Kind.GAUGE,
    "Time that each step of the last snapshot took.",
    (*_CLUSTER, "step"),
)
GROUP_ERRORS = Metric(
    "lagmon_group_errors_total",
    Kind.COUNTER,
    "Readings of a group with something unknown, by reason; list_incomplete: of the list itself.",
    (*_CLUSTER, "reason"),
)
LAG_CLAMPED = Metric(
    "lagmon_lag_clamped_total",
    Kind.COUNTER,
    "Negative differences that were cut to 0 although no commit past the end explains them.",
    _CLUSTER,
)
LABELS_SANITISED = Metric(
    "lagmon_labels_sanitised_total",
    Kind.COUNTER,
    "Names published under a safe stand-in because of their length or characters, once a cycle.",
    _CLUSTER,
)
SERIES_DROPPED = Metric(
    "lagmon_series_dropped",
    Kind.GAUGE,
    "Series of partitions that are left out because all would be more than max_series.",
    _CLUSTER,
)
INCIDENT_OPEN = Metric(
    "lagmon_incident_open",
    Kind.GAUGE,
    "1 for each incident that is open; labels that do not apply are empty.",
    ("rule", *_GROUP_PARTITION),
)
MAINTENANCE = Metric(
    "lagmon_maintenance",
    Kind.GAUGE,
    "1 while maintenance keeps a rule from waking anybody, and a minute before it.",
    ("rule", *_GROUP),
)
OWNED_PARTITIONS = Metric(
    "lagmon_owned_partitions",
    Kind.GAUGE,
    "Partitions of __consumer_offsets whose groups this replica watches; absent if it has all.",
    _CLUSTER,
)
REPLICA_CONFIRMED = Metric(
    "lagmon_replica_confirmed",
    Kind.GAUGE,
    "1 while this replica's share is its own for certain, otherwise 0; absent if it has all.",
    _CLUSTER,
)
NOTIFICATIONS = Metric(
    "lagmon_notifications_total",
    Kind.COUNTER,
    "Alerts handed to a notifier, by outcome.",
    ("notifier", "outcome"),
)
BUILD_INFO = Metric(
    "lagmon_build_info",
    Kind.GAUGE,
    "1, with the version that is running.",
    ("version",),
)

REGISTER: tuple[Metric, ...] = tuple(
    sorted(
        (
            PARTITION_LAG,
            PARTITION_LAG_SECONDS,
            PARTITION_COMMITTED,
            PARTITION_LOST,
            GROUP_TOPIC_LAG,
            GROUP_TOPIC_LAG_SECONDS,
            GROUP_LAG,
            GROUP_LAG_SECONDS,
            GROUP_STATE,
            GROUP_LAG_RATE,
            GROUP_RETENTION,
            GROUP_MEMBERS,
            GROUP_UNCOMMITTED,
            GROUP_DELETED,
            GROUP_UNKNOWN,
            START_OFFSET,
            END_OFFSET,
            OPEN_TRANSACTION,
            UP,
            LAST_SUCCESS,
            GROUPS,
            MISSING_RIGHTS,
            CYCLES,
            RESTARTS,
            COLLECT_DURATION,
            GROUP_ERRORS,
            LAG_CLAMPED,
            LABELS_SANITISED,
            SERIES_DROPPED,
            INCIDENT_OPEN,
            MAINTENANCE,
            OWNED_PARTITIONS,
            REPLICA_CONFIRMED,
            NOTIFICATIONS,
            BUILD_INFO,
        ),
        key=lambda metric: metric.name,
    )
)
