"""What a failure is called and says: ``error.type`` and text of spans and measurements. Pure.

An exception is somebody else's code: neither of these raises, whatever it is.
"""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException


def error_type(error: BaseException) -> str:
    """Name an error: Kafka's own name for it where it has one, else its qualified type."""
    if isinstance(error, KafkaException) and error.args and isinstance(error.args[0], KafkaError):
        return error.args[0].name()
    kind = type(error)
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )


def error_text(error: BaseException) -> str | None:
    """Give the text of an error; None where its own ``__str__`` fails."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001  # somebody else's code, while their error is on its way
        return None
