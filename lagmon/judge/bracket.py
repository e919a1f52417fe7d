"""Close in on the time of one record by asking for the first record of a certain age or younger.

Comes in: answers to "which is the first record whose own time is *t* or later, and what is its
time?". Goes out: between which times the oldest record at or after an offset lies, and what to ask
next. No record is read. Pure; all times are whole milliseconds since the epoch.

Where the answer lies says what follows for the record at *target*:

=====================  ==========================================================
the answer's offset    the record at *target*
=====================  ==========================================================
is *target*            has the answer's time
is lower               is as young as the answer or younger, where times rise
is higher, or none is  is older than what was asked for
=====================  ==========================================================

Offsets may hold no record: compaction removes them, markers of transactions use them. Then the
oldest record is the one of the next higher answer, so the time of that answer, not *t*, is the
latest time that is certain. Records that were written with falling times make the record older than
what is found here, never younger.
"""

from __future__ import annotations

from math import exp, log
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

NEAR_MS = 1000  # as close as this is close enough
NEAR_SHARE = 0.1  # and is worth giving when it is a tenth of the age
KEPT = 8  # answers above, for when the target moves up
FIRST_AGES_MS = (60_000, 900_000, 14_400_000)


class Answer(NamedTuple):
    """The first record that was written at *asked* or later: its offset and its own time.

    Without one *offset* is the end of the partition at that time, and *time* is ``None``.
    """

    asked: int
    offset: int
    time: int | None


class Bracket:
    """What is known of the time of the oldest record at or after *target*.

    *latest* is the time that it is no younger than, *exact* says that this is its own time. *below*
    is the highest record before it, by offset and time, *above* the nearest answers after it,
    rising. *asked* counts the rounds in which it had its turn. When *is_done* another one
    would tell no more that matters; *is_mute* when records have no time: none is as young as 1970.
    """

    __slots__ = ("above", "asked", "below", "exact", "is_done", "is_mute", "latest", "target")

    def __init__(self, target: int) -> None:
        self.target = target
        self.below: tuple[int, int] | None = None
        self.above: tuple[Answer, ...] = ()
        self.latest: int | None = None
        self.exact = self.is_done = self.is_mute = False
        self.asked = 0

    def narrow(self, answers: Iterable[Answer]) -> None:
        """Take in the *answers* of one round."""
        self._sort(answers)
        self._conclude()

    def settle(self, time: int) -> None:
        """Take *time* for the record's own: the record itself was looked at."""
        self.latest, self.exact, self.is_done, self.is_mute = time, True, True, False

    def moved(self, target: int) -> None:
        """Go on for a *target* that is higher; what is still true of it is kept."""
        above = self.above
        if self.exact and self.latest is not None:
            self.below = (self.target, self.latest)
        self.target, self.above, self.exact, self.latest = target, (), False, None
        self._sort(above)
        self._conclude()

    def is_near(self, now: int) -> bool:
        """Tell whether `latest` is close enough to be given."""
        if self.is_done or self.latest is None or self.below is None:
            return self.is_done and not self.is_mute
        return self.latest - self.below[1] <= max(NEAR_MS, NEAR_SHARE * (now - self.latest))

    def questions(self, now: int, limit: int) -> list[int]:
        """Give at most *limit* times to ask for next, the most telling one first."""
        if self.is_done or limit < 1:
            return []
        if self.below is None:
            # From 0 comes the oldest record of all: the lower end, or the record itself.
            first = [0, *(max(0, now - age) for age in FIRST_AGES_MS)]
            return [one for one in first if all(one < a.asked for a in self.above)][:limit]
        low = self.below[1] + 1
        if not self.above:
            # Younger than a minute, or written by a clock that is ahead of ours.
            top = now if low < now else low + FIRST_AGES_MS[-1]
            return [top, *_between(low, top, now, limit - 1)]
        high = self.above[0].asked
        if self.below[0] == self.target - 1 or high - low <= limit:
            return [low]  # the next record after the one before it: no question tells more
        spare = [low] if high - low <= NEAR_MS else []
        return [*spare, *_between(low, high, now, limit - len(spare))]

    def _sort(self, answers: Iterable[Answer]) -> None:
        higher = []
        for answer in answers:
            if answer.offset > self.target:
                higher.append(answer)
            elif answer.time is None:  # where the partition ended then, at the target or before it
                continue
            elif answer.offset == self.target:
                self.settle(answer.time)
            elif self.below is None or answer.time > self.below[1]:
                self.below = (answer.offset, answer.time)
        if higher:
            self.above = tuple(sorted({*self.above, *higher}, key=_order)[:KEPT])

    def _conclude(self) -> None:
        if self.exact:
            return
        self.is_done = self.is_mute = False
        if not self.above:
            self.latest = None
            return
        nearest = self.above[0]
        self.latest = nearest.asked if nearest.time is None else nearest.time
        self.is_mute = nearest.asked <= 0 and nearest.time is None
        lowest = -1 if self.below is None else self.below[1]
        self.is_done = (
            # Nothing lies in between that was not asked for,
            nearest.asked - lowest <= 1
            # or what does is too little to matter.
            or (self.below is not None and self.latest - lowest <= NEAR_MS)
        )


def _order(answer: Answer) -> tuple[int, int, bool]:
    return answer.asked, answer.offset, answer.time is not None


def _between(low: int, high: int, now: int, count: int) -> list[int]:
    """Spread *count* times over what lies between *low* and *high*, evenly in the log of the age.

    A record that is a minute old wants seconds; one that is a week old can wait for them.
    """
    if count < 1 or high <= low:
        return []
    old, young = max(2.0, now - low), max(1.0, now - high)
    if old <= young:  # both in the future
        ages = [
            float(now - low - (high - low) * step / (count + 1)) for step in range(1, count + 1)
        ]
    else:
        ratio = log(young / old) / (count + 1)
        ages = [old * exp(ratio * step) for step in range(1, count + 1)]
    return sorted({min(high - 1, max(low, round(now - age))) for age in ages})
