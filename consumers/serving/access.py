"""Who may see ``/metrics`` and ``/status``: whoever has the token, or is one of the users.

The token's file holds the token alone. The users' file holds ``NAME:PASSWORD`` a line; an empty
line, or one that begins with ``#``, says nothing. Both are read again when they change, so that a
secret is replaced without a restart; one that cannot be read then leaves the last one in force.

What is compared are digests, each with each, in a time that tells nothing: neither how much of a
secret was right, nor whether there is such a user.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAX_HEADER = 4096  # characters

log = structlog.get_logger(__name__)


class Access:
    """The right to see, by a bearer token (RFC 6750), basic auth (RFC 7617), or by either.

    With neither file everybody has it.
    """

    def __init__(self, token_file: Path | None = None, users_file: Path | None = None) -> None:
        kinds = (
            ("metrics_token_file", token_file, _token),
            ("metrics_users_file", users_file, _users),
        )
        self._secrets = [_Secrets(name, path, read) for name, path, read in kinds if path]
        schemes = ("Bearer", token_file), ('Basic realm="consumers", charset="UTF-8"', users_file)
        self.challenges = [scheme for scheme, path in schemes if path]

    def problems(self) -> tuple[str, ...]:
        """Read the files; give a sentence for each that is no good."""
        return tuple(problem for one in self._secrets if (problem := one.refreshed()))

    def allows(self, authorization: str | None) -> bool:
        """Say whether the header ``Authorization`` gives the right."""
        if not self._secrets:
            return True
        given = _digest(_credentials(authorization or ""))
        known = [digest for one in self._secrets for digest in one.digests()]
        return any([hmac.compare_digest(given, digest) for digest in known])  # noqa: C419 - each with each: a generator would stop at the first


class _Secrets:
    """The digests of what one file holds, as of its last change that could be read."""

    def __init__(self, name: str, path: Path, read: Callable[[str], list[bytes]]) -> None:
        self._name, self._path, self._read = name, path, read
        self._seen: object = None
        self._digests: list[bytes] = []

    def digests(self) -> list[bytes]:
        if problem := self.refreshed():
            log.warning("credentials_not_read", problem=problem)
        return self._digests

    def refreshed(self) -> str | None:
        """Read the file if it has changed, and say what is wrong with it, once for each change."""
        try:
            state = self._path.stat()
            now: object = (state.st_mtime_ns, state.st_size, state.st_ino)
        except OSError as error:
            now = type(error)
        if now == self._seen:
            return None
        self._seen = now
        try:
            self._digests = [_digest(one) for one in self._read(self._path.read_text("utf-8"))]
        except OSError as error:
            return f"{self._name}: cannot be read: {error}"
        except UnicodeDecodeError:
            return f"{self._name}: is not UTF-8"
        except ValueError as error:
            return f"{self._name}: {error}"
        return None


def _token(text: str) -> list[bytes]:
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError("write one token, of visible ASCII characters")
    return [b"bearer " + token.encode()]


def _users(text: str) -> list[bytes]:
    lines = [line.strip() for line in text.splitlines()]
    users = [line for line in lines if line and not line.startswith("#")]
    split = [user.partition(":") for user in users]
    if not users or not all(name and password for name, _, password in split):
        raise ValueError("write NAME:PASSWORD, a line for each user")
    if len({name for name, _, _ in split}) < len(split):
        raise ValueError("a user is there twice")
    return [b"basic " + user.encode() for user in users]


def _credentials(authorization: str) -> bytes:
    """Bring the header into the form of what is known; nothing known is empty."""
    scheme, _, rest = authorization[:MAX_HEADER].partition(" ")
    match scheme.lower():
        case "bearer":
            return b"bearer " + rest.strip().encode()
        case "basic":
            try:
                return b"basic " + base64.b64decode(rest.strip(), validate=True)
            except ValueError:
                return b""
        case _:
            return b""


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()
