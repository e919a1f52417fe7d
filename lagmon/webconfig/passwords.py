"""Who may see the pages: names with bcrypt hashes, asked by basic authentication (RFC 7617).

A name that nobody has costs the same bcrypt as one that somebody has, so that the time tells no
names. What was right once is remembered, as a digest under a key that dies with the process, so
that a scrape costs no bcrypt; what was wrong is not, so that nobody can push out who was right.
bcrypt runs in a thread of its own, and no more than `MOST_WAITING` passwords wait for it.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import bcrypt

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_HEADER = 4096  # characters of Authorization
REMEMBERED = 100
MOST_WAITING = 32
# All that bcrypt looks at; exporter-toolkit and htpasswd leave out the rest as well.
BCRYPT_BYTES = 72

_threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bcrypt")


class TooManyError(Exception):
    """So many passwords wait to be looked at that this one is not."""


class Users:
    """The right to see, for those in *hashes*, by name; for everybody if it is empty."""

    def __init__(self, hashes: Mapping[str, str]) -> None:
        self._hashes = {name.encode(): one.encode() for name, one in sorted(hashes.items())}
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._waiting = 0

    def __bool__(self) -> bool:
        """Tell whether anybody is asked at all."""
        return bool(self._hashes)

    async def admit(self, authorization: str | None) -> bool:
        """Say whether the header ``Authorization`` gives the right; raises TooManyError."""
        if not self:
            return True
        given = _credentials(authorization or "")
        if given is None:
            return False
        digest = self._digest(given[0].hex(), given[1].hex())
        if digest in self._right:
            self._right.move_to_end(digest)
            return True
        right = await self._checked(*given)
        if right:
            self._right[digest] = None
            while len(self._right) > REMEMBERED:
                self._right.popitem(last=False)
        return right

    async def _checked(self, name: bytes, password: bytes) -> bool:
        if self._waiting >= MOST_WAITING:
            raise TooManyError
        self._waiting += 1
        try:
            return await self._asked(name, password)
        finally:
            self._waiting -= 1

    async def _asked(self, name: bytes, password: bytes) -> bool:
        known = self._hashes.get(name)
        matches = await asyncio.get_running_loop().run_in_executor(
            _threads, bcrypt.checkpw, password[:BCRYPT_BYTES], known or self._other(name)
        )
        return matches and known is not None

    def _other(self, name: bytes) -> bytes:
        """Choose one of the hashes for a *name* that is unknown, and the same one each time."""
        hashes = tuple(self._hashes.values())
        return hashes[int.from_bytes(self._digest("other", name.hex())) % len(hashes)]

    def _digest(self, *parts: str) -> bytes:
        # The parts are hexadecimal, so that no two lists of them are joined alike.
        return hmac.new(self._key, ":".join(parts).encode(), hashlib.sha256).digest()


def _credentials(authorization: str) -> tuple[bytes, bytes] | None:
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() != "basic" or len(authorization) > LONGEST_HEADER:
        return None
    try:
        name, colon, password = base64.b64decode(rest.strip(), validate=True).partition(b":")
    except ValueError:
        return None
    return (name, password) if colon else None
