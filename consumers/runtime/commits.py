"""When to commit: at most once a second, one commit on its way at a time, and when told to.

Joins `Offsets`, which knows what may be committed, to a `Source`, which sends it. A commit that
failed changes nothing: the offsets are still to be committed, and are when the next one is due. A
commit that a rebalance refused is not repeated in between: by then the partition is either gone
and forgotten, or ours under a new generation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from consumers.runtime.offsets import Offsets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumers.metrics import Metrics
    from consumers.ports import Source
    from consumers.types import TopicPartition

COMMIT_SECONDS = 1.0

log = structlog.get_logger(__name__)


class Commits:
    """The committing side of one member of a group. Used from the thread that polls."""

    def __init__(self, source: Source, metrics: Metrics) -> None:
        self.offsets = Offsets()
        self._source = source
        self._ok, self._failed = metrics.commits.labels("ok"), metrics.commits.labels("failed")
        self._due_at: float | None = None
        self._unanswered = False
        self._stopped = False

    def when_due(self, now: float) -> None:
        """Commit what is finished, unless the last commit was a moment ago or is unanswered."""
        if self._due_at is None or now >= self._due_at:
            self._due_at = now + COMMIT_SECONDS
            if not self._unanswered:
                self.at_once()

    def at_once(self) -> None:
        """Commit what is finished."""
        if not self._stopped and (offsets := self.offsets.committable()):
            self._unanswered = True
            self._source.commit(offsets)

    def answered(self, offsets: Mapping[TopicPartition, int], error: str | None) -> None:
        """Hear how the commit of *offsets* went."""
        self._unanswered = False
        if error is None:
            self._ok.inc()
            self.offsets.acknowledged(offsets)
        else:
            self._failed.inc()
            log.warning("commit_failed", reason=error, partitions=len(offsets))

    def stop(self) -> None:
        """Commit nothing more, whatever happens: the worker has failed."""
        self._stopped = True
