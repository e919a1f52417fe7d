"""The page on several replicas: its settings are read, its command is what lagmon tells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

from lagmon import metrics
from lagmon.collector.grants import grant
from lagmon.configuration.settings import Settings
from lagmon.configuration.sharing import Replica
from lagmon.readings import MissingRight, Resource
from tests.docs.pages import blocks, text

if TYPE_CHECKING:
    from pydantic import JsonValue

PAGE = "how-to/run-several-replicas.md"
CLUSTER = {
    "name": "production",
    "bootstrap_servers": "kafka:9092",
    "client": {"sasl.username": "lagmon"},
}


def settings(**more: JsonValue) -> Settings:
    """Build the settings of the page's cluster."""
    return Settings.model_validate({"clusters": [CLUSTER], **more})


def block(language: str, number: int = 0) -> str:
    """Give the text of a block of the page."""
    return [one.text for one in blocks(PAGE) if one.language == language][number]


def test_one_key_is_enough() -> None:
    """The group has the cluster's name, as the page says."""
    shared = settings(**yaml.safe_load(block("yaml")))

    assert shared.replica(shared.clusters[0]) == Replica(group="lagmon-production", session=20.0)


def test_the_right_is_granted_as_lagmon_tells() -> None:
    """The same command, to the letter."""
    (cluster,) = settings().clusters
    right = MissingRight(Resource.GROUP, "lagmon-production")

    assert block("sh").strip() == grant(right, cluster, "Read")


def test_the_shares_by_hand_are_read() -> None:
    """All three of them."""
    written = re.findall(r"static \d/\d", block("sh", 1))
    replicas = [settings(sharding=one) for one in written]

    parts = [each.replica(each.clusters[0]) for each in replicas]
    assert parts == [Replica(index=index, of=3) for index in range(3)]


def test_the_metrics_of_the_page_are_there() -> None:
    """It speaks of none that lagmon does not have."""
    known = {metric.name for metric in metrics.REGISTER}

    named = set(re.findall(r"lagmon_[a-z_]+(?=[{`) ])", text(PAGE)))

    assert named
    assert named <= known
