"""A handler that gives back work in the place of doing it stops the worker: nothing was done."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pytest

from consumers.errors import Fatal
from consumers.types import Outcome
from tests.consumers.runtime.kinds import first_end

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.usefixtures("logged")


async def work(_: object) -> None:
    """Do what a decorator has not awaited."""


def generator(_: object) -> Iterator[None]:
    """Do nothing before somebody asks for the first value."""
    yield


async def async_generator(_: object) -> AsyncIterator[None]:
    """Do nothing, as above."""
    yield


def future(_: object) -> Future[None]:
    """Leave the work to another thread."""
    return Future()


GIVEN = [work, generator, async_generator, future]


@pytest.mark.parametrize(("records", "batch"), [(1, False), (1, True), (2, True)])
@pytest.mark.parametrize("gives", GIVEN, ids=lambda one: one.__name__)
def test_a_called_handler_that_gives_work_back_is_fatal(
    gives: Any, records: int, *, batch: bool
) -> None:
    """One record, a batch of one and a batch: none of them counts as done."""

    def behind_a_decorator(given: Any) -> object:
        return gives(given)

    end = first_end(behind_a_decorator, records=records, batch=batch)

    assert end.outcome is Outcome.FATAL
    assert isinstance(end.error, Fatal)
    assert "its work is not done" in str(end.error)


@pytest.mark.parametrize(("records", "batch"), [(1, False), (1, True), (2, True)])
@pytest.mark.parametrize("gives", GIVEN, ids=lambda one: one.__name__)
def test_an_awaited_handler_that_gives_work_back_is_fatal(
    gives: Any, records: int, *, batch: bool
) -> None:
    """An await too few inside an ``async def`` is the same mistake."""

    async def handle(given: Any) -> object:
        await asyncio.sleep(0)
        return gives(given)

    assert first_end(handle, records=records, batch=batch).outcome is Outcome.FATAL


@pytest.mark.parametrize("value", [None, True, 7, "done", [1]])
def test_any_other_value_means_done(value: object) -> None:
    """What a handler returns beside that is its own business."""
    assert first_end(lambda _: value, records=1, batch=False).outcome is Outcome.DONE
