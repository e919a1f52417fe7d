"""The metrics of one service, made from the register, in a registry of its own.

So two services can live in one process, and tests start at zero. A label whose values are known
beforehand gets its children at once: a counter that is 0 is seen as 0, not absent.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    PlatformCollector,
    ProcessCollector,
)

from consumers.metrics import register
from consumers.metrics.exemplars import GatheredHistogram, TracedHistogram

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.metrics.register import Definition
    from consumers.types import Connections

AnyHistogram = TypeVar("AnyHistogram", bound=GatheredHistogram)


class Metrics:
    """The metrics of one service, each under the name of what it counts.

    Every service has the whole register: what it never touches stays at zero. *wall* gives the
    seconds since the epoch.
    """

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self.registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.records = self._counter(register.RECORDS)
        self.handler_seconds = self._histogram(register.HANDLER_SECONDS)
        # Taken by the loop, outside of any trace: to look for one would cost each record 0.6 µs.
        self.queue_seconds = self._made(GatheredHistogram, register.QUEUE_SECONDS)
        self.end_to_end_seconds = self._histogram(register.END_TO_END_SECONDS)
        self.retries = self._counter(register.RETRIES)
        self.dead_letters = self._counter(register.DEAD_LETTERS)
        self.dead_letter_failures = self._counter(register.DEAD_LETTER_FAILURES)
        self.in_flight = self._gauge(register.IN_FLIGHT)
        self.waiting_partitions = self._gauge(register.WAITING)
        self.assigned_partitions = self._gauge(register.ASSIGNED)
        self.rebalances = self._counter(register.REBALANCES)
        self.commits = self._counter(register.COMMITS)
        self.records_lost = self._counter(register.RECORDS_LOST)
        self.kafka_errors = self._counter(register.KAFKA_ERRORS)
        self.breaker_state = self._gauge(register.BREAKER_STATE)
        self.breaker_changes = self._counter(register.BREAKER_CHANGES)
        self.breaker_refused = self._counter(register.BREAKER_REFUSED)
        self.pool_connections = self._gauge(register.POOL_CONNECTIONS)
        self.pool_max = self._gauge(register.POOL_MAX)
        self.pool_waiting = self._gauge(register.POOL_WAITING)
        self.http_requests = self._counter(register.HTTP_REQUESTS)
        self.http_seconds = self._histogram(register.HTTP_SECONDS)
        self.http_in_flight = self._gauge(register.HTTP_IN_FLIGHT)
        self.http_client_requests = self._counter(register.HTTP_CLIENT_REQUESTS)
        self.http_client_seconds = self._histogram(register.HTTP_CLIENT_SECONDS)
        self.plays_accepted = self._counter(register.PLAYS_ACCEPTED)
        self.plays_refused = self._counter(register.PLAYS_REFUSED)
        self.plays_settled = self._counter(register.PLAYS_SETTLED)
        self.plays_failed = self._counter(register.PLAYS_FAILED)
        self.load_plays = self._counter(register.LOAD_PLAYS)

    def queued(self, *timestamps_ms: int | None) -> None:
        """Observe how long records waited that are tried first now; one without a time is not."""
        now = self._wall()
        # The clocks of two machines differ: what seems to come from the future has not waited.
        waits = [max(now - one / 1000, 0.0) for one in timestamps_ms if one is not None]
        self.queue_seconds.observe_all(waits)

    def end_to_end(self, seconds: float, trace_id: str | None = None) -> None:
        """Observe the *seconds* from an accepted request to its committed write.

        *trace_id* is the exemplar, 32 hex digits; without one the current trace is, if recorded.
        """
        exemplar = {"trace_id": trace_id} if trace_id else None
        self.end_to_end_seconds.observe(max(seconds, 0.0), exemplar)

    def http_client(self, peer: str) -> Callable[[str, float], None]:
        """Make what is to be told of each request to *peer*: how it ended, and its seconds."""
        requests, seconds = self.http_client_requests, self.http_client_seconds.labels(peer)

        def observe(ended: str, took: float) -> None:
            requests.labels(peer, ended).inc()
            seconds.observe(took)

        return observe

    def pool(self, stands: Callable[[], Connections]) -> None:
        """Ask how the pool *stands* at each scrape, and never between two."""
        self.pool_connections.labels("in_use").set_function(lambda: stands().in_use)
        self.pool_connections.labels("idle").set_function(lambda: stands().idle)
        self.pool_max.set_function(lambda: stands().limit)
        self.pool_waiting.set_function(lambda: stands().waiting)

    def _counter(self, definition: Definition) -> Counter:
        counter = Counter(
            definition.name, definition.help, definition.labels, registry=self.registry
        )
        for value in definition.values:
            counter.labels(value)
        return counter

    def _gauge(self, definition: Definition) -> Gauge:
        gauge = Gauge(definition.name, definition.help, definition.labels, registry=self.registry)
        for value in definition.values:
            gauge.labels(value)
        return gauge

    def _histogram(self, definition: Definition) -> TracedHistogram:
        return self._made(TracedHistogram, definition)

    def _made(self, kind: type[AnyHistogram], definition: Definition) -> AnyHistogram:
        return kind(
            definition.name,
            definition.help,
            definition.labels,
            buckets=definition.buckets,
            registry=self.registry,
        )
