"""What a Kafka client says about itself: its log and its errors, and when a broker last answered.

librdkafka writes a line for every attempt to reach a broker. Of lines that say the same kind of
thing one a minute is kept, with the number of those left out. Errors are counted, all of them, and
one that the client can never recover from is remembered for its owner.

A broker that hangs is no error to librdkafka before a minute has passed: its connections stand. But
a member of a group is answered all the time: a fetch within half a second, a heartbeat every 3 s
(5 s with the new protocol), also while all is paused. So a consumer looks at the number of answers
in its statistics, and `ClientLog.silent` speaks up `SILENT_SECONDS` after the last one.

A client drops the brokers that an answer does not name. A cluster that comes up, or has just stood
still, may name none; if the client is unlucky then, it is left without any and asks nobody again,
not even its bootstrap servers (confluentinc/librdkafka#5301). `ClientLog.forlorn` says so: whoever
owns such a client makes another.
"""

from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING, Any, Final

import structlog
from confluent_kafka import KafkaError

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.metrics import Metrics

QUIET_SECONDS = 60.0
STATISTICS_MS = 2000
# Longer than the pause between two heartbeats of either protocol and one look at the statistics.
SILENT_SECONDS = 8.0
# Looks at the statistics in which no broker was known: one alone may fall between two of them.
FORLORN_LOOKS = 3
# Where a broker was learned of that a client can ask; the others are places for one.
_BROKERS: Final = frozenset({"configured", "learned"})

# A client that has failed says so by this code, without the mark of a fatal error: a member that
# was fenced by another with its name, for one. The constant is public, as in librdkafka.
_FATAL: Final = KafkaError._FATAL  # noqa: SLF001

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
        self._errors, self._left_out = metrics.kafka_errors, metrics.records_lost
        self._quiet = Quiet(clock)
        self._clock = clock
        self._answers, self._answered_at = 0, clock()
        self._name, self._looks_without = "", 0
        self._replaced: set[str] = set()
        self.fatal: KafkaError | None = None

    def callbacks(self) -> dict[str, Any]:
        """Give the properties that make a client talk to this object."""
        return {"logger": self, "error_cb": self.error}

    def listening(self) -> dict[str, Any]:
        """Give the properties that let `silent` and `forlorn` know, of a client that is polled."""
        return {"statistics.interval.ms": STATISTICS_MS, "stats_cb": self.statistics}

    def silent(self) -> str | None:
        """Say for how long no broker has answered, ``None`` while one does. From any thread."""
        seconds = self._clock() - self._answered_at
        return f"no broker has answered for {seconds:.0f} s" if seconds > SILENT_SECONDS else None

    def forlorn(self) -> bool:
        """Say whether the client has lost every broker for good."""
        return self._looks_without >= FORLORN_LOOKS

    def renewed(self) -> None:
        """Hear that another client is in the place of one that was `forlorn`.

        Statistics that the old one sends while it is closed count no more.
        """
        self._replaced.add(self._name)
        self._looks_without = 0
        self._log.warning("kafka_client_renewed")

    def not_renewed(self, error: Exception) -> None:
        """Hear that no other client could be made; `forlorn` says so again some looks later."""
        self._looks_without = 0
        self._log.error("kafka_client_not_renewed", reason=str(error))

    def left_out(self, records: int) -> None:
        """Count *records* that the client had to leave out."""
        self._left_out.inc(records)

    def statistics(self, text: str) -> None:
        """Take librdkafka's statistics, a JSON object; ``rx`` counts the answers of all brokers."""
        told = json.loads(text)
        if told["name"] in self._replaced:
            return
        self._name = told["name"]
        known = any(one["source"] in _BROKERS for one in told["brokers"].values())
        self._looks_without = 0 if known else self._looks_without + 1
        if told["rx"] != self._answers:
            self._answers, self._answered_at = told["rx"], self._clock()

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
        if error.fatal() or error.code() == _FATAL:
            self.fatal = self.fatal or error
        left_out = self._quiet.passes(error.name())
        if left_out is not None:
            self._log.warning(
                "kafka_error", error_name=error.name(), reason=error.str(), more=left_out
            )
