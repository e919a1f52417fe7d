"""What librdkafka says by the way: which brokers it reached, what they speak, why one is not there.

Comes in: its statistics, its errors and its log lines about features, by callbacks. Goes out: facts
by broker. There is no call that asks for them: the versions of requests stand in log lines alone.
"""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING, Any

from lagmon.collector.answers import telling, words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from confluent_kafka import KafkaError

# Beside those of the cluster: features are told in log lines, connections in statistics.
LISTENING: Mapping[str, Any] = {"debug": "feature", "statistics.interval.ms": 250}
SPOKEN = re.compile(
    r"(?P<broker>\S+):   ApiKey (?P<name>[A-Za-z]+) \(\d+\) Versions (?P<low>\d+)\.\.(?P<high>\d+)"
)


class Heard(logging.Handler):
    """Listens to one client. `callbacks` and `logger` are what the client is made with."""

    def __init__(self) -> None:
        super().__init__()
        self.up: set[int] = set()
        self._speaks: dict[str, dict[str, tuple[int, int]]] = {}
        self._errors: list[KafkaError] = []
        self.logger = logging.Logger(__name__, logging.DEBUG)  # noqa: LOG001 - nobody else's
        self.logger.addHandler(self)
        self.callbacks: dict[str, Callable[[Any], None]] = {
            "stats_cb": self._take_statistics,
            "error_cb": self._errors.append,
        }

    @property
    def telling(self) -> str | None:
        """The words of the most telling error: the vaguer ones follow upon every cause."""
        if not self._errors:
            return None
        return words(max(self._errors, key=telling))

    def error_of(self, address: str) -> str | None:
        """Give the words of the most telling error of the broker at *address*."""
        about = [one for one in self._errors if f"{address}/" in one.str()]
        return words(max(about, key=telling)) if about else None

    def speaks(self, address: str) -> dict[str, tuple[int, int]]:
        """Give what the broker at *address* speaks, as it said under any of its names."""
        found = (spoken for name, spoken in self._speaks.items() if f"/{address}/" in f"/{name}/")
        return max(found, key=len, default={})

    def one_speaks(self, name: str, version: int) -> bool:
        """Tell whether any broker takes the request *name* in *version*."""
        return any(name in one and one[name][1] >= version for one in self._speaks.values())

    def emit(self, record: logging.LogRecord) -> None:
        """Take what a log line tells of requests; every other line is dropped."""
        if told := SPOKEN.search(record.getMessage()):
            versions = int(told["low"]), int(told["high"])
            self._speaks.setdefault(told["broker"], {})[told["name"]] = versions

    def _take_statistics(self, text: str) -> None:
        brokers = json.loads(text).get("brokers", {}).values()
        self.up = {one["nodeid"] for one in brokers if one["state"] == "UP"}
