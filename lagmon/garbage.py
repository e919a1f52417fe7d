"""What a process that judges or collects does about memory that it needs no more.

How often it looks for garbage that only the collector finds: a cycle makes and drops some ten
thousand values that refer to no one who refers to them: they are gone when they are dropped. At
Python's own rate five of six cycles walked through everything that is remembered, and found
nothing, for half of the time of the judging and a quarter of that of the collecting.

How soon it gives memory back: a cycle also makes and drops lines and pages of some megabytes, in
one thread or another. The C library keeps such room for later, for each thread by itself.
"""

from __future__ import annotations

import ctypes
import gc
import sys

# New objects until the youngest are looked through, and how many such looks until the next elder.
THRESHOLDS = (100_000, 50, 50)


def look_seldom() -> None:
    """Set the rate for this process."""
    gc.set_threshold(*THRESHOLDS)


def sweep() -> None:
    """Look through what is not old yet, for who makes much garbage and has a quiet moment.

    The answers of Kafka's client refer to themselves: left to that rate a collector of 200 groups
    held 80 MB of them. Those under way when Python looked by itself are of the second age by now.
    """
    gc.collect(1)


# Of mallopt(3), glibc's: what is free at the end of the heap beyond so many bytes is given back;
# what is as large as that has room of its own, given back at once; all threads share one heap.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
LARGE_BYTES = 128 * 1024


def give_back() -> None:
    """Have the C library give back what is free, where it is one that can be told to.

    To be called before there are threads: each may have a heap of its own by then.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:  # musl has none, and keeps little
        return
    mallopt(M_TRIM_THRESHOLD, LARGE_BYTES)
    mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
    mallopt(M_ARENA_MAX, 1)
