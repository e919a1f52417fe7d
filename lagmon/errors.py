"""Everything that lagmon raises by itself. Its own modules alone, no I/O.

::

    LagmonError
    ├── SettingsError      what was configured cannot be used; carries every problem
    ├── RecordingError     a line is not a snapshot or a plan of a version that is known here
    └── ClusterError       a cluster gave no snapshot; its words become `Snapshot.error`
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class LagmonError(Exception):
    """The root of what lagmon raises."""


class SettingsError(LagmonError):
    """Carry every problem of a configuration, each as ``path: what is wrong``."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class RecordingError(LagmonError):
    """Say where a recorded line is wrong and what would be right."""


class ClusterError(LagmonError):
    """Say why a whole cluster could not be read."""
