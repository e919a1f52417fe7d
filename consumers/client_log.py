"""What a Kafka client says about itself: its log and its error callback, as structured events.

librdkafka writes a line for every attempt to reach a broker. Of lines that say the same kind of
thing one a minute is kept, with the number of those left out. Errors are counted, all of them, and
one that the client can never recover from is remembered for its owner.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

    from confluent_kafka import KafkaError

    from consumers.metrics import Metrics

QUIET_SECONDS = 60.0

log = structlog.get_logger(__name__)


class Quiet:
    """Lets one of each kind through in *seconds*, and counts the others."""

    def __init__(self, clock: Callable[[], float], seconds: float = QUIET_SECONDS) -> None:
        self._clock, self._seconds = clock, seconds
        self._kinds: dict[str, tuple[float, int]] = {}

    def passes(self, kind: str) -> int | None:
        """Give how many of *kind* were left out since the last, or ``None`` to leave this out."""
        now = self._clock()
        until, left_out = self._kinds.get(kind, (now, 0))
        if now < until:
            self._kinds[kind] = (until, left_out + 1)
            return None
        self._kinds[kind] = (now + self._seconds, 0)
        return left_out


class ClientLog:
    """The ears of one client. Give `callbacks` to its constructor, and poll it."""

    def __init__(
        self, client: str, metrics: Metrics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log = log.bind(client=client)
        self._errors = metrics.kafka_errors
        self._quiet = Quiet(clock)
        self.fatal: KafkaError | None = None

    def callbacks(self) -> dict[str, Any]:
        """Give the properties that make a client talk to this object."""
        return {"logger": self, "error_cb": self.error}

    def log(self, level: int, _: str, facility: str, name: str, text: str) -> None:
        """Take one line of librdkafka's, called as `logging.Logger.log` is."""
        left_out = self._quiet.passes(facility)
        if left_out is not None:
            level = min(level, logging.WARNING)  # an outage is not this service's own error
            self._log.log(
                level, "kafka_client", facility=facility, instance=name, text=text, more=left_out
            )

    def error(self, error: KafkaError) -> None:
        """Take an error that the client met, from its callback or in place of a record."""
        self._errors.labels(error.name()).inc()
        if error.fatal():
            self.fatal = self.fatal or error
        left_out = self._quiet.passes(error.name())
        if left_out is not None:
            self._log.warning(
                "kafka_error", error_name=error.name(), reason=error.str(), more=left_out
            )
