"""The brokers: what goes in and out, whether every partition is led and copied, how busy."""

from __future__ import annotations

from typing import Final

from deploy.grafana.source.api import OWN, rate
from deploy.grafana.source.frame import chosen, dashboard, job_and_instance
from deploy.grafana.source.parts import graph, number, query

TOPIC: Final = f'{OWN}, topic=~"$topic"'
MESSAGES: Final = "kafka_server_brokertopicmetrics_messagesin_total"
DISKS: Final = '{fstype!~"tmpfs|ramfs|overlay|squashfs|iso9660"}'
REQUEST: Final = "kafka_network_requestmetrics_totaltime_milliseconds"

DASHBOARD: Final = dashboard(
    "lagmon-kafka",
    "Kafka brokers",
    "Does Kafka take and give what it should, and is every partition safe?",
    variables=[
        *job_and_instance("kafka_server_replicamanager_partitioncount", "kafka"),
        chosen("topic", "Topic", f'label_values({MESSAGES}{{job=~"$job"}}, topic)'),
    ],
    alerts=(
        "KafkaBrokerAbsent",
        "KafkaOfflinePartitions",
        "KafkaUnderReplicatedPartitions",
        "KafkaNoController",
        "KafkaClusterBlind",
        "NodeCpuHigh",
        "DiskFilling",
        "DiskAlmostFull",
    ),
    rows=[
        (
            "At a glance",
            [
                number(
                    "Brokers that answer",
                    "Brokers whose metrics were read at the last scrape.",
                    "none",
                    query(f"sum(up{{{OWN}}})", "brokers"),
                    limits=(1,),
                    below=True,
                    alerts=("KafkaBrokerAbsent", "KafkaClusterBlind"),
                ),
                number(
                    "Active controllers",
                    "Exactly one node of a cluster leads it.",
                    "none",
                    query(
                        f"sum(kafka_controller_kafkacontroller_activecontrollercount{{{OWN}}})",
                        "controllers",
                    ),
                    limits=(1,),
                    below=True,
                    alerts=("KafkaNoController",),
                ),
                number(
                    "Offline partitions",
                    "Partitions without a leader: nobody can read or write them.",
                    "none",
                    query(
                        f"max(kafka_controller_kafkacontroller_offlinepartitionscount{{{OWN}}})",
                        "offline",
                    ),
                    limits=(1,),
                    alerts=("KafkaOfflinePartitions",),
                ),
                number(
                    "Under-replicated partitions",
                    "Partitions with fewer copies in step than they should have.",
                    "none",
                    query(
                        f"sum(kafka_server_replicamanager_underreplicatedpartitions{{{OWN}}})",
                        "under-replicated",
                    ),
                    limits=(1,),
                    alerts=("KafkaUnderReplicatedPartitions",),
                ),
                number(
                    "Partitions",
                    "Copies of partitions that the brokers hold.",
                    "none",
                    query(
                        f"sum(kafka_server_replicamanager_partitioncount{{{OWN}}})", "partitions"
                    ),
                ),
                number(
                    "Idle handlers",
                    "Share of their time that the broker's request threads are idle. Under 0.3 it"
                    " cannot take much more.",
                    "percentunit",
                    query(
                        "min(kafka_server_kafkarequesthandlerpool_requesthandleravgidle_ratio"
                        f"{{{OWN}}})",
                        "idle",
                    ),
                    limits=(0.3,),
                    below=True,
                ),
            ],
        ),
        (
            "Throughput",
            [
                graph(
                    "Messages in",
                    "Messages in a second that were written to each topic.",
                    "cps",
                    query(rate(MESSAGES, TOPIC, "topic"), "{{topic}}"),
                ),
                graph(
                    "Bytes in",
                    "Bytes in a second that were written to each topic.",
                    "Bps",
                    query(
                        rate("kafka_server_brokertopicmetrics_bytesin_total", TOPIC, "topic"),
                        "{{topic}}",
                    ),
                ),
                graph(
                    "Bytes out",
                    "Bytes in a second that consumers read from each topic.",
                    "Bps",
                    query(
                        rate("kafka_server_brokertopicmetrics_bytesout_total", TOPIC, "topic"),
                        "{{topic}}",
                    ),
                ),
            ],
        ),
        (
            "Brokers",
            [
                graph(
                    "Time of a request, p99",
                    "From a request's arrival to its answer, by kind. A fetch waits for messages.",
                    "ms",
                    query(f'max by (request) ({REQUEST}{{{OWN}, quantile="0.99"}})', "{{request}}"),
                ),
                graph(
                    "Idle request handlers",
                    "Share of their time that the request threads of each broker are idle.",
                    "percentunit",
                    query(
                        "min by (instance)"
                        " (kafka_server_kafkarequesthandlerpool_requesthandleravgidle_ratio"
                        f"{{{OWN}}})",
                        "{{instance}}",
                    ),
                ),
                graph(
                    "Partitions by broker",
                    "Copies of partitions that each broker holds.",
                    "none",
                    query(
                        f"sum by (instance) (kafka_server_replicamanager_partitioncount{{{OWN}}})",
                        "{{instance}}",
                    ),
                ),
                graph(
                    "Size of the log",
                    "Bytes that each topic takes on the disks of all brokers.",
                    "bytes",
                    query(f"sum by (topic) (kafka_log_log_size_bytes{{{TOPIC}}})", "{{topic}}"),
                ),
                graph(
                    "Memory of Java",
                    "Heap and other memory that each broker's Java uses.",
                    "bytes",
                    query(
                        f"sum by (instance, area) (jvm_memory_used_bytes{{{OWN}}})",
                        "{{instance}} {{area}}",
                    ),
                ),
                graph(
                    "Time in garbage collection",
                    "Share of its time that each broker's Java collects garbage.",
                    "percentunit",
                    query(
                        rate("jvm_gc_collection_seconds_sum", OWN, "instance"),
                        "{{instance}}",
                    ),
                ),
            ],
        ),
        (
            "Machines",
            [
                graph(
                    "Free space",
                    "Share of each file system that is free. Less than 10 % pages.",
                    "percentunit",
                    query(
                        f"min by (instance, mountpoint) (node_filesystem_avail_bytes{DISKS}"
                        f" / node_filesystem_size_bytes{DISKS})",
                        "{{mountpoint}}",
                    ),
                    limits=(0.1,),
                    alerts=("DiskFilling", "DiskAlmostFull"),
                ),
                graph(
                    "Busy processors",
                    "Share of the processors at work, without waiting for disks. Over 90 % alerts.",
                    "percentunit",
                    query(
                        "avg by (instance) (sum by (instance, cpu)"
                        ' (rate(node_cpu_seconds_total{mode!~"idle|iowait"}[$__rate_interval])))',
                        "{{instance}}",
                    ),
                    limits=(0.9,),
                    alerts=("NodeCpuHigh",),
                ),
                graph(
                    "Free memory",
                    "Share of each machine's memory that can still be given to somebody.",
                    "percentunit",
                    query(
                        "node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes",
                        "{{instance}}",
                    ),
                ),
            ],
        ),
    ],
)
