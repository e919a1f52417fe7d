"""What the file says of the metrics is what the page is written by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lagmon.configuration.sources import load
from lagmon.errors import SettingsError
from lagmon.exposition.bounds import Exported, Granularity

if TYPE_CHECKING:
    from pathlib import Path


def exported(folder: Path, text: str = "") -> Exported:
    """Read a file with *text* below the cluster."""
    path = folder / "lagmon.yml"
    path.write_text(text)
    return load(path, bootstrap_servers="kafka:9092").metrics.exported()


def test_by_itself_everything_is_exported_under_lagmons_names(tmp_path: Path) -> None:
    """Partitions too, up to 200,000 series."""
    assert exported(tmp_path, "poll_interval: 5s\n") == Exported(
        Granularity.PARTITION, 200_000, kafka_exporter=False
    )


def test_what_is_set_is_what_is_exported(tmp_path: Path) -> None:
    """All of the three."""
    text = "metrics: {granularity: topic, max_series: 5000, compatibility: kafka_exporter}\n"

    assert exported(tmp_path, text) == Exported(Granularity.TOPIC, 5000, kafka_exporter=True)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("granularity: member", "metrics.granularity"),
        ("max_series: 999", "metrics.max_series"),
        ("compatibility: burrow", "metrics.compatibility"),
        ("maximum: 5", "metrics.maximum"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_key(tmp_path: Path, text: str, key: str) -> None:
    """Neither guessed nor passed over."""
    with pytest.raises(SettingsError, match=key):
        exported(tmp_path, f"metrics: {{{text}}}\n")
