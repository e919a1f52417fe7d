"""Panels of consumer groups as lagmon sees them, and of lagmon itself."""

from __future__ import annotations

from typing import Final

from deploy.grafana.source.api import OWN, rate
from deploy.grafana.source.frame import LAGMON
from deploy.grafana.source.parts import bars, graph, listing, query, states

CLUSTER: Final = 'kafka_cluster=~"$kafka_cluster"'
GROUP: Final = f'{CLUSTER}, group=~"$group"'
NAMED: Final = "{{kafka_cluster}}/{{group}}"
# Grafana fills in the labels of the line that is clicked, and encodes them.
ITS_PAGE: Final = {
    "targetBlank": True,
    "title": "This group in lagmon",
    "url": f"{LAGMON}/group?cluster=${{__field.labels.kafka_cluster}}"
    "&name=${__field.labels.group}",
}
LAG: Final = f"max by (kafka_cluster, group) (lagmon_group_lag_messages{{{GROUP}}})"
GROWTH: Final = (
    f"max by (kafka_cluster, group) (lagmon_group_lag_rate_messages_per_second{{{GROUP}}})"
)


def of_group(metric: str) -> str:
    """Give *metric* of each chosen group, once however many lagmons there are."""
    return f"max by (kafka_cluster, group) ({metric}{{{GROUP}}})"


BEHIND: Final = [
    graph(
        "Lag in messages",
        "Messages between the committed offset and the end, by group. The line is where it pages.",
        "short",
        query(LAG, NAMED),
        limits=(1000,),
        alerts=("KafkaConsumerLag",),
        leads=(ITS_PAGE,),
    ),
    graph(
        "Lag in seconds",
        "How long the oldest unread message of each group has waited.",
        "s",
        query(of_group("lagmon_group_lag_seconds"), NAMED),
        limits=(300,),
        alerts=("KafkaConsumerLagSeconds",),
        leads=(ITS_PAGE,),
    ),
    graph(
        "Growth of the lag",
        "Messages in a second by which the lag grew over two minutes; below 0 it shrinks.",
        "cps",
        query(GROWTH, NAMED),
        alerts=("KafkaConsumerFallingBehind",),
        leads=(ITS_PAGE,),
    ),
    graph(
        "Time to drain",
        "How long it takes at this pace until nothing is unread. Nothing while the lag grows.",
        "s",
        query(f"{LAG} / -({GROWTH} < 0)", NAMED),
        leads=(ITS_PAGE,),
    ),
    graph(
        "Unread part of what is kept",
        "Of what a partition's log still holds, how much is unread; above 1 some is lost.",
        "percentunit",
        query(of_group("lagmon_group_retention_ratio"), NAMED),
        limits=(0.8,),
        alerts=("KafkaRetentionRisk",),
        leads=(ITS_PAGE,),
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
        leads=(ITS_PAGE,),
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
