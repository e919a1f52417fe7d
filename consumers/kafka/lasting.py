"""A producer that outlives its client: where that has lost every broker for good, another is made.

Comes in: how to make one, and the ears that know of it. It does what a producer does, as far as
this package asks for it, and renews itself from within `LastingProducer.poll`, by any thread. What
was queued in the old client is told to have failed; it may be there all the same, as after any
outage. Where none can be made at that moment, the old one stays and it is tried again.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaException

if TYPE_CHECKING:
    from collections.abc import Callable

    from confluent_kafka import Producer

    from consumers.kafka.client_log import ClientLog


class LastingProducer:
    """A producer by *make*, whose client *client_log* hears; else a `confluent_kafka.Producer`."""

    def __init__(self, make: Callable[[], Producer], client_log: ClientLog) -> None:
        self._make, self._client_log = make, client_log
        self._producer = make()
        self._renewing = threading.Lock()

    def produce(
        self,
        topic: str,
        value: bytes | None = None,
        key: str | bytes | None = None,
        **more: Any,
    ) -> None:
        """Queue one message."""
        self._producer.produce(topic, value, key, **more)

    def poll(self, timeout_seconds: float) -> int:
        """Serve callbacks; give how many."""
        served = self._producer.poll(timeout_seconds)
        if self._client_log.forlorn():
            self._renew()
        return served

    def flush(self, timeout_seconds: float) -> int:
        """Wait for what is queued; give how many messages were not acknowledged."""
        return self._producer.flush(timeout_seconds)

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> Any:
        """Ask for *topic*, or for all there are; give the cluster's metadata."""
        asked = {} if topic is None else {"topic": topic}
        return self._producer.list_topics(**asked, timeout=timeout)

    def _renew(self) -> None:
        with self._renewing:
            if not self._client_log.forlorn():
                return  # another thread was faster
            try:
                another = self._make()
            except (KafkaException, ValueError, TypeError) as error:
                self._client_log.not_renewed(error)  # a certificate being replaced, for one
                return
            self._client_log.renewed()
            old, self._producer = self._producer, another
        old.purge()
        old.poll(0)
