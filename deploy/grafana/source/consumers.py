"""Consumer groups as lagmon sees them, and the worker's records: who is behind, and why."""

from __future__ import annotations

from typing import Final

from deploy.grafana.source.api import OWN, quantiles, rate
from deploy.grafana.source.frame import chosen, dashboard, job_and_instance
from deploy.grafana.source.parts import bars, graph, listing, number, query, states

CLUSTER: Final = 'kafka_cluster=~"$kafka_cluster"'
GROUP: Final = f'{CLUSTER}, group=~"$group"'
NAMED: Final = "{{kafka_cluster}}/{{group}}"
LAG: Final = f"max by (kafka_cluster, group) (lagmon_group_lag_messages{{{GROUP}}})"
GROWTH: Final = (
    f"max by (kafka_cluster, group) (lagmon_group_lag_rate_messages_per_second{{{GROUP}}})"
)


def of_group(metric: str) -> str:
    """Give *metric* of each chosen group, once however many lagmons there are."""
    return f"max by (kafka_cluster, group) ({metric}{{{GROUP}}})"


GLANCE: Final = [
    number(
        "Lag",
        "Messages that the chosen groups have not read yet. More than 1000 in a group pages.",
        "short",
        query(f"sum({LAG})", "messages"),
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
BEHIND: Final = [
    graph(
        "Lag in messages",
        "Messages between the committed offset and the end, by group. The line is where it pages.",
        "short",
        query(LAG, NAMED),
        limits=(1000,),
        alerts=("KafkaConsumerLag",),
    ),
    graph(
        "Lag in seconds",
        "How long the oldest unread message of each group has waited.",
        "s",
        query(of_group("lagmon_group_lag_seconds"), NAMED),
        limits=(300,),
        alerts=("KafkaConsumerLagSeconds",),
    ),
    graph(
        "Growth of the lag",
        "Messages in a second by which the lag grew over two minutes; below 0 it shrinks.",
        "cps",
        query(GROWTH, NAMED),
        alerts=("KafkaConsumerFallingBehind",),
    ),
    graph(
        "Time to drain",
        "How long it takes at this pace until nothing is unread. Nothing while the lag grows.",
        "s",
        query(f"{LAG} / -({GROWTH} < 0)", NAMED),
    ),
    graph(
        "Unread part of what is kept",
        "Of what a partition's log still holds, how much is unread; above 1 some is lost.",
        "percentunit",
        query(of_group("lagmon_group_retention_ratio"), NAMED),
        limits=(0.8,),
        alerts=("KafkaRetentionRisk",),
    ),
    bars(
        "The ten partitions that are most behind",
        "Unread messages of a partition. One alone that lags is a hot key or a record that fails.",
        "short",
        query(
            "topk(10, max by (group, topic, partition)"
            f" (lagmon_partition_lag_messages{{{GROUP}}}))",
            "{{group}} {{topic}}[{{partition}}]",
        ),
        limits=(100, 1000),
    ),
]
JUDGED: Final = [
    states(
        "State of each group",
        "What the group is doing, the worst of its partitions; the glossary explains each word.",
        query(
            f"max by (group, state) (lagmon_group_state{{{GROUP}}}) == 1", "{{group}}: {{state}}"
        ),
        alerts=("KafkaConsumerStuck",),
    ),
    listing(
        "Which incidents are open",
        "Each incident that lagmon has open: its rule, and what it is about.",
        query(f"lagmon_incident_open{{{CLUSTER}}} == 1", now=True),
    ),
    graph(
        "Members",
        "Members of each group; absent when they could not be asked for.",
        "none",
        query(of_group("lagmon_group_members"), NAMED),
    ),
    graph(
        "Partitions without a value",
        "Unknown: could not be read. Uncommitted: the group never committed an offset there.",
        "none",
        query(of_group("lagmon_group_unknown_partitions"), f"unknown {NAMED}"),
        query(of_group("lagmon_group_uncommitted_partitions"), f"uncommitted {NAMED}"),
        alerts=("KafkaLagUnknown",),
    ),
    graph(
        "Rebalances",
        "Changes of the worker's assignment in a second, by what happened to the partitions.",
        "ops",
        query(rate("consumers_rebalances_total", OWN, "event"), "{{event}}"),
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
        alerts=("CircuitBreakerOpen", "FintechApiErrorRate"),
    ),
]
WATCHING: Final = [
    graph(
        "Clusters that answer",
        "1 if lagmon's last cycle brought a snapshot of the cluster.",
        "none",
        query(f"max by (kafka_cluster) (lagmon_up{{{CLUSTER}}})", "{{kafka_cluster}}"),
        alerts=("KafkaClusterBlind", "LagmonAbsent"),
    ),
    graph(
        "Cycles by outcome",
        "Looks of lagmon at the cluster in a second.",
        "ops",
        query(rate("lagmon_cycles_total", CLUSTER, "outcome"), "{{outcome}}"),
        stacked=True,
    ),
    graph(
        "Time of a snapshot",
        "Time that each step of the last snapshot took.",
        "s",
        query(
            f"max by (step) (lagmon_collect_duration_seconds{{{CLUSTER}}})",
            "{{step}}",
        ),
        stacked=True,
    ),
    graph(
        "Alerts that lagmon has sent",
        "Alerts handed to a notifier in a second, by outcome.",
        "ops",
        query(
            rate("lagmon_notifications_total", 'notifier=~".+"', "notifier", "outcome"),
            "{{notifier}}: {{outcome}}",
        ),
        alerts=("LagmonNotificationsFailing",),
    ),
    graph(
        "What lagmon may not see",
        "Things of a kind that lagmon may not describe: something may be hidden.",
        "none",
        query(
            f"max by (kafka_cluster, resource) (lagmon_missing_rights{{{CLUSTER}}})",
            "{{kafka_cluster}} {{resource}}",
        ),
        alerts=("LagmonMissingRights",),
    ),
    graph(
        "Readings with something unknown",
        "Readings of a group in a second of which something could not be read, by why.",
        "ops",
        query(rate("lagmon_group_errors_total", CLUSTER, "reason"), "{{reason}}"),
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
