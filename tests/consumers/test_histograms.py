"""Histograms that count some at a time: nothing is missing when somebody reads."""

from __future__ import annotations

import threading

from prometheus_client import CollectorRegistry

from consumers.metrics.exemplars import COUNTED_AT_ONCE, GatheredHistogram


def histogram(registry: CollectorRegistry) -> GatheredHistogram:
    """Make one with the buckets 1 and 2."""
    return GatheredHistogram("waits", "Waits.", buckets=(1, 2), registry=registry)


def bucket(registry: CollectorRegistry, le: str) -> float | None:
    """Give how many are in the bucket up to *le*."""
    return registry.get_sample_value("waits_bucket", {"le": le})


def test_what_was_just_observed_is_there_when_somebody_reads() -> None:
    """Each in its bucket, a bound in the one that it ends; the sum is theirs."""
    registry = CollectorRegistry()

    histogram(registry).observe_all([0.5, 1, 1.5, 7])

    assert [bucket(registry, le) for le in ("1.0", "2.0", "+Inf")] == [2, 3, 4]
    assert registry.get_sample_value("waits_sum") == 10


def test_threads_that_observe_at_once_lose_nothing() -> None:
    """Nor does one that reads meanwhile count anything twice."""
    registry = CollectorRegistry()
    waits = histogram(registry)
    times = 20 * COUNTED_AT_ONCE

    def observe() -> None:
        for _ in range(times):
            waits.observe_all([0.5])

    threads = [threading.Thread(target=observe) for _ in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        bucket(registry, "+Inf")

    assert bucket(registry, "+Inf") == 3 * times
    assert registry.get_sample_value("waits_sum") == 3 * times / 2


def test_what_nobody_reads_does_not_pile_up() -> None:
    """At most so many wait to be counted."""
    waits = histogram(CollectorRegistry())

    for _ in range(10 * COUNTED_AT_ONCE):
        waits.observe_all([0.5])

    assert len(waits._pending) < COUNTED_AT_ONCE
