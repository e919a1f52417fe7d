"""Write plays to Kafka, and know when the broker has them.

`KafkaPublisher.publish` comes back once every in-sync replica has the record, or raises
`Unavailable`. A record that was given up may still arrive a moment later: it carries the play's id,
so a retry under the same id settles once.

librdkafka's callbacks run in a thread of the publisher's own; each wakes the request that waits.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException

from consumers.errors import Unavailable
from consumers.game.events import encode

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message, Producer

    from consumers.game.events import Play
    from consumers.kafka.lasting import LastingProducer

POLL_SECONDS = 0.1  # a callback is served at once; this bounds how long a stop may take
READY_TIMEOUT_SECONDS = 1.0


class KafkaPublisher:
    """A writer of plays to *topic*. Started once, stopped once; `publish` belongs to asyncio.

    The *producer* is the caller's, nobody else polls it, and it gives records up by itself.
    *timeout_seconds* bounds `publish`.
    """

    def __init__(
        self, producer: Producer | LastingProducer, topic: str, timeout_seconds: float
    ) -> None:
        self._producer = producer
        self._topic = topic
        self._timeout_seconds = timeout_seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="deliveries", daemon=True)

    def start(self) -> None:
        """Serve delivery reports from now on."""
        self._thread.start()

    async def publish(self, play: Play) -> None:
        """Write *play*, keyed by its player, under the current trace.

        Raises `Unavailable` when the broker has not acknowledged it in time, or refuses it.
        """
        loop = asyncio.get_running_loop()
        acknowledged: asyncio.Future[None] = loop.create_future()

        def delivered(error: KafkaError | None, _: Message) -> None:
            # The loop is closed when the service has stopped and only the last flush is left.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_resolve, acknowledged, error)

        try:
            # Queues and returns; here and not in a thread, so that the request's span is current.
            self._producer.produce(self._topic, encode(play), play.player_id, on_delivery=delivered)
            await asyncio.wait_for(acknowledged, self._timeout_seconds)
        except BufferError as error:
            raise Unavailable("the producer's queue is full") from error
        except TimeoutError as error:
            raise Unavailable("the broker did not acknowledge in time") from error
        except KafkaException as error:
            raise Unavailable(f"the broker did not take it: {error.args[0].name()}") from error

    def ready(self) -> str | None:
        """Say why plays cannot be written, ``None`` if they can. Takes a second at most."""
        try:
            found = self._producer.list_topics(self._topic, READY_TIMEOUT_SECONDS)
        except KafkaException as error:
            return f"the broker does not answer: {error.args[0].name()}"
        fault = found.topics[self._topic].error
        return f"topic {self._topic}: {fault.name()}" if fault else None

    def stop(self, timeout_seconds: float) -> int:
        """Wait for what is under way; give the number of records that were not acknowledged."""
        left = self._producer.flush(timeout_seconds)
        self._stopping.set()
        self._thread.join(2 * POLL_SECONDS)
        return left

    def _serve(self) -> None:
        while not self._stopping.is_set():
            self._producer.poll(POLL_SECONDS)


def _resolve(acknowledged: asyncio.Future[None], error: KafkaError | None) -> None:
    if acknowledged.done():
        return  # the request has given up
    if error is None:
        acknowledged.set_result(None)
    else:
        acknowledged.set_exception(KafkaException(error))
