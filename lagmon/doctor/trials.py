"""What a doctor tries on this machine: may the state file be written, which files hold secrets.

In: settings. Out: findings, paths, and the secrets themselves, for nobody but whoever takes them
out of what is printed. The state file is left as it is: another file beside it is made and removed.
"""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING
from urllib.parse import quote

from lagmon.collector.files import PATHS
from lagmon.configuration.properties import FromFile
from lagmon.doctor import surroundings
from lagmon.errors import RecordingError
from lagmon.notify.access import Access
from lagmon.notify.alertmanager import parted
from lagmon.state import kept

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lagmon.configuration.receivers import Receiver
    from lagmon.configuration.settings import Settings
    from lagmon.doctor.findings import Finding

SECRET = ("password", "secret", "token", "sasl.oauthbearer.config", ".pem", ".key")


def of_state(path: Path | None) -> Finding:
    """Try whether what a restart must not forget can be kept at *path*."""
    if path is None:
        return surroundings.of_state(None, trouble=None, unread=None)
    trouble, unread = _trouble(path), None
    try:
        kept.loads(path.read_bytes())
    except FileNotFoundError:
        pass
    except OSError as error:
        trouble = trouble or f"what is there cannot be read: {error.strerror}"
    except RecordingError as error:
        unread = str(error)
    return surroundings.of_state(path, trouble=trouble, unread=unread)


def _trouble(path: Path) -> str | None:
    """Say what keeps a file beside *path* from being made, which is how it is replaced."""
    real = path.resolve()
    try:
        with tempfile.NamedTemporaryFile(dir=real.parent, prefix=f"{real.name}."):
            return None
    except OSError as error:
        return str(error.strerror)


def files(settings: Settings) -> frozenset[str]:
    """Give the files of secrets and certificates that *settings* name."""
    found: set[str] = set()
    for cluster in settings.clusters:
        found |= {one.path for one in cluster.client.values() if isinstance(one, FromFile)}
        found |= {str(cluster.client[name]) for name in PATHS if name in cluster.client}
    for receiver in _receivers(settings):
        found |= {str(path) for path in _of(receiver)}
    return frozenset(found | {str(path) for path in _keys(settings)})


def secrets(settings: Settings) -> frozenset[str]:
    """Give every secret that *settings* hold or name, as it may stand in a text."""
    found: set[str] = set()
    for cluster in settings.clusters:
        found |= {
            str(value)
            for name, value in cluster.client.items()
            if isinstance(value, FromFile) or any(mark in name for mark in SECRET)
        }
    for receiver in _receivers(settings):
        _, access = parted(receiver.url, Access())
        found |= {access.password, quote(access.password, safe="")}
        found |= {_content(path) for path in (receiver.password_file, receiver.bearer_token_file)}
    found |= {_content(path) for path in _keys(settings)}
    return frozenset(one for one in found if one)


def _receivers(settings: Settings) -> Iterator[Receiver]:
    yield from settings.alertmanagers
    yield from settings.webhooks


def _keys(settings: Settings) -> Iterator[Path]:
    """Give the files of what is shown in, or with, what is sent."""
    yield from (one.secret_file for one in settings.webhooks)
    if settings.pagerduty is not None:
        yield settings.pagerduty.routing_key_file


def _of(receiver: Receiver) -> Iterator[Path]:
    tls = receiver.tls
    named = receiver.password_file, receiver.bearer_token_file
    yield from (path for path in (*named, tls.ca_file, tls.cert_file, tls.key_file) if path)


def _content(path: Path | None) -> str:
    try:
        return path.read_text(errors="replace").strip() if path else ""
    except OSError:
        return ""
