"""What components that run as one process beside a folder of their own have in common."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.infra.process import Service

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self


class Component:
    """One program and its folder, both gone after `stop`. A context manager.

    `start` is the subclass's: it makes a `folder`, then calls `run`.
    """

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._service: Service | None = None
        self.url = ""

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it works; raise `Missing` if it is not at hand."""
        raise NotImplementedError

    def stop(self) -> None:
        """End it and delete its data."""
        if self._service:
            self._service.close()
        if self._folder:
            self._folder.cleanup()

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._service, "it was not started"
        return self._service.pid

    def folder(self, name: str) -> Path:
        """Make the folder of a component of this *name*."""
        self._folder = tempfile.TemporaryDirectory(prefix=f"lagmon-{name}-")
        return Path(self._folder.name)

    def run(self, name: str, command: Sequence[str]) -> None:
        """Start *command*, which *name* stands for where something is said of it."""
        self._service = Service([*command], name=name)
        self._service.start()
