"""The log of a test, in memory."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from propagation.integrations import logs

if TYPE_CHECKING:
    from collections.abc import Iterator


class Log:
    """The lines written since the test began."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Give the lines of *event*."""
        written = map(json.loads, self._stream.getvalue().splitlines())
        return [line for line in written if line["event"] == event]

    def line(self, event: str) -> dict[str, Any]:
        """Give the only line of *event*."""
        [line] = self.lines(event)
        return line


@pytest.fixture
def log() -> Iterator[Log]:
    """Write every log line to memory."""
    stream = io.StringIO()
    logs.configure("game-api", level="DEBUG", stream=stream)
    yield Log(stream)
    logs.restore()
