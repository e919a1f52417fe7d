"""The table of states: for each, when a partition is in it, in the order in which they are tried.

In: a partition's row of lag, what is remembered of it, and its group. Out: the state and why, or
``None`` where a row of `TABLE` does not match. Pure. `evaluate` asks it of every partition.
``tests/lagmon/judge/test_evaluate.py`` numbers the cases and says why each answer is right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from lagmon.judge.standing import percentile
from lagmon.judge.tails import TAIL_MESSAGES
from lagmon.judge.trend import Trend
from lagmon.labels import safe
from lagmon.model import State, Why
from lagmon.wording import counted, moment
from lagmon.wording import member as named

if TYPE_CHECKING:
    from collections.abc import Callable

    from lagmon.judge.group_memory import GroupMemory
    from lagmon.judge.progress import Progress
    from lagmon.judge.standing import Standing
    from lagmon.judge.states import Judging
    from lagmon.model import GroupLag, PartitionLag

    Answer: TypeAlias = tuple[State, str | None]
    Row: TypeAlias = Callable[["Around", PartitionLag, Standing], Answer | None]

MISSING_CYCLES = 3  # without a value, until it is unknown
BEYOND_CYCLES = 2  # with a commit past the end, until it is no race
PATIENCE_PAUSES = 3.0  # times the 95th percentile of the pauses
PATIENCE_SECONDS = 15 * 60.0  # at most, with a partition that stands


class Around:
    """A group while it is judged; what its partitions have in common is found out once."""

    __slots__ = ("_last_moves", "_p95", "group", "memory", "now", "progress", "settings")

    def __init__(
        self,
        group: GroupLag,
        memory: GroupMemory,
        progress: Progress,
        settings: Judging,
        now: float,
    ) -> None:
        self.group, self.memory, self.progress = group, memory, progress
        self.settings, self.now = settings, now
        self._p95: float | None = None
        self._last_moves: dict[tuple[str, str | None], float] | None = None

    def p95(self, one: Standing) -> float | None:
        """Give the 95th percentile of *one*'s pauses, or without any of the group's others."""
        if one.pauses is not None:
            return one.pauses.p95
        if self._p95 is None:
            events = (other.pauses.events for other in self.memory.partitions if other.pauses)
            pooled = percentile([seconds for each in events for seconds in each])
            self._p95 = -1.0 if pooled is None else pooled
        return None if self._p95 < 0 else self._p95

    def patience(self, one: Standing) -> float:
        """Give the seconds for which *one* may stand."""
        settings, p95 = self.settings, self.p95(one)
        if p95 is not None:
            return max(settings.stall_after, min(PATIENCE_PAUSES * p95, PATIENCE_SECONDS))
        left_at, began_at = self.memory.left_at, one.began_at
        left = left_at is not None and began_at is not None and left_at >= began_at
        if left or self.group.members == 0:
            return settings.stall_after
        return settings.stall_after_unseen

    def last_move(self, row: PartitionLag) -> float | None:
        """Give when a commit last moved, of *row*'s topic and owner (without any: of the group)."""
        if self._last_moves is None:
            self._last_moves = self._moves()
        owner = None if row.owner is None else row.owner.member_id
        return self._last_moves.get((row.at.topic, owner))

    def _moves(self) -> dict[tuple[str, str | None], float]:
        found: dict[tuple[str, str | None], float] = {}
        assigned = any(row.owner for row in self.group.partitions)
        for row, one in zip(self.group.partitions, self.memory.partitions, strict=True):
            if one.moved_at is None or (assigned and row.owner is None):
                continue
            key = row.at.topic, None if row.owner is None else row.owner.member_id
            found[key] = max(one.moved_at, found.get(key, one.moved_at))
        return found


def _unknown(_: Around, row: PartitionLag, one: Standing) -> Answer | None:
    """A value is missing, for another reason than that none was committed."""
    if not one.missing:
        return None
    if one.missing >= MISSING_CYCLES:
        return State.UNKNOWN, row.detail
    if one.judged is not None:  # until then the last state stands
        return one.judged.state, one.judged.reason
    return State.PENDING, "no value yet"


def _uncommitted(around: Around, row: PartitionLag, one: Standing) -> Answer | None:
    """Nothing was ever committed, though records come to a partition that a member owns."""
    if row.why is not Why.NEVER_COMMITTED:
        return None
    if not row.waiting:
        return State.OK, "empty, and never committed"
    if row.owner is None or one.grown_from is None:
        return State.PENDING, "never committed"
    if around.now - one.grown_from < around.settings.stall_after_unseen:
        return State.PENDING, "never committed; records have come lately"
    return State.UNCOMMITTED, "records come, and nothing was ever committed"


def _lost(_: Around, row: PartitionLag, one: Standing) -> Answer | None:
    """Records were deleted before they were read; without the log's start, as last known."""
    still = row.start is None and one.lost_commit is not None and one.lost_commit == row.committed
    if row.lost or still:
        which = counted(row.lost, "record") if row.lost else "records"
        return State.LOST, f"{which} deleted before being read"
    return None


def _beyond_end(_: Around, row: PartitionLag, one: Standing) -> Answer | None:
    """The commit lies past the end, and not because the two were read one after the other."""
    if not one.beyond:
        return None
    state = State.PENDING if one.beyond < BEYOND_CYCLES else State.BEYOND_END
    return state, f"committed {row.committed}, the end is {row.end}"


def _caught_up(around: Around, row: PartitionLag, one: Standing) -> Answer | None:
    """Nothing is unread but what is allowed, or nothing but control records."""
    if row.lag is not None and row.lag <= around.settings.allowed_lag:
        return State.OK, None
    if one.tail_end is not None and one.tail_end == row.end and not around.progress.gap(row.at):
        return State.OK, "only control records are left"
    return None


def _in_transaction(around: Around, row: PartitionLag, _: Standing) -> Answer | None:
    """All that is stable is read; what follows is held by an open transaction."""
    gap = around.progress.gap(row.at)
    if gap is None or row.committed is None or row.committed < gap[0]:
        return None
    stable, since = gap
    open_for = around.now - since
    hangs = open_for > around.settings.transaction_timeout
    state = State.HANGING_TRANSACTION if hangs else State.OPEN_TRANSACTION
    return state, f"a transaction has been open at offset {stable} since {moment(since)}"


def _no_progress(around: Around, row: PartitionLag, one: Standing) -> Answer | None:
    """The commit has not moved for longer than it ever takes, and there was something to read."""
    settings = around.settings
    if one.stood <= settings.stall_after and one.stood <= settings.stall_after_unseen:
        return None
    patience = around.patience(one)
    if one.stood <= patience:
        return None
    if _may_be_control_records(around, row, one):
        why = one.refused or "it was not looked at yet"
        return State.PENDING, f"what is left may be control records alone: {why}"
    if around.group.members == 0:
        return State.STOPPED, _since("nothing is reading", one)
    moved_at = around.last_move(row)
    if moved_at is not None and around.now - moved_at <= patience:
        return State.BLOCKED, _since(_blocked(row), one)
    return State.STALLED, _since("nothing is committed", one)


def _may_be_control_records(around: Around, row: PartitionLag, one: Standing) -> bool:
    if row.lag is None or row.lag > TAIL_MESSAGES or one.record_at is not None:
        return False
    return around.progress.has_transactions(row.at.topic)


def _blocked(row: PartitionLag) -> str:
    if row.owner is None:
        return f"other partitions of {safe(row.at.topic)} move, this one does not"
    member = named(row.owner.client_id, row.owner.host)
    return f"{member} moves on with other partitions of {safe(row.at.topic)}, not with this one"


def _since(what: str, one: Standing) -> str:
    if one.moved_at is not None:
        return f"{what}; last commit at {moment(one.moved_at)}"
    return f"{what}; no commit was seen to move"


def _rewound(_: Around, row: PartitionLag, one: Standing) -> Answer | None:
    """The commit is below the highest of the window."""
    if not one.heights:
        return None
    return State.REWOUND, f"committed {row.committed}, after {one.heights[0][0]}"


def _pending(around: Around, _: PartitionLag, one: Standing) -> Answer | None:
    """Too little was seen."""
    settings = around.settings
    if one.samples < settings.min_samples or one.first_at is None:
        return State.PENDING, "watched too short a time"
    if around.now - one.first_at < settings.stall_after:
        return State.PENDING, "watched too short a time"
    return None


def _lately_caught_up(around: Around, _: PartitionLag, one: Standing) -> Answer | None:
    """A committer of its own pace: it was caught up no longer ago than its pauses explain."""
    if one.touched_at is None:
        return None
    ago = around.now - one.touched_at
    if ago <= around.settings.stall_after:
        return State.OK, None
    p95 = around.p95(one)
    if p95 is not None and ago <= PATIENCE_PAUSES * p95:
        return State.OK, None
    return None


_BY_TREND = {
    Trend.RISING: (State.FALLING_BEHIND, "the lag is growing"),
    Trend.FALLING: (State.CATCHING_UP, "the lag is shrinking"),
    Trend.NEITHER: (State.STEADY, "the lag neither grows nor shrinks"),
}


def _by_trend(one: Standing) -> Answer:
    """The lag grows, shrinks, or neither."""
    return _BY_TREND[one.window.trend]


TABLE: tuple[Row, ...] = (
    _unknown,
    _uncommitted,
    _lost,
    _beyond_end,
    _caught_up,
    _in_transaction,
    _no_progress,
    _rewound,
    _pending,
    _lately_caught_up,
)


def answer(around: Around, row: PartitionLag, one: Standing) -> Answer:
    """Give the first answer of the table; where no row of it matches, the trend has one."""
    for each in TABLE:
        found = each(around, row, one)
        if found is not None:
            return found
    return _by_trend(one)
