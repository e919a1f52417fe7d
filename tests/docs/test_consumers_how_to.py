"""The how-tos on the effects and retries of consumers: done step by step, on real components."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg
import pytest

from consumers.configuration.common import ConsumerSettings
from consumers.metrics import REGISTER
from tests.docs.pages import blocks, text
from tests.docs.reader import following

if TYPE_CHECKING:
    from pathlib import Path

    from tests.infra.kafka import KafkaBroker

RETRIES, EFFECTS = "how-to/tune-retries.md", "how-to/effects-exactly-once.md"
THERE = "postgresql://localhost/billing"  # where the page supposes the database


def test_retries_go_as_the_page_says(kafka: KafkaBroker, tmp_path: Path) -> None:
    """Each kind of failure leaves the lines that the page shows, and the waits are those."""
    with following(RETRIES, kafka, tmp_path, topic="orders", group="packing") as (reader, shown):
        for block in shown:
            reader.does(block)


def test_effects_happen_once(kafka: KafkaBroker, database: str, tmp_path: Path) -> None:
    """What was sent twice, and then delivered anew, is on the balance once."""
    with following(
        EFFECTS, kafka, tmp_path, topic="payments", group="billing", there={THERE: database}
    ) as (reader, shown):
        for block in shown:
            if block.text == "python rewind.py\n":
                reader.stops()  # "Stop the worker with Ctrl-C", and nobody rewinds a group before
            reader.does(block)

    with psycopg.connect(database) as connection:
        found = connection.execute("SELECT account, cents FROM balances").fetchall()
    assert found == [("ada", 350)]


@pytest.mark.parametrize("name", re.findall(r"`(consumers_\w+)`", text(RETRIES)))
def test_a_metric_of_the_page_is_there(name: str) -> None:
    """It is in the register."""
    assert name in {one.name for one in REGISTER}


def test_the_settings_of_the_page_are_those_of_its_sum() -> None:
    """The numbers that the page adds up are those of its settings file."""
    [settings] = [one.text for one in blocks(RETRIES) if one.language == "yaml"]
    [waits] = [one.text for one in blocks(RETRIES) if one.text.startswith("# waits.py")]

    assert "retries: 4\nbackoff_initial: 200ms\nbackoff_max: 1s\nbackoff_jitter: 0.25\n" in settings
    assert "retries=4, initial_seconds=0.2, max_seconds=1, jitter=0.25" in waits
    assert {"retries", "backoff_initial", "backoff_max", "backoff_jitter"} <= set(
        ConsumerSettings.model_fields
    )
