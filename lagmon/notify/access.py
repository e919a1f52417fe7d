"""What a receiver wants to see before it takes anything: passwords, tokens, certificates.

In: where they stand. Out: the header that says who we are, and the context for TLS. Files are read
by `read`, which blocks: call it in a thread, before each sending, so that what was replaced holds
from the next one on. Nothing that was read is in a ``repr``, a name or an error.
"""

from __future__ import annotations

import hashlib
import ssl
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class AccessError(Exception):
    """A file cannot be read or used; the message names it and never what it holds."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where the credentials for one receiver are; none of them is needed.

    *username* goes with a *password* or a *password_file*, as basic authentication; a
    *bearer_token_file* comes instead. *cert_file* and *key_file* are ours, *ca_file* is whom we
    believe.
    """

    username: str | None = None
    password: str = field(default="", repr=False)
    password_file: Path | None = None
    bearer_token_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    def read(self) -> Shown:
        """Read all files anew; AccessError for one that cannot be read."""
        given = self._secret()
        if given is None:
            return Shown(None, self._fingerprint())
        if self.bearer_token_file is not None:
            return Shown(f"Bearer {given}", self._fingerprint(), (given,))
        coded = b64encode(f"{self.username}:{given}".encode()).decode()
        return Shown(f"Basic {coded}", self._fingerprint(), (given, coded))

    def context(self) -> ssl.SSLContext | None:
        """Build what TLS needs beside the defaults, None for those; AccessError where it cannot."""
        if self.ca_file is None and self.cert_file is None:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.cert_file is not None:
                context.load_cert_chain(self.cert_file, self.key_file)
        except OSError as error:  # ssl's own errors among them
            named = ", ".join(str(each) for each in self._of_tls())
            raise AccessError(f"{named}: {error.strerror or 'no such certificate'}") from None
        return context

    def _secret(self) -> str | None:
        if self.bearer_token_file is not None:
            return secret(self.bearer_token_file)
        if self.username is None:
            return None
        return self.password if self.password_file is None else secret(self.password_file)

    def _fingerprint(self) -> bytes:
        digest = hashlib.sha256()
        for path in self._of_tls():
            digest.update(hashlib.sha256(_read(path)).digest())
        return digest.digest()

    def _of_tls(self) -> list[Path]:
        return [each for each in (self.ca_file, self.cert_file, self.key_file) if each is not None]


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown to a receiver: the *authorization*, and certificates by their *fingerprint*.

    *secrets* are what no log may have of the first, as it may be repeated.
    """

    authorization: str | None = field(repr=False)
    fingerprint: bytes
    secrets: tuple[str, ...] = field(default=(), repr=False)


def secret(path: Path) -> str:
    """Give the one line that the file at *path* holds; AccessError where it holds none."""
    line = _read(path).decode(errors="replace").rstrip("\r\n")
    if not (line.isascii() and line.isprintable() and line):
        raise AccessError(f"{path}: is not one line of ASCII")
    return line


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise AccessError(f"{path}: cannot be read: {error.strerror}") from None
