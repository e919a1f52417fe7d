"""What the loop has to tell: the latest failures, the last success, and the status made of it all.

Written by the loop alone. `Report.latest` is swapped whole, so that any thread may read it.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final

from consumers.runtime.status import Failure, InWork, PartitionStatus, RuntimeStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from consumers.runtime.flight import Flight
    from consumers.types import Ended, Run, TopicPartition

KEPT_ERRORS: Final = 20


class Report:
    """The status of one runtime. *wall* gives the seconds since the epoch."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self.latest = RuntimeStatus(turned_seconds=0)
        self._wall = wall
        self._last_success: float | None = None
        self._errors: deque[Failure] = deque(maxlen=KEPT_ERRORS)

    def succeeded(self) -> None:
        """Note that a record was handled just now."""
        self._last_success = self._wall()

    def failed(self, ended: Ended) -> None:
        """Note a try that failed."""
        record = ended.attempt.record
        self._errors.appendleft(
            Failure(
                at=self._wall(),
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                error=type(ended.error).__name__,
                reaction=ended.outcome.value,
                trace_id=ended.trace_id,
            )
        )

    def make(self, now: float, assigned: Iterable[TopicPartition], flight: Flight) -> None:
        """Make the status at *now*, on the loop's clock, of what is *assigned* and in *flight*."""
        waits, backlog, wall = flight.lanes.waits(), flight.backlog, self._wall()

        def partition(at: TopicPartition) -> PartitionStatus:
            progress, wait = flight.offsets.progress(at), waits.get(at)
            return PartitionStatus(
                *at,
                position=progress.position if progress else None,
                committed=progress.committed if progress else None,
                in_flight=progress.unfinished if progress else 0,
                waiting_until=wall + wait[0] - now if wait else None,
                tries=wait[1].failures if wait else 0,
            )

        self.latest = RuntimeStatus(
            turned_seconds=0,
            assignment=tuple(partition(at) for at in sorted(assigned)),
            in_work=tuple(_in_work(run, now) for run in flight.runs if run.open()),
            last_success=self._last_success,
            last_errors=tuple(self._errors),
            queued_records=backlog.records,
            queued_bytes=backlog.bytes,
            full=backlog.full(),
            started=True,
        )


def _in_work(run: Run, now: float) -> InWork:
    record = run.open()[0].record
    since = now if run.since is None else run.since
    return InWork(record.topic, record.partition, record.offset, max(now - since, 0))
