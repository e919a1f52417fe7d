"""What states are judged by, and what a judgement says. Values alone: no behaviour.

`Judging` is the part of the settings that says how long is long; `Judged` is what one partition
is doing, `GroupVerdict` what a group is. `evaluate` makes the last two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lagmon.model import State
    from lagmon.readings import TopicPartition


@dataclass(frozen=True, slots=True)
class Judging:
    """How long is long, and how much is behind; the defaults are those of the settings.

    *allowed_lag* counts messages, *min_samples* readings; the rest is in seconds.
    """

    stall_after: float = 120.0
    stall_after_unseen: float = 600.0
    allowed_lag: int = 0
    min_samples: int = 3
    transaction_timeout: float = 900.0
    window: float = 1800.0


@dataclass(frozen=True, slots=True)
class Judged:
    """What a partition is doing, *since* when (seconds since the epoch), and why in words."""

    state: State
    since: float
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class GroupVerdict:
    """What a group is doing: the worst of its partitions, and which one that is.

    *partitions* are in the order of the group's rows; ``None`` stands for one that is not judged.
    *rate* is by how many messages a second the group's lag grew lately, below 0 where it shrank.
    """

    judged: Judged
    partitions: tuple[Judged | None, ...] = ()
    worst: TopicPartition | None = None
    rate: float | None = None
