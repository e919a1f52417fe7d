"""Every metric of the package, in one register: name, type, help, labels, and values that exist.

`REGISTER` is the list; the reference page is compared with it. Nothing here decides anything, and
no label carries what a client can choose freely.
"""

from __future__ import annotations

from typing import NamedTuple

from prometheus_client import Counter, Gauge, Histogram

# Seconds. The upper end covers the longest backoff, the lower a write on a local database. What an
# alert or an objective compares with (2 s for a request, 3 s for the whole way) is a bound itself:
# between two bounds Prometheus could only guess.
HANDLER_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 2.5, 5, 10)
# What waits in Kafka too: from a good day's milliseconds to an outage of half an hour.
WAITING_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 3, 5, 10, 30, 60, 300, 1800)


class Definition(NamedTuple):
    """One metric. *values* lists the known values of its only label, if it has just one.

    *buckets* are the upper bounds of a histogram, in seconds.
    """

    name: str
    kind: type[Counter | Gauge | Histogram]
    help: str
    labels: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


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
    buckets=HANDLER_BUCKETS,
)
QUEUE_SECONDS = Definition(
    "consumers_queue_seconds",
    Histogram,
    "Time from a record's timestamp to its first try.",
    buckets=WAITING_BUCKETS,
)
END_TO_END_SECONDS = Definition(
    "consumers_end_to_end_seconds",
    Histogram,
    "Time from the request that was accepted to the committed write.",
    buckets=WAITING_BUCKETS,
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
RECORDS_LOST = Definition(
    "consumers_records_lost_total",
    Counter,
    "Records that were deleted, or had to be skipped, before the group came to them.",
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
POOL_CONNECTIONS = Definition(
    "consumers_pool_connections",
    Gauge,
    "Connections to Postgres: in use, with those that are being made, and idle.",
    ("state",),
    ("in_use", "idle"),
)
POOL_MAX = Definition(
    "consumers_pool_max_connections",
    Gauge,
    "Connections to Postgres that there may be at once; 0 in a service that has no pool.",
)
POOL_WAITING = Definition(
    "consumers_pool_waiting_requests",
    Gauge,
    "Calls that wait for a connection to Postgres.",
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
    buckets=REQUEST_BUCKETS,
)
HTTP_IN_FLIGHT = Definition(
    "consumers_http_in_flight_requests",
    Gauge,
    "HTTP requests that have arrived and are not answered yet; a scrape sees itself.",
)
HTTP_CLIENT_REQUESTS = Definition(
    "http_client_requests_total",
    Counter,
    "HTTP requests made, by who was asked and how it ended: a status, timeout or error.",
    ("peer", "status"),
)
HTTP_CLIENT_SECONDS = Definition(
    "http_client_request_duration_seconds",
    Histogram,
    "Time that an HTTP request took which was made, unanswered ones too.",
    ("peer",),
    buckets=REQUEST_BUCKETS,
)
PLAYS_ACCEPTED = Definition(
    "consumers_plays_accepted_total",
    Counter,
    "Plays that the broker has acknowledged.",
)
PLAYS_REFUSED = Definition(
    "consumers_plays_refused_total",
    Counter,
    "Plays that were not accepted: wrong, too many for one player, or not possible in time.",
    ("reason",),
    ("invalid", "limited", "unavailable"),
)
PLAYS_SETTLED = Definition(
    "consumers_plays_settled_total",
    Counter,
    "Plays by what settling them did: written now, or known already.",
    ("result",),
    ("settled", "duplicate"),
)
PLAYS_FAILED = Definition(
    "consumers_plays_failed_total",
    Counter,
    "Tries that did not settle a play: it is none, is refused for good, somebody is away, or else.",
    ("reason",),
    ("invalid", "refused", "unavailable", "error"),
)
LOAD_PLAYS = Definition(
    "consumers_load_plays_total",
    Counter,
    "Plays of consumers load: taken, refused, not answered well, or left out to bound the load.",
    ("result",),
    ("accepted", "refused", "failed", "skipped"),
)

REGISTER = (
    RECORDS,
    HANDLER_SECONDS,
    QUEUE_SECONDS,
    END_TO_END_SECONDS,
    RETRIES,
    DEAD_LETTERS,
    DEAD_LETTER_FAILURES,
    IN_FLIGHT,
    WAITING,
    ASSIGNED,
    REBALANCES,
    COMMITS,
    RECORDS_LOST,
    KAFKA_ERRORS,
    BREAKER_STATE,
    BREAKER_CHANGES,
    BREAKER_REFUSED,
    POOL_CONNECTIONS,
    POOL_MAX,
    POOL_WAITING,
    HTTP_REQUESTS,
    HTTP_SECONDS,
    HTTP_IN_FLIGHT,
    HTTP_CLIENT_REQUESTS,
    HTTP_CLIENT_SECONDS,
    PLAYS_ACCEPTED,
    PLAYS_REFUSED,
    PLAYS_SETTLED,
    PLAYS_FAILED,
    LOAD_PLAYS,
)
