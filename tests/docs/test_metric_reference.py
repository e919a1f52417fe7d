"""The page on lagmon's metrics has each of both registers, with its kind, labels and sentence."""

from __future__ import annotations

from lagmon import metrics, upkeep
from tests.docs.pages import table

PAGE = "reference/lagmon-metrics.md"


def test_every_metric_is_on_the_page_as_the_register_has_it() -> None:
    """Name, kind, labels and help are word for word those that a scrape is told, by their names."""
    register = sorted((*metrics.REGISTER, *upkeep.REGISTER), key=lambda metric: metric.name)
    rows = [
        [f"`{one.name}`", one.kind.value, ", ".join(f"`{label}`" for label in one.labels), one.help]
        for one in register
    ]

    assert table(PAGE, "All of them")[1:] == rows
