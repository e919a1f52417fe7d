"""Begin a cluster's memory with what was kept of it before a restart.

In: a policy and the `Keeper`. Out: a `Memory`. A part that makes no sense costs that part alone; it
is logged, and the file is copied aside.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from lagmon.errors import RecordingError
from lagmon.judge import recalled
from lagmon.judge.judging import Memory
from lagmon.judge.progress import Progress

if TYPE_CHECKING:
    from lagmon.judge.judging import Policy
    from lagmon.state.keeper import Keeper

log = structlog.get_logger(__name__)


def remembered(policy: Policy, cluster: str, keeper: Keeper | None) -> Memory:
    """Begin with what was kept of *cluster*, or with nothing."""
    memory, saved = Memory.of(policy), keeper.restored(cluster) if keeper else None
    if keeper is None or saved is None:
        return memory
    memory = replace(memory, state=saved.incidents)
    try:
        memory = replace(memory, progress=Progress.restored(saved.progress))
    except RecordingError as error:
        log.warning("progress_not_restored", why=str(error), copied_to=keeper.copy_aside())
    if saved.arrivals is None:  # by a lagmon that did not keep them
        return memory
    try:
        return replace(memory, arrivals=recalled.restored(saved.arrivals))
    except RecordingError as error:
        log.warning("arrivals_not_restored", why=str(error), copied_to=keeper.copy_aside())
        return memory
