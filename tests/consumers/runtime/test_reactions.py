"""Whatever kind a handler is, what it raises is judged as the worker was told to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from consumers.errors import Poison, Unavailable, reactions
from consumers.types import Outcome
from tests.builders import record
from tests.consumers.runtime.bench import AT, Bench
from tests.consumers.runtime.kinds import first_end

if TYPE_CHECKING:
    from consumers.ports import AnyHandler

pytestmark = pytest.mark.usefixtures("logged")

OWN = reactions((LookupError,))


def fails(_: object) -> None:
    """Raise what nobody would wait for who was not told to."""
    raise LookupError("the shop's client says that it is closed")


async def fails_later(given: object) -> None:
    """Do so in the event loop."""
    await asyncio.sleep(0)
    fails(given)


@pytest.mark.parametrize(("records", "batch"), [(1, False), (1, True), (2, True)])
@pytest.mark.parametrize("handler", [fails, fails_later])
def test_classes_of_ones_own_are_waited_for(
    handler: AnyHandler, records: int, *, batch: bool
) -> None:
    """Called or awaited, one record, a batch of one, a batch: no try is spent, no letter sent."""
    assert first_end(handler, records=records, batch=batch, reaction=OWN).outcome is Outcome.WAIT


@pytest.mark.parametrize("awaited", [False, True])
def test_a_batch_that_waits_is_not_split(*, awaited: bool) -> None:
    """An outage is nothing that one record of a batch could have brought about: one call is all."""
    calls: list[object] = []

    def handle(records: object) -> None:
        calls.append(records)
        fails(records)

    async def handle_later(records: object) -> None:
        await asyncio.sleep(0)
        handle(records)

    first_end(handle_later if awaited else handle, records=4, batch=True, reaction=OWN)

    assert len(calls) == 1


def test_a_group_that_says_when_is_followed() -> None:
    """Of tasks that were told when to ask again the last one counts, not the backoff."""
    group = ExceptionGroup(
        "two tasks", [Unavailable("stock", retry_after_seconds=7), Unavailable("shop")]
    )
    bench = Bench(script={0: [group]}).run(record(0))

    assert bench.times(0) == [0, 7]
    assert bench.source.committed == {AT: 1}


def test_a_group_with_an_outage_in_it_is_no_dead_letter() -> None:
    """However often it comes; with nothing but poison in it, it is one at once."""
    outage = ExceptionGroup("two tasks", [Poison("never"), ConnectionError("refused")])
    bench = Bench(script={0: [outage] * 9, 1: [ExceptionGroup("one task", [Poison("never")])]})

    bench.run(record(0), record(1), seconds=600)

    assert len(bench.times(0)) == 10
    assert [one.offset for one, _, _ in bench.dead_letters.kept] == [1]
    assert bench.source.committed == {AT: 2}
