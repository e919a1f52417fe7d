"""The id of the Kafka cluster that a client is connected to, learnt without ever waiting for it.

A client has the id once it has heard from a broker, and gives it from memory: it is asked with a
timeout of 0. A producer may be asked at any time, whoever polls it meanwhile. A consumer lets one
call in after the other, so that asking waits for a poll in another thread: it is asked only in
`propagation.receiving`, by the thread that has just polled it, and in `propagation.aio_consumer`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from confluent_kafka import KafkaException

if TYPE_CHECKING:
    from collections.abc import Callable

_RETRY_SECONDS: Final = 0.1  # asking in vain costs about a microsecond: not with every message


def cluster_of(client: Any) -> str:
    """Give the id that *client*, a plain one, has by now; empty if it has none, or is closed."""
    try:
        found = client.cluster_id(timeout=0)
    except (KafkaException, RuntimeError):
        return ""
    return found if isinstance(found, str) else ""


class Asking:
    """Ask for the cluster of *owner*, which is not kept alive, now and then.

    *client* gives the plain client of an owner.
    """

    __slots__ = ("_client", "_next", "_owner")

    def __init__(self, owner: object, client: Callable[[Any], Any] = lambda owner: owner) -> None:
        self._owner = ref(owner)
        self._client = client
        self._next = 0.0

    def __call__(self) -> str:
        """Give the id; empty if it is not known yet, or was asked for just now."""
        now = time.monotonic()
        owner = self._owner()
        if now < self._next or owner is None:
            return ""
        self._next = now + _RETRY_SECONDS
        return cluster_of(self._client(owner))
