"""Certificates for tests: an authority, and what it has signed. Made by openssl, good for a day."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.infra.require import program

if TYPE_CHECKING:
    from pathlib import Path

INSTALL = "install OpenSSL 3 (Debian: openssl)"
SECONDS = 60


class Authority:
    """A certificate authority of its own; its files are in *folder*."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self.certificate = folder / f"{name}.pem"
        self._openssl = program("openssl", INSTALL)
        self._folder = folder
        self._key = folder / f"{name}.key"
        self._make(self._key, self.certificate, name, [])

    def sign(self, name: str, also: str = "IP:127.0.0.1") -> tuple[Path, Path]:
        """Make a key and a certificate for *name*, *also* called so; give their paths."""
        key, certificate = self._folder / f"{name}.key", self._folder / f"{name}.pem"
        by_us = ["-CA", str(self.certificate), "-CAkey", str(self._key)]
        self._make(key, certificate, name, [*by_us, "-addext", f"subjectAltName={also}"])
        return key, certificate

    def _make(self, key: Path, certificate: Path, name: str, more: list[str]) -> None:
        subprocess.run(
            [
                *(self._openssl, "req", "-x509", "-nodes", "-days", "1", "-subj", f"/CN={name}"),
                *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
                *("-keyout", str(key), "-out", str(certificate)),
                *more,
            ],
            check=True,
            capture_output=True,
            timeout=SECONDS,
        )
