"""What is remembered of one group: its members, whether it lives, how fast its lag grows. No clock.

In: what one cycle read of the group. Out: `GroupMemory`, which holds a `Standing` a partition and
whose attributes `evaluate` and `lagmon.alerts.incidents` are given.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from lagmon.judge.standing import Standing
from lagmon.readings import TopicPartition

if TYPE_CHECKING:
    from lagmon.fields import Fields
    from lagmon.judge.states import Judged
    from lagmon.model import GroupLag, PartitionLag

# The rate is taken over so long, from lags so far apart at least.
RATE_SECONDS, RATE_STEP_SECONDS = 120.0, 10.0


class GroupMemory:
    """What is remembered of one group; its `partitions` are in the order of its rows.

    *alive*: it was ever seen with members or with a commit that moved. *valued*: its lag was ever
    known. *left_at* is when it last had fewer members than before. *rate* is by how many messages
    a second its lag grows; ``None`` while that is not known.
    """

    __slots__ = (
        "_lags",
        "_parts",
        "alive",
        "judged",
        "left_at",
        "members",
        "missing",
        "missing_from",
        "partitions",
        "rate",
        "valued",
    )

    def __init__(self) -> None:
        self.alive = self.valued = False
        self.members: int | None = None
        self.left_at: float | None = None
        self.missing = 0
        self.missing_from: float | None = None
        self.partitions: list[Standing] = []
        self.judged: Judged | None = None
        self.rate: float | None = None
        self._lags = array("d")  # time, lag, time, lag, …
        self._parts = 0

    def miss(self, now: float) -> None:
        """Take in that the group could not be read."""
        self.rate = None
        self.missing += 1
        if self.missing_from is None:
            self.missing_from = now

    def meet(self, members: int | None, now: float) -> None:
        """Take in how many *members* there are."""
        if members is None:
            return
        if self.members is not None and members < self.members:
            self.left_at = now
        self.members = members
        self.alive = self.alive or members > 0

    def align(self, rows: tuple[PartitionLag, ...]) -> list[Standing]:
        """Give the memories of *rows* in their order, and forget all others."""
        known = self.partitions
        if [one.at for one in known] != [row.at for row in rows]:
            by_name = {one.at: one for one in known}
            self.partitions = [by_name.get(row.at) or Standing(row.at) for row in rows]
        if self.missing and self.missing_from is not None:
            for one in self.partitions:
                one.miss(self.missing_from, self.missing)
            self.missing, self.missing_from = 0, None
        return self.partitions

    def weigh(self, group: GroupLag, now: float) -> None:
        """Take in the group's lag, as long as all of it is known."""
        known = len(group.partitions) - group.uncommitted
        if group.lag is None or group.unknown or known != self._parts:
            self._lags, self._parts = array("d"), known
        if group.lag is None or group.unknown:
            self.rate = None
            return
        lags = self._lags
        while len(lags) > 2 and now - lags[2] >= RATE_SECONDS:  # noqa: PLR2004 - the second pair
            del lags[:2]
        self.rate = (group.lag - lags[1]) / (now - lags[0]) if lags and now > lags[0] else None
        if not lags or now - lags[-2] >= RATE_STEP_SECONDS:
            lags.extend((now, group.lag))

    def skip(self, seconds: float) -> None:
        """Take *seconds*, in which nothing could be known, out of everything that is measured."""
        self.forget_rate()
        if self.missing_from is not None:
            self.missing_from += seconds
        for one in self.partitions:
            one.skip(seconds)

    def forget_rate(self) -> None:
        """Begin the rate anew."""
        self._lags, self.rate = array("d"), None

    def forget_times(self) -> None:
        """Begin anew because no time of before can be compared with one from now on."""
        self.forget_rate()
        self.left_at = self.missing_from = self.judged = None
        self.missing = 0
        for one in self.partitions:
            one.forget_times()

    def known(self) -> tuple[TopicPartition, ...]:
        """List the partitions with a commit, and those of which none could be had."""
        return tuple(one.at for one in self.partitions if one.committed is not None or one.missing)

    def saved(self) -> dict[str, object]:
        """Give what must outlive a restart, as plain JSON values."""
        topics: dict[str, dict[str, object]] = {}
        refused: dict[str, list[int]] = {}
        for one in self.partitions:
            if one.committed is not None:
                topics.setdefault(one.topic, {})[str(one.partition)] = one.saved()
            elif one.missing:
                refused.setdefault(one.topic, []).append(one.partition)
        values = {"alive": self.alive, "valued": self.valued, "partitions": topics}
        return {**values, "refused": refused} if refused else values

    @classmethod
    def restored(cls, fields: Fields) -> GroupMemory:
        """Take what `saved` gave; raise RecordingError with the path of what is wrong in it."""
        memory, topics = cls(), fields.below("partitions", default={})
        refused = fields.below("refused", default={})
        memory.alive = bool(fields.maybe_truth("alive"))
        memory.valued = bool(fields.maybe_truth("valued"))
        for topic in topics:
            partitions = topics.below(topic)
            memory.partitions += [
                Standing.restored(
                    TopicPartition(topic, partitions.partition(key)), partitions.below(key)
                )
                for key in partitions
            ]
        for topic in refused:
            for number in refused.wholes(topic):
                one = Standing(TopicPartition(topic, number))
                one.missing = 1
                memory.partitions.append(one)
        return memory
