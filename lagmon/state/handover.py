"""Hand what is known from one watch to the next in the same process, when it is reloaded.

In: what a watch keeps at its end. Out: the same, for the watch after it, as if it had been read
from the file of a restart: also where there is no file, or it could not be written.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lagmon.alerts.incidents import interrupted
from lagmon.state.keeper import Keeper, nothing
from lagmon.state.kept import Saved

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lagmon.alerts.incidents import State


class Handover(Keeper):
    """A `Keeper` that remembers what was kept last, whatever became of the file."""

    def __init__(self, path: Path | None, clusters: tuple[str, ...]) -> None:
        super().__init__(path, clusters)
        self._handed: dict[str, Saved] = {}

    def restored(self, cluster: str) -> Saved | None:
        """Give what the watch before kept of *cluster*, or else what the file held."""
        saved = self._handed.get(cluster)
        if saved is None:
            return super().restored(cluster)
        return replace(saved, incidents=interrupted(saved.incidents))

    async def keep(
        self,
        cluster: str,
        incidents: State,
        progress: Callable[[], Any],
        elapsed: float,
        *,
        arrivals: Callable[[], Any] = nothing,
        now: bool = False,
    ) -> None:
        """Keep what there is of *cluster*; what is kept *now* is handed on, too."""
        if now:
            saved = self._handed[cluster] = Saved(incidents, progress(), arrivals())
            progress, arrivals = (lambda: saved.progress), (lambda: saved.arrivals)
        await super().keep(cluster, incidents, progress, elapsed, arrivals=arrivals, now=now)
