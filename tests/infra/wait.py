"""Wait for a condition: the only place in the tests that sleeps."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

# Many times what anything takes: patience costs nothing when what is waited for comes.
PATIENCE_SECONDS = 60.0


def until(
    check: Callable[[], T | None],
    *,
    timeout: float = PATIENCE_SECONDS,
    every: float = 0.05,
    what: str,
) -> T:
    """Call *check* until it gives something true, and give that.

    *timeout* and *every* are seconds. *check* is called once at least and once more after the time
    is over, so that a machine that stood still is not taken for a condition that never came.
    What *check* raises is the caller's. Raises TimeoutError that names *what* was waited for.
    """
    deadline = time.monotonic() + timeout
    while True:
        last = time.monotonic() >= deadline
        if found := check():
            return found
        if last:
            raise TimeoutError(f"waited {timeout} s for {what}, last saw {found!r}")
        time.sleep(every)
