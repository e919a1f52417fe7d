"""Names of spans and attributes, from one pinned version of OpenTelemetry's conventions.

Source: semantic conventions 1.44.0, messaging spans and Kafka
(https://opentelemetry.io/docs/specs/semconv/messaging/). They are spelt out here, not imported:
the package that carries them renames constants between releases, and what goes out must not move
with a dependency.
"""

from __future__ import annotations

from typing import Final

VERSION: Final = "1.44.0"
SCHEMA_URL: Final = f"https://opentelemetry.io/schemas/{VERSION}"

SYSTEM: Final = "messaging.system"
KAFKA: Final = "kafka"
OPERATION_NAME: Final = "messaging.operation.name"
OPERATION_TYPE: Final = "messaging.operation.type"
DESTINATION: Final = "messaging.destination.name"
PARTITION: Final = "messaging.destination.partition.id"  # text, by the conventions
OFFSET: Final = "messaging.kafka.offset"
MESSAGE_KEY: Final = "messaging.kafka.message.key"
BATCH_COUNT: Final = "messaging.batch.message_count"
TOMBSTONE: Final = "messaging.kafka.message.tombstone"
CLIENT_ID: Final = "messaging.client.id"
CONSUMER_GROUP: Final = "messaging.consumer.group.name"
ERROR_TYPE: Final = "error.type"

QUEUE_TIME_SECONDS: Final = "propagation.queue_time_seconds"
"""Not in the conventions: how long the message waited.

On a send span from ``produce`` to the delivery report, as the client saw it; on a process span
from the record's timestamp to the start of processing, absent where the record has no timestamp
and 0 where the clocks disagree.
"""

SEND: Final = "send"
PROCESS: Final = "process"
LINKS: Final = "links"  # not an operation: the span of a batch's links that found no room on it


def span_name(operation: str, topic: str) -> str:
    """Name a span: the operation, then the destination if there is one."""
    return f"{operation} {topic}" if topic else operation


def shared_attributes(operation: str, topic: str, client_id: str, group: str) -> dict[str, str]:
    """Give what all spans of one operation on one topic by one client have in common.

    An empty *topic*, *client_id* or *group* is not known and left out.
    """
    attributes = {
        SYSTEM: KAFKA,
        OPERATION_NAME: operation,
        OPERATION_TYPE: operation,
    }
    if topic:
        attributes[DESTINATION] = topic
    if client_id:
        attributes[CLIENT_ID] = client_id
    if group:
        attributes[CONSUMER_GROUP] = group
    return attributes
