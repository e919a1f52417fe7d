"""What a failure is called: the ``error.type`` of spans and measurements. Pure."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException


def error_type(error: BaseException) -> str:
    """Name an error: Kafka's own name for it where it has one, else its qualified type."""
    if isinstance(error, KafkaException) and isinstance(error.args[0], KafkaError):
        return error.args[0].name()
    kind = type(error)
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )
