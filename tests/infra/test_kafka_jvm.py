"""What the starts of Kafka brokers share."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.infra.kafka_jvm import command, format_logs, new_id
from tests.infra.require import required

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def kafka_in_java() -> list[str]:
    """Give the command for Kafka's classes, or skip."""
    with required():
        return command()


def test_java_takes_kafkas_classes_from_the_archive(kafka_in_java: list[str]) -> None:
    """A class of the broker's is not read and checked again: it comes from what was kept."""
    tool = ["-Xlog:class+load", "kafka.tools.StorageTool", "random-uuid"]

    said = subprocess.run(
        [*kafka_in_java, *tool], capture_output=True, text=True, timeout=60, check=True
    ).stdout

    loaded = [line for line in said.splitlines() if "org.apache.kafka.common.Uuid " in line]
    assert loaded
    assert all("shared objects file" in line for line in loaded)


@pytest.mark.usefixtures("kafka_in_java")
def test_each_log_folder_has_ids_of_its_own(tmp_path: Path) -> None:
    """Folders of one cluster share its id and nothing else."""
    cluster = new_id()

    for node in (1, 2):
        format_logs(tmp_path / str(node), node, cluster)

    first, second = (
        dict(line.split("=") for line in (tmp_path / node / "meta.properties").read_text().split())
        for node in ("1", "2")
    )
    assert first["cluster.id"] == second["cluster.id"] == cluster
    assert (first["node.id"], second["node.id"]) == ("1", "2")
    assert first["directory.id"] != second["directory.id"]
