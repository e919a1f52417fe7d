"""Hand records to a handler of whatever kind, by the executor that the runtime makes for it."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from consumers.metrics import Metrics
from consumers.runtime.backoff import RetryPolicy
from consumers.runtime.kinds import Surroundings, make_executor
from consumers.types import Attempt, Run
from tests.builders import record
from tests.fakes import FakeDeadLetters
from tests.infra.wait import PATIENCE_SECONDS

if TYPE_CHECKING:
    from consumers.types import Ended


def first_end(handler: Any, *, records: int, batch: bool, **around: Any) -> Ended:
    """Hand *records* to *handler*, in *around*; give how the first of them ended."""
    surroundings = Surroundings(
        processing=lambda _: nullcontext(),
        processing_batch=lambda _: nullcontext(),
        dead_letters=FakeDeadLetters(),
        policy=RetryPolicy(retries=0),
        metrics=Metrics(),
        **around,
    )
    executor = make_executor(handler, 1, surroundings, batch=batch)
    executor.start(Run([Attempt(record(offset)) for offset in range(records)]))
    run = executor.wait(PATIENCE_SECONDS)
    executor.close()
    assert run is not None
    return run.ended[0]
