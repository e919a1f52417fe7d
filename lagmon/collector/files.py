"""The files that a cluster's configuration names: secrets, certificates, keys. Asks Kafka nothing.

Comes in: the configuration, and where its secrets came from. Goes out: the configuration as the
files are now. A file that cannot be read at the moment, because it is just being replaced, counts
as it was.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from lagmon.configuration.properties import FromFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lagmon.configuration.settings import Cluster

    Stamps = dict[str, tuple[int, int, int] | None]

# Properties whose value is a path: librdkafka reads such a file when a client is made, and then no
# more.
PATHS = (
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.crl.location",
    "ssl.key.location",
    "ssl.keystore.location",
)

log = structlog.get_logger(__name__)


class Files:
    """The files of *cluster*, whose *secrets* (property → path) are among its properties."""

    def __init__(self, cluster: Cluster, secrets: Mapping[str, str]) -> None:
        self.cluster = cluster
        self._secrets = secrets
        self._read: frozenset[str] = frozenset(
            str(cluster.client[name]) for name in PATHS if name in cluster.client
        )
        self._stamps = _stamps(self._read)  # secrets are read once more: they may be old already

    def changed(self) -> bool:
        """Take over what has changed in any file; tell whether a new client is needed for it."""
        stamps = _stamps({*self._read, *self._secrets.values()})
        before, self._stamps = self._stamps, stamps
        if stamps == before:
            return False
        anew = any(stamps[path] not in {None, before.get(path)} for path in self._read)
        return self._take_over() or anew

    def _take_over(self) -> bool:
        client = dict(self.cluster.client)
        for name, path in self._secrets.items():
            try:
                client[name] = FromFile.read(path)
            except ValueError as error:
                log.warning(
                    "secret_unreadable",
                    kafka_cluster=self.cluster.name,
                    property=name,
                    reason=str(error),
                )
        if client == self.cluster.client:
            return False
        self.cluster = self.cluster.model_copy(update={"client": client})
        return True


def _stamps(paths: frozenset[str] | set[str]) -> Stamps:
    return {path: _stamp(Path(path)) for path in paths}


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Give what differs when *path* was written or replaced, None if it is not there."""
    try:
        found = path.stat()  # of what a link leads to: that is how Kubernetes replaces a secret
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
