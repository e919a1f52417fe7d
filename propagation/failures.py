"""What a failure is called and says: ``error.type`` and text of spans and measurements.

An exception is somebody else's code: nothing here raises, whatever it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException

if TYPE_CHECKING:
    from opentelemetry.trace import Span


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


def record_error(span: Span, error: Exception) -> None:
    """Put *error* on *span* as an event."""
    if error_text(error) is None:  # the SDK would raise, in the place of the user's own error
        span.add_event("exception", {"exception.type": error_type(error)})
    else:
        span.record_exception(error)
