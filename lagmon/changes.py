"""Log what changes of a cluster from one cycle to the next, once: it answers, its list, its topics.

In: each cycle's snapshot and lag. Out: log lines. Nothing is judged here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from lagmon.model import Why
from lagmon.readings import TOPICS_HIDDEN

if TYPE_CHECKING:
    from lagmon.model import ClusterLag
    from lagmon.readings import Share, Snapshot

log = structlog.get_logger("lagmon.loop")  # which had these lines before


class Changes:
    """Remembers what was logged of *cluster*."""

    def __init__(self, cluster: str) -> None:
        self._cluster = cluster
        self._answering = True
        self._list_errors: tuple[str, ...] = ()
        self._deleted: frozenset[str] = frozenset()
        self._share: Share | None = None

    def log(self, snapshot: Snapshot, lag: ClusterLag) -> None:
        """Log what is new in *snapshot*, and in the *lag* that was made of it."""
        self._log_answering(lag.error)
        self._log_list(snapshot)
        self._log_deleted(lag)
        self._log_share(snapshot.owned)

    def _log_answering(self, error: str | None) -> None:
        was_answering, self._answering = self._answering, error is None
        if error is not None and was_answering:
            log.warning("cluster_silent", kafka_cluster=self._cluster, reason=error)
        if error is None and not was_answering:
            log.info("cluster_answers", kafka_cluster=self._cluster)

    def _log_list(self, snapshot: Snapshot) -> None:
        errors = tuple(sorted(snapshot.list_errors))  # whichever broker said it first
        if snapshot.error is not None or errors == self._list_errors:
            return
        self._list_errors = errors
        if errors:
            reason = "; ".join(errors)
            told = all(one.startswith(TOPICS_HIDDEN) for one in errors)
            event = "topics_hidden" if told else "groups_list_incomplete"
            log.warning(event, kafka_cluster=self._cluster, reason=reason)
        else:
            log.info("groups_list_complete", kafka_cluster=self._cluster)

    def _log_deleted(self, lag: ClusterLag) -> None:
        skipped = [
            row.at.topic
            for group in lag.groups
            for row in group.partitions
            if row.why is Why.TOPIC_DELETED
        ]
        if lag.error is not None or self._deleted == (topics := frozenset(skipped)):
            return
        if told := sorted(topics - self._deleted):
            count = sum(topic in told for topic in skipped)
            log.warning(
                "deleted_topics_skipped", kafka_cluster=lag.cluster, topics=told, partitions=count
            )
        self._deleted = topics

    def _log_share(self, share: Share | None) -> None:
        before, self._share = self._share, share
        if share is None or (before and (before.owned, before.why) == (share.owned, share.why)):
            return
        if share.owned or share.why is None:
            log.info("share_owned", kafka_cluster=self._cluster, partitions=list(share.owned))
        else:
            log.warning("share_missing", kafka_cluster=self._cluster, reason=share.why)
