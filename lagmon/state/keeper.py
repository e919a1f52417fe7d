"""What a restart must not forget, in one file: incidents, pending times, progress, pages sent.

In: what is to be kept of each cluster, and what was paged; `kept` has its form.
Out: the same at the next start. The file is replaced as a whole: written beside, forced to the
disk, renamed, so that whatever moment the machine dies in, one of the two is there and whole. A
file that makes no sense is set aside; one that the system does not give stays where it is, and
nothing is kept. Neither is written over, and lagmon starts without it and says so.
A failure to write is logged once, and costs nothing but the memory: pages go out all the same.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import replace
from itertools import chain, count
from typing import TYPE_CHECKING, Any

import structlog

from lagmon.alerts.incidents import interrupted
from lagmon.errors import RecordingError
from lagmon.state.kept import Kept, Saved, dumps, loads

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lagmon.alerts.incidents import State
    from lagmon.model import IncidentKey

# Whoever keeps something also knows its form.
__all__ = [
    "ASIDE",
    "KEEP_SECONDS",
    "Keeper",
    "Kept",
    "Saved",
    "dumps",
    "loads",
    "nothing",
    "read",
    "write",
]

# How old the memory may be after a kill, while nobody opens, resolves or becomes pending.
KEEP_SECONDS = 30.0
ASIDE = ".unreadable"

log = structlog.get_logger(__name__)


def read(path: Path) -> Kept | None:
    """Read the file at *path*; nothing where there is none. Never raises.

    One that is wrong is renamed to *path* with `ASIDE` behind it. None: there is one, and it must
    not be written over: it could not be read, or not be moved.
    """
    try:
        kept = loads(path.read_bytes())
    except FileNotFoundError:
        return Kept()
    except OSError as error:
        log.error("state_unreadable", path=str(path), why=f"cannot be read: {error.strerror}")
        return None
    except RecordingError as error:
        return _set_aside(path, str(error))
    log.info("state_restored", path=str(path), clusters=sorted(kept.clusters))
    return kept


def write(path: Path, content: str, *, force: Callable[[int], None] = os.fsync) -> None:
    """Replace the file at *path* by *content*, which is on the disk when this returns.

    *force* is given a file descriptor, and returns when what is behind it is on the disk.
    """
    path = path.resolve()  # a link stays a link
    beside = path.with_name(f"{path.name}.new")
    with beside.open("w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        force(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        force(folder)  # the new name is on the disk no sooner
    finally:
        os.close(folder)


def nothing() -> None:
    """Give what is kept of a cluster of which nobody knows anything."""


class Keeper:
    """Keeps the clusters' memories at *path*; without one it keeps nothing.

    What the file held at the start is in `restored` until it is taken. Only *clusters* are kept on,
    and *paged*, whatever it is about.
    """

    def __init__(self, path: Path | None, clusters: tuple[str, ...]) -> None:
        found = read(path) if path else None
        self._path = path if found is not None else None
        kept = found or Kept()
        self._saved = {name: one for name, one in kept.clusters.items() if name in clusters}
        self.paged = kept.paged
        self._kept: dict[str, tuple[float, frozenset[tuple[str, IncidentKey]]]] = {}
        self._writing = asyncio.Lock()
        self._failed = False

    def restored(self, cluster: str) -> Saved | None:
        """Give what was kept of *cluster*; the time since then counts for no pending time."""
        saved = self._saved.get(cluster)
        return saved and replace(saved, incidents=interrupted(saved.incidents))

    def copy_aside(self) -> str | None:
        """Copy the file as it was found, a part of which makes no sense; give the copy's name.

        The next writing leaves that part out, and with it what somebody may want to look into.
        """
        if self._path is None:
            return None
        aside = _aside(self._path)
        try:
            shutil.copy2(self._path, aside)
        except OSError:
            return None
        return str(aside)

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
        """Keep what there is of *cluster* at the time *elapsed*, if it is time to. Never raises.

        It is when `KEEP_SECONDS` have passed, when an incident or a pending time has come or gone,
        and *now* if so told. *progress* and *arrivals* are asked only then.
        """
        if self._path is None:
            return
        before, keys = self._kept.get(cluster, (float("-inf"), frozenset()))
        current = _keys(incidents)
        if not now and current == keys and 0 <= elapsed - before < KEEP_SECONDS:
            return
        self._kept[cluster] = elapsed, current
        async with self._writing:
            await self._write(self._path, cluster, lambda: Saved(incidents, progress(), arrivals()))

    async def keep_paged(self, paged: Any) -> None:
        """Keep what was *paged*, as JSON can hold it, at once. Never raises."""
        self.paged = paged
        if self._path is not None:
            async with self._writing:
                await self._write(self._path)

    async def _write(
        self, path: Path, cluster: str = "", saved: Callable[[], Saved] | None = None
    ) -> None:
        try:
            # Neither a large memory nor a slow disk is to hold up the loop.
            await asyncio.to_thread(self._write_here, path, cluster, saved)
        except (OSError, ValueError, TypeError) as error:
            if not self._failed:
                log.error("state_not_written", path=str(path), error=str(error))
            self._failed = True
        else:
            if self._failed:
                log.info("state_written_again", path=str(path))
            self._failed = False

    def _write_here(self, path: Path, cluster: str, saved: Callable[[], Saved] | None) -> None:
        paged = self.paged
        if saved is not None:
            self._saved[cluster] = saved()
        write(path, dumps(dict(self._saved), paged))


def _set_aside(path: Path, why: str) -> Kept | None:
    """Move the file at *path* out of the way; None if it stays in it."""
    aside = _aside(path)
    try:
        path.replace(aside)
    except OSError as error:
        log.error("state_unreadable", path=str(path), why=why, error=str(error))
        return None
    log.warning("state_set_aside", path=str(path), moved_to=str(aside), why=why)
    return Kept()


def _aside(path: Path) -> Path:
    """Give a name that nothing has yet: what was set aside before is evidence too."""
    names = chain((ASIDE,), (f"{ASIDE}-{number}" for number in count(2)))
    return next(one for end in names if not os.path.lexists(one := path.with_name(path.name + end)))


def _keys(state: State) -> frozenset[tuple[str, IncidentKey]]:
    return frozenset(
        [("pending", each.key) for each in state.pending]
        + [("held" if each.held else "opened", each.key) for each in state.opened]
        + [("easing", each.key) for each in state.easing]
    )
