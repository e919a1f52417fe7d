"""Bring one body to one receiver by HTTP, and say what became of it. Needs a running event loop.

In: the bytes and their headers. Out: an `Outcome`, within the timeout whatever the other side does;
nothing is raised. Credentials are read anew for each sending; connections are kept until the
certificates change. Whether to try again is not decided here.

Of an answer the status counts. Its beginning is read for the log and never unpacked, as a few bytes
can be packed that keep everybody else waiting; what repeats a secret of ours is not logged.
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
import structlog

from lagmon.notify.access import Access, AccessError, secret
from lagmon.notify.mailbox import Outcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping
    from pathlib import Path

TIMEOUT_SECONDS = 10.0
_WORDS = 200  # characters of an answer that are logged
_READ_BYTES = 65_536  # of one that are read: a secret of ours that begins in those ends in these
_SECRET_PATHS = frozenset({"webhook"})  # kinds whose path may be what lets one in
_HASH_DIGITS = 8
_TOO_MANY = 429  # come back later: no refusal of what was sent

JSON = {"Content-Type": "application/json"}

log = structlog.get_logger(__name__)


def named(kind: str, url: str) -> str:
    """Give the receiver of *kind* at *url* its name in log lines and metrics.

    The *url* has no credentials in it any more, but for a path that may be one: its hash stands
    for it, so that two of a host are told apart.
    """
    host, slash, path = url.partition("://")[2].partition("/")
    if path and kind in _SECRET_PATHS:
        path = f"~{hashlib.sha256(path.encode()).hexdigest()[:_HASH_DIGITS]}"
    return f"{kind}:{host}{slash}{path}"


class Delivery:
    """Posts to *url*, which has no credentials in it; *name* is the receiver's in log lines."""

    def __init__(self, name: str, url: str, access: Access, timeout_seconds: float) -> None:
        self._name, self._url, self._access = name, url, access
        self._timeout_seconds = timeout_seconds
        self._client: httpx.AsyncClient | None = None
        self._fingerprint = b""

    async def post(self, body: bytes, headers: Mapping[str, str], *, hidden: str = "") -> Outcome:
        """Post *body* once; *hidden* is a secret in it, which an answer may repeat and no log."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                outcome, said = await self._post(body, dict(headers), hidden)
        except (TimeoutError, httpx.TimeoutException):
            return self._failed(Outcome.TIMEOUT, f"no answer in {self._timeout_seconds:g} s")
        except AccessError as error:
            return self._failed(Outcome.FAILED, str(error))
        return outcome if outcome is Outcome.SENT else self._failed(outcome, said)

    async def secret(self, path: Path) -> str | None:
        """Read the one line that *path* holds within the timeout; None, and a log line, if not."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await asyncio.to_thread(secret, path)
        except (AccessError, TimeoutError) as error:
            why = str(error) or f"{path}: not read in {self._timeout_seconds:g} s"
            self._failed(Outcome.FAILED, why)
            return None

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _post(self, body: bytes, headers: dict[str, str], hidden: str) -> tuple[Outcome, str]:
        """Give what became of *body*, and what the receiver said that may be logged."""
        # In a thread: a disk that hangs must not keep anything else waiting.
        shown = await asyncio.to_thread(self._access.read)
        if shown.authorization is not None:
            headers["Authorization"] = shown.authorization
        if self._client is None or shown.fingerprint != self._fingerprint:
            await self.close()
            self._client = await asyncio.to_thread(client, self._access, self._timeout_seconds)
            self._fingerprint = shown.fingerprint
        secrets = [*shown.secrets, hidden]
        try:
            sending = self._client.stream("POST", self._url, content=body, headers=headers)
            async with sending as response:
                said = f"{response.status_code}: {await _beginning(response)}"
        except httpx.TimeoutException:
            raise
        except (httpx.HTTPError, OSError) as error:  # TLS 1.3 refuses us only when we read
            return Outcome.FAILED, _shortened(f"{type(error).__name__}: {error}", secrets)
        return _outcome(response), _shortened(said, secrets)

    def _failed(self, outcome: Outcome, error: str) -> Outcome:
        log.warning("notifier_failed", notifier=self._name, outcome=outcome.value, error=error)
        return outcome


def _outcome(response: httpx.Response) -> Outcome:
    if response.is_success:
        return Outcome.SENT
    is_trouble = response.is_server_error or response.status_code == _TOO_MANY
    return Outcome.FAILED if is_trouble else Outcome.REJECTED


async def _beginning(response: httpx.Response) -> str:
    read = b""
    async for part in response.aiter_raw():
        read += part
        if len(read) >= _READ_BYTES:
            break
    return read.decode(errors="replace")


def _shortened(said: str, secrets: Iterable[str]) -> str:
    """Give the beginning of *said*, or of what repeats one of *secrets* its first word alone."""
    if any(each and each in said for each in secrets):
        return f"{said.partition(':')[0]}: an answer that repeats a secret"
    return said[:_WORDS]


async def _as_it_came(response: httpx.Response) -> None:
    """Let nobody unpack what came packed although that was not asked for."""
    response.headers.pop("Content-Encoding", None)


@asynccontextmanager
async def asking(access: Access, timeout_seconds: float) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client for one exchange that shows all of *access*; AccessError where it cannot."""
    shown = await asyncio.to_thread(access.read)
    async with await asyncio.to_thread(client, access, timeout_seconds) as made:
        if shown.authorization is not None:
            made.headers["Authorization"] = shown.authorization
        yield made


def client(access: Access, timeout_seconds: float) -> httpx.AsyncClient:
    """Make a client that shows the certificates of *access*; AccessError where it cannot."""
    # No redirects: an answer must not choose who gets our alerts and credentials. No settings
    # from the environment: a proxy for the internet is none for the Alertmanager next door.
    return httpx.AsyncClient(
        headers={"Accept-Encoding": "identity"},
        event_hooks={"response": [_as_it_came]},
        verify=access.context() or True,
        follow_redirects=False,
        trust_env=False,
        timeout=timeout_seconds,
    )
