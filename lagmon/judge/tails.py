"""Which records to look at because a standing lag may be control records alone. Pure.

In: the lags of a cluster and what is remembered of it. Out: questions for the next plan. Offsets do
not tell an unread record from a transaction's control record, but a read_committed peek does; what
it finds, `Progress.observe` takes in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lagmon.model import Why
from lagmon.readings import PeekRequest

if TYPE_CHECKING:
    from lagmon.judge.progress import Progress
    from lagmon.judge.standing import Standing
    from lagmon.model import ClusterLag

TAIL_MESSAGES = 2  # control records that may be left though no transaction was ever seen
ASK_AGAIN_SECONDS = 60.0  # after a refusal, which may pass


def tails(lag: ClusterLag, progress: Progress, limit: int) -> tuple[PeekRequest, ...]:
    """List at most *limit* records to ask for, of those that stand longest first.

    Each is asked for once a commit: again only after a refusal, and when more was written behind
    what a peek had found to be the end.
    """
    doubts: list[Standing] = []
    for group in lag.groups:
        memory = progress.group(group.group)
        if memory is not None and memory.alive and group.why is not Why.GROUP_UNREADABLE:
            doubts += [one for one in memory.partitions if one.stood and not one.missing]
    doubts = [one for one in doubts if _is_doubtful(one, progress) and _is_due(one, lag.at)]
    doubts.sort(key=lambda one: (-one.stood, one.at))
    asked = [PeekRequest(one.at, one.committed) for one in doubts if one.committed is not None]
    return tuple(dict.fromkeys(asked))[:limit]


def _is_doubtful(one: Standing, progress: Progress) -> bool:
    if one.record_at is not None or one.end is None or one.committed is None:
        return False
    return progress.has_transactions(one.topic) or one.end - one.committed <= TAIL_MESSAGES


def _is_due(one: Standing, now: float) -> bool:
    if one.refused is None or one.peeked_at is None:
        return True
    return not 0 <= now - one.peeked_at < ASK_AGAIN_SECONDS
