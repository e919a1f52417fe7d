"""How often a process that judges or collects looks for garbage that only the collector finds.

A cycle makes and drops some ten thousand values that refer to no one who refers to them: they are
gone when they are dropped. At Python's own rate five of six cycles walked through everything that
is remembered, and found nothing, for half of the time of the judging and a quarter of that of the
collecting.
"""

from __future__ import annotations

import gc

# New objects until the youngest are looked through, and how many such looks until the next elder.
THRESHOLDS = (100_000, 50, 50)


def look_seldom() -> None:
    """Set the rate for this process."""
    gc.set_threshold(*THRESHOLDS)
