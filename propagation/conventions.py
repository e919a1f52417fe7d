"""Names of spans and attributes, from one pinned version of OpenTelemetry's conventions.

Source: semantic conventions 1.44.0, messaging spans and Kafka
(https://opentelemetry.io/docs/specs/semconv/messaging/). They are spelt out here, not imported:
the package that carries them renames constants between releases, and what goes out must not move
with a dependency.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

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
CLUSTER_ID: Final = "messaging.kafka.cluster.id"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"

QUEUE_TIME_SECONDS: Final = "propagation.queue_time_seconds"
"""Not in the conventions: how long the message waited.

On a send span from ``produce`` to the delivery report, as the client saw it; on a process span
from the record's timestamp to the start of processing, absent where the record has no timestamp
and 0 where the clocks disagree.
"""

OPERATION_DURATION: Final = "messaging.client.operation.duration"
SENT_MESSAGES: Final = "messaging.client.sent.messages"
CONSUMED_MESSAGES: Final = "messaging.client.consumed.messages"
PROCESS_DURATION: Final = "messaging.process.duration"
QUEUE_TIME: Final = "propagation.queue_time"
END_TO_END: Final = "propagation.end_to_end_time"
"""The last two are not in the conventions, which have no name for either."""

SEND: Final = "send"
POLL: Final = "poll"
PROCESS: Final = "process"
COMMIT: Final = "commit"
LINKS: Final = "links"  # not an operation: the span of a batch's links that found no room on it
DEFAULT_PORT: Final = 9092  # librdkafka's, where bootstrap.servers has none

_TYPES: Final = {SEND: "send", POLL: "receive", PROCESS: "process", COMMIT: "settle"}
# One broker of bootstrap.servers: [PROTOCOL://]HOST[:PORT]
_SERVER: Final = re.compile(
    r"(?:\w+://)?(?:\[(?P<bracketed>[^\]]+)\]|(?P<name>[^\s,:/\[\]]+))(?::(?P<port>\d{1,5}))?"
)


def span_name(operation: str, topic: str) -> str:
    """Name a span: the operation, then the destination if there is one."""
    return f"{operation} {topic}" if topic else operation


def shared_attributes(operation: str, topic: str) -> dict[str, AttributeValue]:
    """Give what all spans and measurements of one operation on one topic have in common.

    An empty *topic* means several, or none, and is left out.
    """
    attributes: dict[str, AttributeValue] = {
        SYSTEM: KAFKA,
        OPERATION_NAME: operation,
        OPERATION_TYPE: _TYPES[operation],
    }
    if topic:
        attributes[DESTINATION] = topic
    return attributes


def client_attributes(client_id: str, group: str, servers: str) -> dict[str, AttributeValue]:
    """Give what is on all spans of one client; what is empty is not known and left out.

    *servers* is ``bootstrap.servers``. With several of them nobody can tell which a message went
    to, and none is named.
    """
    attributes: dict[str, AttributeValue] = {}
    if client_id:
        attributes[CLIENT_ID] = client_id
    if group:
        attributes[CONSUMER_GROUP] = group
    server = _SERVER.fullmatch(servers.strip())
    if server is not None:
        attributes[SERVER_ADDRESS] = server["name"] or server["bracketed"]
        attributes[SERVER_PORT] = int(server["port"] or DEFAULT_PORT)
    return attributes
