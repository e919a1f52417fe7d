"""How long a row waits for what must come, and how it asks: one bound for all of it.

What is waited for comes at once on an idle machine, and nobody knows how busy the next one is: the
bound is reached only by what never comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from tests.infra import plain_http
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

PATIENCE_SECONDS = 120.0

T = TypeVar("T")


def awaited(
    check: Callable[[], T | None],
    *,
    what: str,
    every: float = 0.05,
    timeout: float = PATIENCE_SECONDS,
) -> T:
    """Give the first answer of *check* that is true; raise `TimeoutError` that names *what*."""
    return until(check, timeout=timeout, every=every, what=what)


def asked(url: str) -> httpx.Response:
    """Ask a service, which may be busy: five seconds, httpx's own bound, are no fault of it."""
    return plain_http.get(url, timeout=PATIENCE_SECONDS)
