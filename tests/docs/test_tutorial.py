"""The tutorial on consumers: done step by step, in its order, on a real broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.docs.reader import following

if TYPE_CHECKING:
    from pathlib import Path

    from tests.infra.kafka import KafkaBroker

PAGE = "tutorial/write-your-own-consumer.md"


def test_the_tutorial_leads_where_it_says(kafka: KafkaBroker, tmp_path: Path) -> None:
    """A handler is written, fails, is mended, and gets its record back in the first trace."""
    with following(PAGE, kafka, tmp_path, topic="payments", group="billing") as (reader, blocks):
        for block in blocks:
            reader.does(block)
