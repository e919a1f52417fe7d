"""The kinds of handlers, and the lanes for each: called or awaited, one record or several at once.

A handler is awaited if it, or its ``__call__``, is an ``async def``. If it can be used with ``async
with`` too, the event loop that awaits it does so around all of its records.
"""

from __future__ import annotations

import inspect
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from consumers.errors import reaction_to
from consumers.runtime.batches import AsyncBatches, Batches
from consumers.runtime.event_loop import AsyncOneByOne, LoopExecutor
from consumers.runtime.executor import OneByOne, ThreadExecutor
from consumers.runtime.tries import AsyncTries, Tries

if TYPE_CHECKING:
    from consumers.errors import Reacting
    from consumers.metrics import Metrics
    from consumers.ports import (
        AnyHandler,
        AsyncBatchHandler,
        AsyncHandler,
        BatchHandler,
        BatchProcessing,
        DeadLetterLimit,
        DeadLetters,
        Executor,
        Handler,
        Processing,
    )
    from consumers.runtime.backoff import RetryPolicy


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every handler is called in: the scopes of traces, and what becomes of failures."""

    processing: Processing
    processing_batch: BatchProcessing
    dead_letters: DeadLetters
    policy: RetryPolicy
    metrics: Metrics
    limit: DeadLetterLimit | None = None
    reaction: Reacting = reaction_to


def is_async(handler: object) -> bool:
    """Say whether *handler* is to be awaited."""
    call = getattr(handler, "__call__", None)  # noqa: B004 - not whether it can be called, but how
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(call)


def make_executor(
    handler: AnyHandler, lanes: int, around: Surroundings, *, batch: bool
) -> Executor:
    """Make *lanes* that call or await *handler* with a record or, with *batch*, with several."""
    if is_async(handler):
        return _async_executor(handler, lanes, around, batch=batch)
    if not batch:
        return ThreadExecutor(OneByOne(_tries(cast("Handler", handler), around)), lanes)
    whole = cast("BatchHandler", handler)
    work = Batches(
        whole,
        _tries(lambda record: whole([record]), around),
        processing=around.processing_batch,
        metrics=around.metrics,
        limit=around.limit,
        reaction=around.reaction,
    )
    return ThreadExecutor(work, lanes)


def _async_executor(
    handler: AnyHandler, lanes: int, around: Surroundings, *, batch: bool
) -> Executor:
    lifetime = handler if isinstance(handler, AbstractAsyncContextManager) else None
    if not batch:
        one_by_one = AsyncOneByOne(_async_tries(cast("AsyncHandler", handler), around))
        return LoopExecutor(one_by_one, lanes, lifetime)
    whole = cast("AsyncBatchHandler", handler)
    work = AsyncBatches(
        whole,
        _async_tries(lambda record: whole([record]), around),
        processing=around.processing_batch,
        metrics=around.metrics,
        limit=around.limit,
        reaction=around.reaction,
    )
    return LoopExecutor(work, lanes, lifetime)


def _tries(handler: Handler, around: Surroundings) -> Tries:
    return Tries(
        handler,
        processing=around.processing,
        dead_letters=around.dead_letters,
        policy=around.policy,
        metrics=around.metrics,
        limit=around.limit,
        reaction=around.reaction,
    )


def _async_tries(handler: AsyncHandler, around: Surroundings) -> AsyncTries:
    return AsyncTries(
        handler,
        processing=around.processing,
        dead_letters=around.dead_letters,
        policy=around.policy,
        metrics=around.metrics,
        limit=around.limit,
        reaction=around.reaction,
    )
