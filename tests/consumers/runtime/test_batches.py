"""Several records in one call; on failure the halves, down to the record that fails alone."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from consumers.errors import Fatal, Poison, Retryable, Unavailable
from consumers.metrics import Metrics
from consumers.runtime.backoff import RetryPolicy
from consumers.runtime.batches import AsyncBatches, Batches
from consumers.runtime.tries import AsyncTries, Tries
from consumers.types import Attempt, Outcome, Run
from tests.builders import record
from tests.consumers.runtime.bench import AT, OTHER, Bench, endless
from tests.fakes import FakeDeadLetters

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from structlog.typing import EventDict

    from consumers.types import Record

pytestmark = pytest.mark.usefixtures("logged")

Script = dict[int, Exception]
BOTH = pytest.mark.parametrize("work", ["called", "awaited"])


def worked(count: int, script: Script, work: str) -> tuple[Run, list[list[int]]]:
    """Work on a run of *count* records of which some raise; give it and the handler's calls."""
    calls: list[list[int]] = []

    def handle(records: Sequence[Record]) -> None:
        calls.append([one.offset for one in records])
        for one in records:
            if one.offset in script:
                raise script[one.offset]

    async def handle_later(records: Sequence[Record]) -> None:
        await asyncio.sleep(0)
        handle(records)

    async def alone_later(one: Record) -> None:
        await handle_later([one])

    run = Run([Attempt(record(offset)) for offset in range(count)])
    metrics, dead_letters, policy = Metrics(), FakeDeadLetters(), RetryPolicy()
    if work == "called":
        tries = Tries(
            lambda one: handle([one]),
            processing=lambda _: nullcontext(),
            dead_letters=dead_letters,
            policy=policy,
            metrics=metrics,
        )
        Batches(handle, tries, processing=lambda _: nullcontext(), metrics=metrics)(run)
    else:
        awaited = AsyncTries(
            alone_later,
            processing=lambda _: nullcontext(),
            dead_letters=dead_letters,
            policy=policy,
            metrics=metrics,
        )
        batches = AsyncBatches(
            handle_later, awaited, processing=lambda _: nullcontext(), metrics=metrics
        )
        asyncio.run(batches(run))
    return run, calls


def outcomes(run: Run) -> list[Outcome]:
    """List how the tries of *run* have ended, which are those of its first records in order."""
    assert [end.attempt for end in run.ended] == run.attempts[: len(run.ended)]
    return [end.outcome for end in run.ended]


@BOTH
def test_a_batch_is_one_call(work: str) -> None:
    """What the handler does with all of them is done for all of them."""
    run, calls = worked(5, {}, work)

    assert calls == [[0, 1, 2, 3, 4]]
    assert outcomes(run) == [Outcome.DONE] * 5


@BOTH
def test_a_batch_that_fails_is_halved_until_the_bad_record_is_found(work: str) -> None:
    """The bad record is a dead letter by itself, and every other one is done."""
    run, calls = worked(8, {5: Poison("never")}, work)

    assert calls == [[*range(8)], [0, 1, 2, 3], [4, 5, 6, 7], [4, 5], [4], [5], [6, 7]]
    assert outcomes(run) == [*[Outcome.DONE] * 5, Outcome.DEAD_LETTER, *[Outcome.DONE] * 2]


@BOTH
def test_nothing_passes_a_record_that_is_to_be_tried_again(work: str) -> None:
    """What stands behind it goes back to the queue; what stood before is done."""
    run, calls = worked(4, {1: Retryable("not yet")}, work)

    assert calls == [[0, 1, 2, 3], [0, 1], [0], [1]]
    assert outcomes(run) == [Outcome.DONE, Outcome.RETRY]
    assert [attempt.record.offset for attempt in run.attempts[len(run.ended) :]] == [2, 3]


@BOTH
@pytest.mark.parametrize(
    ("error", "outcome"), [(Unavailable("down"), Outcome.WAIT), (Fatal("no more"), Outcome.FATAL)]
)
def test_a_fault_that_is_not_the_records_splits_nothing(
    work: str, error: Exception, outcome: Outcome
) -> None:
    """A dependency that is away would fail every half as well: they wait, or the worker stops."""
    run, calls = worked(4, {2: error}, work)

    assert calls == [[0, 1, 2, 3]]
    assert outcomes(run) == [outcome]


@BOTH
def test_several_bad_records_are_each_found(work: str) -> None:
    """However many are bad, the good ones are done and no bad one is."""
    run, _ = worked(20, {n: Poison("never") for n in (0, 7, 8, 19)}, work)

    dead = [n for n, outcome in enumerate(outcomes(run)) if outcome is Outcome.DEAD_LETTER]
    assert dead == [0, 7, 8, 19]
    assert len(run.ended) == 20


@pytest.mark.parametrize("bad", [0, 1, 49, 50, 99])
def test_one_bad_record_of_a_hundred_costs_few_calls(bad: int) -> None:
    """At most fourteen calls more than the one that failed, wherever it stands."""
    _, calls = worked(100, {bad: Poison("never")}, "called")

    assert len(calls) <= 1 + 14


def test_a_batch_that_fails_is_logged_with_where_it_begins(logged: list[EventDict]) -> None:
    """One warning for each split names the first record and how many there were."""
    worked(2, {1: Poison("never")}, "called")

    event = next(event for event in logged if event["event"] == "batch_failed")
    assert (event["topic"], event["offset"], event["records"]) == ("plays", 0, 2)


@pytest.mark.parametrize("kind", [Batches, AsyncBatches])
def test_a_scope_that_breaks_stops_the_worker(kind: Callable[..., object]) -> None:
    """A scope that cannot be opened leaves the records unfinished, and does not hang the loop."""

    def broken(_: Sequence[Record]) -> nullcontext[None]:
        raise AttributeError("a bug")

    run = Run([Attempt(record(0)), Attempt(record(1))])
    work = kind(lambda _: None, lambda _: None, processing=broken, metrics=Metrics())
    if (awaited := work(run)) is not None:  # type: ignore[operator]  # either class
        asyncio.run(awaited)

    assert outcomes(run) == [Outcome.FATAL]


def test_the_loop_fills_a_batch_or_waits_a_moment() -> None:
    """A full batch is begun at once, one that is not full when nothing more came for a while."""
    bench = Bench(batch_records=4).run(*(record(n) for n in range(6)))

    assert bench.batches == [[0, 1, 2, 3], [4, 5]]
    assert bench.source.committed == {AT: 6}


def test_a_bad_record_is_tried_again_alone_and_the_others_go_on_after_it() -> None:
    """In the loop a record that fails alone keeps its tries and its waits, and its order."""
    bench = Bench(batch_records=4, script={1: endless(ValueError)})

    bench.run(*(record(n) for n in range(6)))

    assert bench.times(1) == pytest.approx([0, 1, 3, 7], abs=0.5)
    assert [(one.offset, tries) for one, _, tries in bench.dead_letters.kept] == [(1, 4)]
    assert bench.batches[-1] == [2, 3, 4, 5]
    assert bench.source.committed == {AT: 6}


def test_a_batch_holds_records_of_several_partitions() -> None:
    """A dependency that is away for one partition holds the others up for a moment at most."""
    bench = Bench(partitions=2, batch_records=10, script={0: endless(Unavailable)})

    bench.run(record(0), record(5, partition=1), record(6, partition=1))

    assert sorted(bench.batches[0]) == [0, 5, 6]
    assert bench.source.committed == {OTHER: 7}
