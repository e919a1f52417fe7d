"""What a Kafka client last complained of, for a command that ends with one line.

An exception of the client says that nobody answered; why not, a wrong password or a refused
connection, it tells by its callbacks alone. Its log is not shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError

if TYPE_CHECKING:
    from collections.abc import Mapping


class LastWords:
    """The ears of one client: give `callbacks` to its constructor, and poll it before `reason`."""

    def __init__(self) -> None:
        self._last: KafkaError | None = None

    def callbacks(self) -> Mapping[str, Any]:
        """Give the properties that make a client talk to this object."""
        return {"error_cb": self._hear, "logger": self}

    def log(self, *_: object) -> None:
        """Take one line of librdkafka's, called as `logging.Logger.log` is, and drop it."""

    def reason(self, error: Exception) -> str:
        """Say what *error* is, and what the client complained of before it."""
        cause = error.args[0] if error.args else error
        words = in_words(cause) if isinstance(cause, KafkaError) else str(error)
        return words if self._last is None else f"{words} ({in_words(self._last)})"

    def _hear(self, error: KafkaError) -> None:
        # It follows upon every cause and names none.
        if self._last is None or error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - its public name
            self._last = error


def in_words(error: KafkaError) -> str:
    """Write *error* with its name."""
    return f"{error.name()}: {error.str()}"
