"""A process that judges looks for garbage seldom, and still does."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from lagmon.garbage import look_seldom

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _usual_rate() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_a_cycle_is_judged_without_a_look() -> None:
    """Making and keeping as much as a large cycle does starts no look at what is older."""
    look_seldom()
    gc.collect()
    before = [generation["collections"] for generation in gc.get_stats()]

    kept = [[number] for number in range(90_000)]

    after = [generation["collections"] for generation in gc.get_stats()]
    assert len(kept) == 90_000
    assert after == before


def test_it_still_looks() -> None:
    """What refers to itself is found in the end."""
    look_seldom()
    before = gc.get_stats()[0]["collections"]

    kept = [[number] for number in range(300_000)]

    assert len(kept) == 300_000
    assert gc.get_stats()[0]["collections"] > before
