"""Put back what a command that runs inside the tests' own process has set for all of it."""

from __future__ import annotations

import gc
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from propagation.integrations import logs

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def process_as_it_was() -> Iterator[None]:
    """Put back how often Python looks for garbage and changes threads, and the logging."""
    thresholds, interval = gc.get_threshold(), sys.getswitchinterval()
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        sys.setswitchinterval(interval)
        logs.restore()
