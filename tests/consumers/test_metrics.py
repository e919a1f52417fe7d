"""The register is what a service shows: nothing missing, nothing more, zero where nothing was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from prometheus_client.exposition import choose_encoder

from consumers.metrics import REGISTER, Definition, Metrics, register
from consumers.types import Connections
from propagation.testing import captured_spans

if TYPE_CHECKING:
    from collections.abc import Callable

OURS = ("consumers_", "http_client_")  # the latter is named as other services name it
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"

each = pytest.mark.parametrize("definition", REGISTER, ids=lambda one: one.name)


@each
def test_a_metric_is_what_the_register_says(definition: Definition) -> None:
    """Each entry is in the registry with its type, help and labels."""
    found = {
        metric.name: metric
        for metric in Metrics().registry.collect()
        if metric.name.startswith(OURS)
    }

    metric = found[definition.name.removesuffix("_total")]

    assert metric.type == definition.kind.__name__.lower()
    assert metric.documentation == definition.help


def test_nothing_is_shown_that_the_register_does_not_name() -> None:
    """Every metric of the package stands in the register."""
    shown = {metric.name for metric in Metrics().registry.collect() if metric.name.startswith(OURS)}

    assert shown == {definition.name.removesuffix("_total") for definition in REGISTER}


@each
def test_a_name_says_what_it_counts(definition: Definition) -> None:
    """Counters end in _total, durations in _seconds, and every help is a sentence."""
    assert definition.name.startswith(OURS)
    assert definition.name.endswith("_total") is (definition.kind.__name__ == "Counter")
    assert definition.name.endswith("_seconds") is (definition.kind.__name__ == "Histogram")
    assert definition.help.endswith(".")


@pytest.mark.parametrize(
    ("definition", "value"),
    [(one, value) for one in REGISTER for value in one.values],
    ids=str,
)
def test_what_is_known_beforehand_begins_at_zero(definition: Definition, value: str) -> None:
    """A rate over a counter that first appears at one misses its first event."""
    (label,) = definition.labels

    assert Metrics().registry.get_sample_value(definition.name, {label: value}) == 0


def test_two_services_do_not_share_metrics() -> None:
    """Each has a registry of its own."""
    one, other = Metrics(), Metrics()

    one.dead_letters.inc()

    assert other.registry.get_sample_value("consumers_dead_letters_total") == 0


@each
def test_a_histogram_has_buckets_that_grow(definition: Definition) -> None:
    """Times have bounds, in order; nothing else has."""
    assert bool(definition.buckets) is (definition.kind.__name__ == "Histogram")
    assert list(definition.buckets) == sorted(set(definition.buckets))


def times(metrics: Metrics) -> dict[str, Callable[[], None]]:
    """Give one observation for each histogram."""
    return {
        "consumers_handler_duration_seconds": lambda: metrics.handler_seconds.observe(0.2),
        "consumers_end_to_end_seconds": lambda: metrics.end_to_end(0.2),
        "consumers_http_request_duration_seconds": lambda: metrics.http_seconds.labels(
            "GET", "/"
        ).observe(0.2),
        "http_client_request_duration_seconds": lambda: metrics.http_client("fintech")("200", 0.2),
    }


# The queue's is taken by the loop, which is in no trace.
HISTOGRAMS = [one.name for one in REGISTER if one.buckets and "queue" not in one.name]


def exemplars(metrics: Metrics, name: str) -> list[str]:
    """Read the exemplars of the histogram *name* as a scrape sees them."""
    encode, _ = choose_encoder("application/openmetrics-text; version=1.0.0")
    page = encode(metrics.registry).decode()
    lines = [line for line in page.splitlines() if line.startswith(f"{name}_bucket")]
    return [line.partition(" # ")[2] for line in lines if " # " in line]


@pytest.mark.parametrize("name", HISTOGRAMS)
def test_a_time_names_the_trace_it_was_taken_in(name: str) -> None:
    """The bucket's exemplar is the current trace's id."""
    metrics = Metrics()

    with captured_spans(), trace.get_tracer("test").start_as_current_span("process") as span:
        times(metrics)[name]()

    (exemplar,) = exemplars(metrics, name)
    trace_id = f"{span.get_span_context().trace_id:032x}"
    assert exemplar.startswith(f'{{trace_id="{trace_id}"}} 0.')


@pytest.mark.parametrize("name", HISTOGRAMS)
def test_a_trace_that_is_not_recorded_is_not_named(name: str) -> None:
    """Its id would lead nowhere: the time counts without it."""
    metrics = Metrics()
    unsampled = SpanContext(int(TRACE_ID, 16), 1, is_remote=True, trace_flags=TraceFlags(0))

    with trace.use_span(NonRecordingSpan(unsampled)):
        times(metrics)[name]()

    assert exemplars(metrics, name) == []
    assert (
        sum(
            sample.value
            for metric in metrics.registry.collect()
            for sample in metric.samples
            if sample.name == f"{name}_count"
        )
        == 1
    )


def test_the_trace_may_be_named_by_the_caller() -> None:
    """An end-to-end time that is taken outside of its trace is told which it was."""
    metrics = Metrics()

    metrics.end_to_end(0.2, TRACE_ID)

    (exemplar,) = exemplars(metrics, "consumers_end_to_end_seconds")
    assert TRACE_ID in exemplar


@pytest.mark.parametrize(
    ("timestamp_ms", "count", "total"),
    [(1000, 1, 4.0), (9000, 1, 0.0), (None, 0, 0.0)],
    ids=["waited", "from the future", "without a time"],
)
def test_the_wait_of_a_record_is_by_its_own_time(
    timestamp_ms: int | None, count: int, total: float
) -> None:
    """Clocks of two machines differ: no wait is below zero, and none is made up."""
    metrics = Metrics(wall=lambda: 5.0)

    metrics.queued(timestamp_ms)

    read = metrics.registry.get_sample_value
    assert read("consumers_queue_seconds_count") == count
    assert read("consumers_queue_seconds_sum") == total


def test_an_end_to_end_time_is_not_below_zero() -> None:
    """The API's clock may be ahead of the worker's."""
    metrics = Metrics()

    metrics.end_to_end(-3.0)

    assert metrics.registry.get_sample_value("consumers_end_to_end_seconds_sum") == 0


def test_a_request_to_a_peer_is_counted_by_how_it_ended() -> None:
    """Statuses, time-outs and errors, by peer; the seconds by peer alone."""
    metrics = Metrics()
    observe = metrics.http_client("fintech")

    for ended in ("201", "201", "503", "timeout"):
        observe(ended, 0.5)

    read = metrics.registry.get_sample_value
    counts = [
        read("http_client_requests_total", {"peer": "fintech", "status": status})
        for status in ("201", "503", "timeout")
    ]
    assert counts == [2, 1, 1]
    peer = {"peer": "fintech"}
    assert read("http_client_request_duration_seconds_sum", peer) == 2


def test_a_pool_is_asked_when_somebody_reads() -> None:
    """Each scrape shows the pool as it stands then, and not as it stood when it was handed over."""
    metrics = Metrics()
    now = Connections(in_use=0, idle=1, limit=8, waiting=0)
    metrics.pool(lambda: now)

    now = Connections(in_use=8, idle=0, limit=8, waiting=3)

    read = metrics.registry.get_sample_value
    states = [read("consumers_pool_connections", {"state": state}) for state in ("in_use", "idle")]
    assert states == [8, 0]
    assert read("consumers_pool_max_connections") == 8
    assert read("consumers_pool_waiting_requests") == 3


@pytest.mark.parametrize(
    ("definition", "bound"),
    [(register.HTTP_SECONDS, 2), (register.END_TO_END_SECONDS, 3)],
    ids=lambda one: getattr(one, "name", None),
)
def test_what_an_objective_compares_with_is_a_bound(definition: Definition, bound: float) -> None:
    """Between two bounds of buckets Prometheus could only guess how many took longer."""
    assert bound in definition.buckets
