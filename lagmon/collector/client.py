"""One cluster's AdminClient: made when needed, listened to, and dropped when it cannot be trusted.

Comes in: how to reach the cluster. Goes out: a client that works, and the last words librdkafka had
for its errors, which no exception carries. Asks nothing itself.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import structlog
from confluent_kafka.admin import AdminClient

from lagmon.collector.answers import telling, words
from lagmon.collector.files import Files
from lagmon.collector.quiet import Thinned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from confluent_kafka import KafkaError

    from lagmon.configuration.settings import Cluster

DEFAULTS = {"client.id": "lagmon"}
# Every broker is asked in every cycle, so that a client connects to all at once. By default it
# waits half its back-off before the first, and tries a dead broker four times as often: a log line
# comes with each try.
CALM = {
    "enable.sparse.connections": False,
    "reconnect.backoff.ms": 500,
    "reconnect.backoff.max.ms": 2000,
}

log = structlog.get_logger(__name__)


def configuration(cluster: Cluster) -> dict[str, Any]:
    """Give the librdkafka properties that every client of *cluster* has; they hold secrets."""
    return {**DEFAULTS, **cluster.client, "bootstrap.servers": cluster.bootstrap_servers}


def kafka_log(cluster: Cluster) -> logging.Logger:
    """Give the logger, thinned, that librdkafka's own lines about *cluster* go to."""
    logger = logging.getLogger(f"lagmon.kafka.{cluster.name}")
    if not any(isinstance(one, Thinned) for one in logger.filters):
        logger.addFilter(Thinned())
    return logger


class Client:
    """The one AdminClient of *cluster*, replaced by `recycle`.

    *secret_files* says which of its properties came from which file.

    A client does not heal: after a coordinator was away it times out or answers
    FENCED_LEADER_EPOCH for as long as it lives, and answers that come late can abort the process
    (librdkafka 4605, 3663).
    """

    def __init__(self, cluster: Cluster, secret_files: Mapping[str, str] | None = None) -> None:
        self._files = Files(cluster, secret_files or {})
        self._admin: AdminClient | None = None
        self._heard: str | None = None
        self._telling = 0  # of what was heard
        self.generation = 0  # counts the clients

    @property
    def admin(self) -> AdminClient:
        """Give the client, a new one if there is none; KafkaException if it cannot be made."""
        if self._admin is None:
            config = {**CALM, **configuration(self.cluster), "error_cb": self._hear}
            self._admin = AdminClient(config, logger=kafka_log(self.cluster))
        return self._admin

    @property
    def cluster(self) -> Cluster:
        """Give the cluster, with its secrets as its files had them at the last `refresh`."""
        return self._files.cluster

    def refresh(self) -> None:
        """Replace the client if a file that its configuration names has changed."""
        if self._files.changed() and self._admin is not None:
            self.recycle("a file of its configuration has changed")

    def recycle(self, reason: str) -> None:
        """Drop the client, and every answer that it still owes, because of *reason*."""
        self.listen()
        self._admin = None
        self.generation += 1
        log.info("client_recycled", kafka_cluster=self.cluster.name, reason=reason)

    def listen(self) -> None:
        """Have librdkafka say what it has to say: logs and errors come from within poll alone."""
        if self._admin is not None:
            self._admin.poll(0)

    def take_last_words(self) -> str | None:
        """Give the most telling error since the last call, None if there was none."""
        self.listen()
        heard, self._heard = self._heard, None
        return heard

    def _hear(self, error: KafkaError) -> None:
        if self._heard is None or telling(error) > self._telling:
            self._heard, self._telling = words(error), telling(error)
