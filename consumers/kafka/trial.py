"""Make the clients of a service for a moment, to learn whether librdkafka takes their properties.

It knows no broker's address meanwhile, so that nothing is connected to.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, KafkaException, Producer

from consumers.configuration.common import ConsumerSettings, KafkaSettings
from consumers.kafka.properties import consumer_properties, producer_properties

if TYPE_CHECKING:
    from consumers.configuration.common import Settings

SERVERS = "bootstrap.servers"

# Of a client without brokers there is nothing to tell.
silent = logging.getLogger(f"{__name__}.silent")
silent.addHandler(logging.NullHandler())
silent.propagate = False


def problems(settings: Settings) -> list[str]:
    """Say what the clients of a service with *settings* would refuse to be made with."""
    found = []
    if isinstance(settings, ConsumerSettings):
        found.append(_refused("consumer", consumer_properties(settings)))
    if isinstance(settings, KafkaSettings):
        found.append(_refused("producer", producer_properties(settings)))
    return list(dict.fromkeys(one for one in found if one is not None))


def _refused(kind: str, properties: dict[str, Any]) -> str | None:
    known = {name: value for name, value in properties.items() if name != SERVERS}
    try:
        if kind == "consumer":
            Consumer(known, logger=silent).close()
        else:
            Producer(known, logger=silent)
    except (KafkaException, ValueError, TypeError) as error:
        cause = error.args[0] if error.args else error
        words = cause.str() if hasattr(cause, "str") else str(cause)
        return f"client: the {kind} cannot be made: {words}"
    return None
