"""Ask a receiver whether it would take alerts, without sending any. Needs a running event loop.

In: its address and what it wants to see of us. Out: an `Answer`, within the timeout whatever the
other side does; nothing is raised, and nothing of what it wrote is repeated: it has seen a secret.

An Alertmanager takes an empty list of alerts, by the same way and with the same credentials as a
full one. Any other receiver is asked for nothing but its headers.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import httpx

from lagmon.notify.access import AccessError, secret
from lagmon.notify.alertmanager import parted
from lagmon.notify.delivery import JSON, TIMEOUT_SECONDS, asking, named

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from lagmon.notify.access import Access

    Ask = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What *name*, as log lines call it, answered: an HTTP *status*, or none and the *error*.

    *ahead_seconds* is its clock less ours, to a second and a half, if it told the time.
    """

    name: str
    status: int | None = None
    error: str = ""
    ahead_seconds: float | None = None


async def alertmanager(
    url: str, access: Access, *, timeout_seconds: float = TIMEOUT_SECONDS
) -> Answer:
    """Ask the Alertmanager at *url* to take no alerts."""
    bare, access = parted(url, access)
    name = named("alertmanager", bare)
    address = f"{bare}/api/v2/alerts"
    return await _asked(
        name, lambda made: made.post(address, content=b"[]", headers=JSON), access, timeout_seconds
    )


async def reached(
    kind: str,
    url: str,
    access: Access,
    secret_file: Path,
    *,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> Answer:
    """Ask the receiver of *kind* at *url* for its headers, if what *secret_file* holds would do."""
    bare, access = parted(url, access)
    name = named(kind, bare)
    try:
        async with asyncio.timeout(timeout_seconds):
            await asyncio.to_thread(secret, secret_file)
    except (AccessError, TimeoutError) as error:
        return Answer(name, error=str(error) or f"{secret_file}: is not read in time")
    return await _asked(name, lambda made: made.head(bare), access, timeout_seconds)


async def _asked(name: str, ask: Ask, access: Access, seconds: float) -> Answer:
    try:
        async with asyncio.timeout(seconds):
            return await _exchange(name, ask, access)
    except (TimeoutError, httpx.TimeoutException):
        return Answer(name, error=f"no answer in {seconds:g} s")
    except AccessError as error:
        return Answer(name, error=str(error))
    except (httpx.HTTPError, OSError) as error:
        return Answer(name, error=str(error) or type(error).__name__)


async def _exchange(name: str, ask: Ask, access: Access) -> Answer:
    async with asking(access, TIMEOUT_SECONDS) as made:
        response = await ask(made)
    return Answer(name, response.status_code, ahead_seconds=_ahead(response, time.time()))


def _ahead(response: httpx.Response, now: float) -> float | None:
    try:
        return parsedate_to_datetime(response.headers["Date"]).timestamp() - now
    except (KeyError, ValueError):
        return None
