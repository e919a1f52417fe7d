"""The fault matrix: every row by its name, in the series that are played side by side."""

from __future__ import annotations

from tests.faults import (
    on_cluster,
    on_fintech,
    on_kafka,
    on_postgres,
    on_records,
    on_topics,
    on_workers,
)
from tests.faults.rows import Row
from tests.faults.settings import Kind

CLUSTER = "cluster"  # the series that is played on three brokers
ROWS = {
    row.name: row
    for row in (
        Row("kill -9, batch handler", "kinds", on_workers.kill_9, Kind.BATCH),
        Row("broker restart, batch handler", "kinds", on_kafka.broker_restart, Kind.BATCH),
        Row("kill -9, async handler", "kinds", on_workers.kill_9, Kind.AWAITED),
        Row("broker restart, async handler", "kinds", on_kafka.broker_restart, Kind.AWAITED),
        Row("kill -9, group.protocol=consumer", "kinds", on_workers.kill_9, Kind.PROTOCOL),
        Row(
            "broker restart, group.protocol=consumer",
            "kinds",
            on_kafka.broker_restart,
            Kind.PROTOCOL,
        ),
        Row("no fault", "workers", on_workers.nothing),
        Row("kill -9", "workers", on_workers.kill_9),
        Row("zombie", "workers", on_workers.zombie),
        Row("rebalance in mid-record", "workers", on_workers.rebalance_in_record),
        Row("rebalance in mid-backoff", "workers", on_workers.rebalance_in_backoff),
        Row("SIGTERM in mid-record", "stops", on_workers.stopped_in_record),
        Row("SIGTERM in mid-backoff", "stops", on_workers.stopped_in_backoff),
        Row("SIGTERM between records", "stops", on_workers.stopped_while_idle),
        Row("SIGTERM twice", "stops", on_workers.stopped_twice),
        Row("broker restart", "kafka", on_kafka.broker_restart),
        Row("all brokers gone", "kafka", on_kafka.brokers_gone),
        Row("worker cut off from Kafka", "kafka", on_kafka.cut_off),
        Row("connections to Kafka half open", "kafka", on_kafka.half_open),
        Row("slow network to Kafka", "kafka", on_kafka.slow_network),
        Row("handler slower than the poll interval", "stops", on_kafka.slow_handler),
        Row("duplicate delivery", "fintech", on_kafka.duplicates),
        Row("offset rewind", "fintech", on_kafka.offset_rewind),
        Row("fintech down", "fintech", on_fintech.down),
        Row("fintech hanging", "fintech", on_fintech.hanging),
        Row("fintech slow", "fintech", on_fintech.slow),
        Row("fintech failing", "fintech", on_fintech.failing),
        Row("fintech talking nonsense", "fintech", on_fintech.nonsense),
        Row("fintech refusing", "fintech", on_fintech.refusing),
        Row("Postgres gone in mid-transaction", "postgres", on_postgres.gone_in_transaction),
        Row("Postgres gone for long", "postgres", on_postgres.gone),
        Row("connections to Postgres half open", "postgres", on_postgres.silent),
        Row("answer to COMMIT lost", "postgres", on_postgres.answer_lost),
        Row("deadlock", "postgres", on_postgres.deadlock),
        Row("serialization failure", "postgres", on_postgres.serialization_failure),
        Row("Postgres out of connections", "postgres", on_postgres.no_connections),
        Row("worker out of file descriptors", "postgres", on_postgres.no_descriptors),
        Row("Postgres read-only", "postgres", on_postgres.read_only),
        Row("disk full", "postgres", on_postgres.disk_full),
        Row("poison every 10th record", "records", on_records.every_tenth),
        Row("100 poison records in a row", "records", on_records.hundred_in_a_row),
        Row("tombstones", "records", on_records.tombstones),
        Row("null keys", "records", on_records.null_keys),
        Row("values of 1 MB", "records", on_records.large_values),
        Row("1,000 headers", "records", on_records.many_headers),
        Row("headers that are no text", "records", on_records.odd_headers),
        Row("dead-letter topic missing at the start", "records", on_records.no_topic_at_start),
        Row("dead-letter topic deleted", "records", on_records.topic_deleted),
        Row("rebalance in mid-dead-letter", "records", on_records.rebalance_in_dead_letter),
        Row("topic deleted and made again", "workers", on_topics.recreated),
        Row("partitions added", "workers", on_topics.partitions_added),
        Row("retention past the committed offset", "workers", on_topics.too_old),
        Row("coordinator moved", CLUSTER, on_cluster.coordinator_moved),
        Row("leaders moved", CLUSTER, on_cluster.leaders_moved),
        Row("worker's rights withdrawn", CLUSTER, on_cluster.reading_forbidden),
        Row("dead-letter topic not authorised", CLUSTER, on_cluster.letters_forbidden),
    )
}
