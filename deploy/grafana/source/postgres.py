"""Postgres: who is connected, what it does, what waits for what, and how large it is."""

from __future__ import annotations

from typing import Final

from deploy.grafana.source.api import OWN, rate
from deploy.grafana.source.frame import chosen, dashboard, job_and_instance
from deploy.grafana.source.parts import graph, logs, number, query, text

IN_DATABASE: Final = f'{OWN}, datname=~"$datname"'
HIT: Final = rate("pg_stat_database_blks_hit", IN_DATABASE)
READ: Final = rate("pg_stat_database_blks_read", IN_DATABASE)
BACKENDS: Final = "pg_stat_database_numbackends"
USED: Final = (
    f"max(sum by (instance) ({BACKENDS}{{{OWN}}})"
    f" / max by (instance) (pg_settings_max_connections{{{OWN}}}))"
)
OLDEST: Final = f"max(pg_long_running_transactions_oldest_timestamp_seconds{{{OWN}}})"

REPLICATION: Final = """\
**There is none.** The stack has one Postgres and no replica, so nothing is shown here about one.
A copy of the data is what a backup makes: see the playbook on data loss.
"""

DASHBOARD: Final = dashboard(
    "lagmon-postgres",
    "Postgres",
    "Does the database serve, who holds its connections, and what is slow?",
    variables=[
        *job_and_instance("pg_up", "postgres"),
        chosen(
            "datname",
            "Database",
            'label_values(pg_database_size_bytes{datname!~"template.*|postgres"}, datname)',
        ),
    ],
    alerts=("PostgresDown", "PostgresPoolExhausted", "PostgresConnectionsHigh"),
    rows=[
        (
            "At a glance",
            [
                number(
                    "Up",
                    "1 if the exporter could ask the database at the last scrape.",
                    "none",
                    query(f"min(pg_up{{{OWN}}})", "up"),
                    limits=(1,),
                    below=True,
                    alerts=("PostgresDown",),
                ),
                number(
                    "Connections used",
                    "Share of the connections that the server allows.",
                    "percentunit",
                    query(USED, "used"),
                    limits=(0.6, 0.8),
                    alerts=("PostgresConnectionsHigh",),
                ),
                number(
                    "Waiting for a connection",
                    "Requests in our services that wait until the pool has a connection for them.",
                    "none",
                    query("sum(consumers_pool_waiting_requests)", "waiting"),
                    limits=(1, 10),
                    alerts=("PostgresPoolExhausted",),
                ),
                number(
                    "Cache hits",
                    "Share of the blocks that were found in the server's memory.",
                    "percentunit",
                    query(f"{HIT} / ({HIT} + {READ} > 0)", "hits"),
                    limits=(0.9,),
                    below=True,
                ),
                number(
                    "Longest transaction",
                    "How long the transaction that is open longest has been open.",
                    "s",
                    query(OLDEST, "open"),
                    limits=(30, 300),
                ),
                number(
                    "Size",
                    "Bytes that the chosen databases take on the disk.",
                    "bytes",
                    query(f"sum(pg_database_size_bytes{{{IN_DATABASE}}})", "size"),
                ),
            ],
        ),
        (
            "Connections",
            [
                graph(
                    "Connections by database",
                    "Connections that are open, of the most that the server allows.",
                    "none",
                    query(f"sum by (datname) ({BACKENDS}{{{IN_DATABASE}}})", "{{datname}}"),
                    query(f"max(pg_settings_max_connections{{{OWN}}})", "most"),
                    alerts=("PostgresConnectionsHigh",),
                ),
                graph(
                    "Pools of our services",
                    "Connections in use of the most that there may be, by service.",
                    "percentunit",
                    query(
                        'sum by (job) (consumers_pool_connections{state="in_use"})'
                        " / (sum by (job) (consumers_pool_max_connections) > 0)",
                        "{{job}}",
                    ),
                    alerts=("PostgresPoolExhausted",),
                ),
                graph(
                    "Longest transaction over time",
                    "A line that climbs is somebody who began a transaction and went away.",
                    "s",
                    query(OLDEST, "open"),
                ),
            ],
        ),
        (
            "Work",
            [
                graph(
                    "Transactions",
                    "Transactions in a second that were committed and rolled back.",
                    "ops",
                    query(rate("pg_stat_database_xact_commit", IN_DATABASE), "committed"),
                    query(rate("pg_stat_database_xact_rollback", IN_DATABASE), "rolled back"),
                ),
                graph(
                    "Rows",
                    "Rows in a second that were read, inserted and updated.",
                    "ops",
                    query(rate("pg_stat_database_tup_fetched", IN_DATABASE), "read"),
                    query(rate("pg_stat_database_tup_inserted", IN_DATABASE), "inserted"),
                    query(rate("pg_stat_database_tup_updated", IN_DATABASE), "updated"),
                ),
                graph(
                    "Deadlocks",
                    "Deadlocks in a second: one of the two transactions was ended.",
                    "ops",
                    query(
                        rate("pg_stat_database_deadlocks", IN_DATABASE, "datname"), "{{datname}}"
                    ),
                ),
                graph(
                    "Locks",
                    "Locks that are held or waited for, by mode.",
                    "none",
                    query(f"sum by (mode) (pg_locks_count{{{IN_DATABASE}}})", "{{mode}}"),
                ),
                graph(
                    "Size by database",
                    "Bytes that each database takes on the disk.",
                    "bytes",
                    query(
                        f"sum by (datname) (pg_database_size_bytes{{{IN_DATABASE}}})",
                        "{{datname}}",
                    ),
                ),
                text("Replication", "Why nothing is shown about replicas.", REPLICATION),
            ],
        ),
        (
            "What is slow",
            [
                logs(
                    "Slow statements",
                    "Statements of 250 ms and more, from the server's log. Each line names the"
                    " service and the trace id of its transaction.",
                    '{service="postgres"} |= `duration:`',
                ),
            ],
        ),
    ],
)
