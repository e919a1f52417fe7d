"""Who is behind, and what the worker does about it: lagmon's groups and the worker's records."""

from __future__ import annotations

from typing import Final

from deploy.grafana.source.api import OWN, PARTNER_FAILED, quantiles, rate, share
from deploy.grafana.source.frame import chosen, dashboard, job_and_instance
from deploy.grafana.source.groups import BEHIND, CLUSTER, GROUP, JUDGED, LAG, WATCHING, of_group
from deploy.grafana.source.parts import graph, number, query, states

GLANCE: Final = [
    number(
        "Lag",
        "Messages that the chosen group most behind has not read yet. More than 1000 pages.",
        "short",
        query(f"max({LAG})", "messages"),
        limits=(500, 1000),
        alerts=("KafkaConsumerLag",),
    ),
    number(
        "Oldest unread",
        "How long the oldest unread message of any chosen group has waited.",
        "s",
        query(f"max(lagmon_group_lag_seconds{{{GROUP}}})", "waiting"),
        limits=(60, 300),
        alerts=("KafkaConsumerLagSeconds",),
    ),
    number(
        "Open incidents",
        "Incidents that lagmon has open, of every group.",
        "none",
        query(f"sum(lagmon_incident_open{{{CLUSTER}}}) or vector(0)", "open"),
        limits=(1,),
    ),
    number(
        "Unknown partitions",
        "Partitions of which the lag could not be found out: what is shown is a lower bound.",
        "none",
        query(f"sum({of_group('lagmon_group_unknown_partitions')})", "unknown"),
        limits=(1,),
        alerts=("KafkaLagUnknown",),
    ),
    number(
        "Dead letters",
        "Records in a second that were set aside because no try of them succeeded.",
        "ops",
        query(rate("consumers_dead_letters_total", OWN), "set aside"),
        limits=(0.001,),
        alerts=("DeadLetters",),
    ),
    number(
        "Age of these values",
        "Time since lagmon's last snapshot of the cluster.",
        "s",
        query(f"max(time() - lagmon_last_success_timestamp_seconds{{{CLUSTER}}})", "age"),
        limits=(60, 300),
        alerts=("LagmonStale",),
    ),
]
WORK: Final = [
    graph(
        "Records by outcome",
        "Tries of records in a second, by how they ended.",
        "ops",
        query(rate("consumers_records_total", OWN, "outcome"), "{{outcome}}"),
        stacked=True,
    ),
    graph(
        "From request to committed write",
        "Half, 95 and 99 of 100 plays took no longer. A diamond is a trace.",
        "s",
        *quantiles("consumers_end_to_end_seconds_bucket", OWN, exemplars=True),
        limits=(3,),
        alerts=("EndToEndTime",),
    ),
    graph(
        "Time in the handler",
        "Half, 95 and 99 of 100 calls of the handler took no longer, failed ones too.",
        "s",
        *quantiles("consumers_handler_duration_seconds_bucket", OWN),
    ),
    graph(
        "Time in the queue",
        "Half, 95 and 99 of 100 records waited no longer for their first try.",
        "s",
        *quantiles("consumers_queue_seconds_bucket", OWN),
    ),
    graph(
        "Retries",
        "Tries after the first in a second: the record failed, or somebody was away.",
        "ops",
        query(rate("consumers_retries_total", OWN, "reason"), "{{reason}}"),
    ),
    graph(
        "Dead letters and losses",
        "In a second: set aside, not taken by the dead-letter topic, deleted before it was read.",
        "ops",
        query(rate("consumers_dead_letters_total", OWN), "set aside"),
        query(rate("consumers_dead_letter_failures_total", OWN), "not taken"),
        query(rate("consumers_records_lost_total", OWN), "lost"),
        alerts=("DeadLetters", "DeadLetterFailures", "RecordsLost"),
    ),
    graph(
        "Commits",
        "Offset commits in a second that were answered.",
        "ops",
        query(rate("consumers_commits_total", OWN, "result"), "{{result}}"),
        alerts=("CommitFailures",),
    ),
    graph(
        "In work",
        "Records that are fetched and not finished, and partitions that wait for another try.",
        "none",
        query(f"sum(consumers_in_flight_records{{{OWN}}})", "records"),
        query(f"sum(consumers_waiting_partitions{{{OWN}}})", "waiting partitions"),
        query(f"sum(consumers_assigned_partitions{{{OWN}}})", "assigned partitions"),
        alerts=("WorkerAbsent",),
    ),
    states(
        "Circuit breakers",
        "The state that each breaker of the worker is in. While it is open nobody is called.",
        query(
            f"max by (breaker, state) (consumers_breaker_state{{{OWN}}}) == 1",
            "{{breaker}}: {{state}}",
        ),
        width=8,
        alerts=("CircuitBreakerOpen",),
    ),
    graph(
        "Failed calls of the partner",
        "Share of calls with no answer, 5xx, or 401 and its like. Over 10 % alerts.",
        "percentunit",
        query(
            share("http_client_requests_total", f"{OWN}, {PARTNER_FAILED}", OWN, "peer"), "{{peer}}"
        ),
        limits=(0.1,),
        alerts=("FintechApiErrorRate",),
    ),
]

DASHBOARD: Final = dashboard(
    "lagmon-consumers",
    "Lag and consumers",
    "Who is behind, since when, will it catch up, and what is the worker doing?",
    variables=[
        *job_and_instance("consumers_records_total", "game-consumer"),
        chosen("kafka_cluster", "Cluster", "label_values(lagmon_up, kafka_cluster)"),
        chosen("group", "Group", f"label_values(lagmon_group_state{{{CLUSTER}}}, group)"),
    ],
    alerts=(
        "KafkaConsumerLag",
        "KafkaConsumerLagSeconds",
        "KafkaConsumerStuck",
        "KafkaConsumerFallingBehind",
        "KafkaRetentionRisk",
        "KafkaLagUnknown",
        "KafkaClusterBlind",
        "LagmonAbsent",
        "LagmonStale",
        "LagmonNotificationsFailing",
        "LagmonMissingRights",
        "WorkerAbsent",
        "EndToEndTime",
        "DeadLetters",
        "DeadLetterFailures",
        "RecordsLost",
        "CircuitBreakerOpen",
        "CommitFailures",
        "FintechApiErrorRate",
    ),
    rows=[
        ("At a glance", GLANCE),
        ("How far behind", BEHIND),
        ("How they are", JUDGED),
        ("The worker", WORK),
        ("lagmon itself", WATCHING),
    ],
)
