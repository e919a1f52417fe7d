"""Logs as data, for the tests of the consumer runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from structlog.typing import EventDict


@pytest.fixture
def logged() -> Iterator[list[EventDict]]:
    """Collect what is logged instead of writing it."""
    with capture_logs() as events:
        yield events
