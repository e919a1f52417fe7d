"""A process that judges looks for garbage seldom, and still does."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from typing import TYPE_CHECKING

import pytest

from lagmon.garbage import look_seldom, sweep

if TYPE_CHECKING:
    from collections.abc import Iterator

# What is made twice has its room in the heap the second time; what is kept lies at its end.
LARGE = """
from pathlib import Path
from lagmon.garbage import give_back

def resident_kb():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))

def made():
    return [b"x" * 200_000 + bytes([number]) for number in range(200)]

give_back()
before = resident_kb()
made()
kept = made()[-1]
print(resident_kb() - before)
"""


class Answer:
    """What refers to itself."""

    itself: Answer


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


def test_what_refers_to_itself_is_gone_after_a_sweep() -> None:
    """Also what was in use when Python looked by itself."""
    answer = Answer()
    answer.itself = answer
    seen = weakref.ref(answer)
    gc.collect(0)
    del answer
    assert seen() is not None

    sweep()

    assert seen() is None


@pytest.mark.skipif(sys.platform != "linux", reason="it is glibc that keeps what is free")
def test_what_was_large_and_is_free_is_given_back() -> None:
    """Of twice 40 MB, of which one text is left, little stays in the process."""
    done = subprocess.run(
        [sys.executable, "-c", LARGE], capture_output=True, text=True, check=True, timeout=120
    )

    assert int(done.stdout) < 20_000
