"""The register is what a service shows: nothing missing, nothing more, zero where nothing was."""

from __future__ import annotations

import pytest

from consumers.metrics import REGISTER, Definition, Metrics

each = pytest.mark.parametrize("definition", REGISTER, ids=lambda one: one.name)


@each
def test_a_metric_is_what_the_register_says(definition: Definition) -> None:
    """Each entry is in the registry with its type, help and labels."""
    found = {
        metric.name: metric
        for metric in Metrics().registry.collect()
        if metric.name.startswith("consumers_")
    }

    metric = found[definition.name.removesuffix("_total")]

    assert metric.type == definition.kind.__name__.lower()
    assert metric.documentation == definition.help


def test_nothing_is_shown_that_the_register_does_not_name() -> None:
    """Every metric of the package stands in the register."""
    shown = {
        metric.name
        for metric in Metrics().registry.collect()
        if metric.name.startswith("consumers_")
    }

    assert shown == {definition.name.removesuffix("_total") for definition in REGISTER}


@each
def test_a_name_says_what_it_counts(definition: Definition) -> None:
    """Counters end in _total, durations in _seconds, and every help is a sentence."""
    assert definition.name.startswith("consumers_")
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
