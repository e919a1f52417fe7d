"""The web configuration file as it is now: read again when it, or a file that it names, changes.

What is wrong with it at the start is a `SettingsError`. What is wrong with it later leaves the last
good one in force, and is said once: by a warning, and by `problem` until it is right again. So does
a change that takes protection away, such as a file that is empty because it is just being written:
that takes a restart.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog
from pydantic import ValidationError

from lagmon.configuration.sources import from_file, problems_in
from lagmon.errors import SettingsError
from lagmon.webconfig import tls
from lagmon.webconfig.document import Document
from lagmon.webconfig.passwords import Users

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    # Of each file: its name, and what changes with it.
    _Seen = tuple[tuple[Path, object], ...]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WebConfig:
    """What holds for connections and requests: by default no TLS, no users, nothing added.

    *sans*: the client's certificate must have one of these names, if there are any.
    """

    context: ssl.SSLContext | None = None
    sans: frozenset[str] = frozenset()
    users: Users = field(default_factory=lambda: Users({}))
    headers: Mapping[str, str] = field(default_factory=dict)

    def believes(self, certificate: Mapping[str, object] | None) -> bool:
        """Tell whether a client with this verified *certificate* may connect."""
        return not self.sans or bool(self.sans & tls.names(certificate))

    def loosens(self, last: WebConfig) -> str | None:
        """Say what protected in *last* and does not here; None if nothing is lost."""
        if (self.context is None) is not (last.context is None):
            return "tls_server_config: comes and goes with a restart alone"
        if last.users and not self.users:
            return "basic_auth_users: are gone; nobody would be asked: that takes a restart"
        if (last.sans and not self.sans) or _asks(self.context) < _asks(last.context):
            return "tls_server_config: asks clients for less than before: that takes a restart"
        return None


def read(path: Path) -> WebConfig:
    """Read the file at *path* and those that it names; SettingsError with every problem."""
    return _made(_document(path), path)


class LiveWebConfig:
    """Holds the `current` configuration; *path* None: what holds without a file, for ever."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._seen: _Seen = ()
        self.problem: str | None = None
        self.current = WebConfig()
        if path is not None:
            self.current, self._seen = self._read(path)

    def refresh(self) -> bool:
        """Read again what has changed and tell whether `current` has. Blocks for reading files.

        A change that is no good is tried again with each call: it may be half of one.
        """
        if self._path is None:
            return False
        if self.problem is None and self._seen == _seen(path for path, _ in self._seen):
            return False
        try:
            read, seen = self._read(self._path)
        except SettingsError as error:
            self._told("; ".join(error.problems))
            return False
        if lost := read.loosens(self.current):
            self._told(f"{self._path}: {lost}")
            return False
        self.current, self._seen = read, seen
        self.problem = None
        log.info("web_config_read", path=str(self._path))
        return True

    def _read(self, path: Path) -> tuple[WebConfig, _Seen]:
        # Each is looked at before it is read: what changes in between is seen the next time.
        seen = _seen([path])
        document = _document(path)
        server = document.tls_server_config
        seen += _seen(tls.files(server, path.parent) if server else ())
        return _made(document, path), seen

    def _told(self, problem: str) -> None:
        if problem != self.problem:
            log.warning(
                "web_config_not_read", path=str(self._path), why=problem, kept="the last one"
            )
        self.problem = problem


def _document(path: Path) -> Document:
    try:
        return Document(**from_file(path))
    except ValidationError as error:
        raise SettingsError(f"{path}: {one}" for one in problems_in(error)) from None


def _made(document: Document, path: Path) -> WebConfig:
    server = document.tls_server_config
    try:
        context = tls.context(server, path.parent) if server else None
    except ValueError as error:
        raise SettingsError([f"{path}: tls_server_config.{error}"]) from None
    return WebConfig(
        context,
        frozenset(server.client_allowed_sans if server else ()),
        Users(document.basic_auth_users),
        document.http_server_config.headers,
    )


def _asks(context: ssl.SSLContext | None) -> int:
    return int(context.verify_mode) if context else 0


def _seen(paths: Iterable[Path]) -> _Seen:
    return tuple((path, _state(path)) for path in paths)


def _state(path: Path) -> object:
    try:
        found = path.stat()
    except OSError as error:
        return error.errno
    return found.st_mtime_ns, found.st_size, found.st_ino
