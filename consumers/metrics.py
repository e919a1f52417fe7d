"""Every metric of the package, in one register: name, type, help, labels, and values that exist.

`REGISTER` is the list; the reference page is compared with it. `Metrics` makes them in a registry
of its own, so that two services can live in one process, and tests start at zero. A label whose
values are known beforehand gets its children at once: a counter that is 0 is seen as 0, not absent.

Nothing here decides anything, and no label carries what a client can choose freely.
"""

from __future__ import annotations

from typing import NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

# Seconds. The upper end covers the longest backoff, the lower a write on a local database.
HANDLER_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Definition(NamedTuple):
    """One metric. *values* lists the known values of its only label, if it has just one."""

    name: str
    kind: type[Counter | Gauge | Histogram]
    help: str
    labels: tuple[str, ...] = ()
    values: tuple[str, ...] = ()


RECORDS = Definition(
    "consumers_records_total",
    Counter,
    "Records by how one try of them ended.",
    ("outcome",),
    ("done", "retry", "wait", "dead_letter", "dropped", "fatal"),
)
HANDLER_SECONDS = Definition(
    "consumers_handler_duration_seconds",
    Histogram,
    "Time that one call of the handler took, failed ones too.",
)
RETRIES = Definition(
    "consumers_retries_total",
    Counter,
    "Tries of a record after the first, by why there had to be one.",
    ("reason",),
    ("retry", "wait"),
)
DEAD_LETTERS = Definition(
    "consumers_dead_letters_total",
    Counter,
    "Records that the dead-letter queue has acknowledged.",
)
DEAD_LETTER_FAILURES = Definition(
    "consumers_dead_letter_failures_total",
    Counter,
    "Records that the dead-letter queue did not take; each is tried again.",
)
IN_FLIGHT = Definition(
    "consumers_in_flight_records",
    Gauge,
    "Records that were fetched and are not finished: in work, or waiting for another try.",
)
WAITING = Definition(
    "consumers_waiting_partitions",
    Gauge,
    "Partitions that are paused until their record is tried again.",
)
ASSIGNED = Definition(
    "consumers_assigned_partitions",
    Gauge,
    "Partitions that this member of the group owns.",
)
REBALANCES = Definition(
    "consumers_rebalances_total",
    Counter,
    "Changes of the assignment, by what happened to the partitions.",
    ("event",),
    ("assigned", "revoked", "lost"),
)
COMMITS = Definition(
    "consumers_commits_total",
    Counter,
    "Offset commits that were answered.",
    ("result",),
    ("ok", "failed"),
)
KAFKA_ERRORS = Definition(
    "consumers_kafka_errors_total",
    Counter,
    "Errors that the Kafka client reported, by its name for them.",
    ("error",),
)
BREAKER_STATE = Definition(
    "consumers_breaker_state",
    Gauge,
    "1 for the state that the circuit breaker of a dependency is in, 0 for the others.",
    ("breaker", "state"),
)
BREAKER_CHANGES = Definition(
    "consumers_breaker_changes_total",
    Counter,
    "Changes of a circuit breaker, by the state that it came into.",
    ("breaker", "state"),
)
BREAKER_REFUSED = Definition(
    "consumers_breaker_refused_total",
    Counter,
    "Calls that were not made because a circuit breaker did not let them.",
    ("breaker",),
)
HTTP_REQUESTS = Definition(
    "consumers_http_requests_total",
    Counter,
    "HTTP requests by method, route as it is declared, and status.",
    ("method", "route", "status"),
)
HTTP_SECONDS = Definition(
    "consumers_http_request_duration_seconds",
    Histogram,
    "Time from the request's arrival to the end of its answer.",
    ("method", "route"),
)
HTTP_IN_FLIGHT = Definition(
    "consumers_http_in_flight_requests",
    Gauge,
    "HTTP requests that have arrived and are not answered yet; a scrape sees itself.",
)
PLAYS_ACCEPTED = Definition(
    "consumers_plays_accepted_total",
    Counter,
    "Plays that the broker has acknowledged.",
)
PLAYS_REFUSED = Definition(
    "consumers_plays_refused_total",
    Counter,
    "Plays that were not accepted: the request was wrong, or Kafka did not answer in time.",
    ("reason",),
    ("invalid", "unavailable"),
)
PLAYS_SETTLED = Definition(
    "consumers_plays_settled_total",
    Counter,
    "Plays by what settling them did: written now, or known already.",
    ("result",),
    ("settled", "duplicate"),
)

REGISTER = (
    RECORDS,
    HANDLER_SECONDS,
    RETRIES,
    DEAD_LETTERS,
    DEAD_LETTER_FAILURES,
    IN_FLIGHT,
    WAITING,
    ASSIGNED,
    REBALANCES,
    COMMITS,
    KAFKA_ERRORS,
    BREAKER_STATE,
    BREAKER_CHANGES,
    BREAKER_REFUSED,
    HTTP_REQUESTS,
    HTTP_SECONDS,
    HTTP_IN_FLIGHT,
    PLAYS_ACCEPTED,
    PLAYS_REFUSED,
    PLAYS_SETTLED,
)


class Metrics:
    """The metrics of one service, each under the name of what it counts.

    Every service has the whole register: what it never touches stays at zero.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.records = self._counter(RECORDS)
        self.handler_seconds = self._histogram(HANDLER_SECONDS, HANDLER_BUCKETS)
        self.retries = self._counter(RETRIES)
        self.dead_letters = self._counter(DEAD_LETTERS)
        self.dead_letter_failures = self._counter(DEAD_LETTER_FAILURES)
        self.in_flight = self._gauge(IN_FLIGHT)
        self.waiting_partitions = self._gauge(WAITING)
        self.assigned_partitions = self._gauge(ASSIGNED)
        self.rebalances = self._counter(REBALANCES)
        self.commits = self._counter(COMMITS)
        self.kafka_errors = self._counter(KAFKA_ERRORS)
        self.breaker_state = self._gauge(BREAKER_STATE)
        self.breaker_changes = self._counter(BREAKER_CHANGES)
        self.breaker_refused = self._counter(BREAKER_REFUSED)
        self.http_requests = self._counter(HTTP_REQUESTS)
        self.http_seconds = self._histogram(HTTP_SECONDS, REQUEST_BUCKETS)
        self.http_in_flight = self._gauge(HTTP_IN_FLIGHT)
        self.plays_accepted = self._counter(PLAYS_ACCEPTED)
        self.plays_refused = self._counter(PLAYS_REFUSED)
        self.plays_settled = self._counter(PLAYS_SETTLED)

    def _counter(self, definition: Definition) -> Counter:
        counter = Counter(
            definition.name, definition.help, definition.labels, registry=self.registry
        )
        for value in definition.values:
            counter.labels(value)
        return counter

    def _gauge(self, definition: Definition) -> Gauge:
        return Gauge(definition.name, definition.help, definition.labels, registry=self.registry)

    def _histogram(self, definition: Definition, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(
            definition.name,
            definition.help,
            definition.labels,
            buckets=buckets,
            registry=self.registry,
        )
