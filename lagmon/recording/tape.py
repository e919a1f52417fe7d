"""Keep every snapshot that a collector gives: one line each, appended to a file.

Comes in: a collector. Goes out: the same one, of which each answer is written down before anybody
sees it. A line is written whole or, when the disk is full, torn; a torn one is ended before the
next is begun, so that it costs no other. Nothing that stands in the file is ever changed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lagmon.recording.lines import snapshot_to_json

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path
    from typing import Self

    from lagmon.loop import Collector
    from lagmon.readings import Plan, Snapshot

MODE = 0o644


class Tape:
    """The file at *path*, made if need be. A context manager; OSError if it cannot be written.

    `snapshots` counts what this tape wrote; `failure` is why it wrote no more.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.snapshots = 0
        self.failure: OSError | None = None
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, MODE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def write(self, snapshot: Snapshot) -> None:
        """Append *snapshot*."""
        line = snapshot_to_json(snapshot).encode() + b"\n"
        self._append(line if self._ended() else b"\n" + line)
        self.snapshots += 1

    def _ended(self) -> bool:
        """Tell whether the last line is whole, whoever wrote it."""
        try:
            size = os.fstat(self._file).st_size
            return size == 0 or os.pread(self._file, 1, size - 1) == b"\n"
        except OSError:
            return True  # no regular file: there is no last line to look at

    def _append(self, line: bytes) -> None:
        while line:
            line = line[os.write(self._file, line) :]


class Recorded:
    """*inner*, of which *tape* keeps what it answers. When that fails, *stop* is set."""

    def __init__(self, inner: Collector, tape: Tape, stop: asyncio.Event) -> None:
        self.cluster = inner.cluster
        self.restarts = inner.restarts
        self._inner = inner
        self._tape = tape
        self._stop = stop
        self._stopping = False

    @property
    def is_fresh(self) -> bool:
        """As the inner one is."""
        return self._inner.is_fresh

    async def start(self) -> None:
        """Begin."""
        await self._inner.start()

    async def collect(self, plan: Plan, now: float) -> Snapshot:
        """Give a snapshot that is on the tape, unless the tape has failed."""
        snapshot = await self._inner.collect(plan, now)
        self.restarts = self._inner.restarts
        # That a collector which is being ended does not answer is not the cluster's outage.
        ended = self._stopping and snapshot.error is not None
        if self._tape.failure is None and not ended:
            try:
                self._tape.write(snapshot)
            except OSError as error:
                self._tape.failure = error
                self._stop.set()
        return snapshot

    async def stop(self) -> None:
        """End."""
        self._stopping = True
        await self._inner.stop()
