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

from dataclasses import dataclass
from math import exp, log
from typing import NamedTuple

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


@dataclass(slots=True)
class Bracket:
    """What is known of the time of the oldest record at or after *target*."""

    target: int
    below: tuple[int, int] | None = None  # the highest record before it: offset and time
    above: tuple[Answer, ...] = ()  # the nearest answers after it, rising
    exact: int | None = None
    asked: int = 0

    def narrow(self, answer: Answer) -> None:
        """Take in one *answer*."""
        self.asked += 1
        if answer.time is not None and answer.offset < self.target:
            if self.below is None or answer.time > self.below[1]:
                self.below = (answer.offset, answer.time)
        elif answer.time is not None and answer.offset == self.target:
            self.exact = answer.time
        elif answer.offset > self.target:
            # Rising in what was asked; of the same record, the one asked with the lowest time.
            rest = [one for one in self.above if one.asked != answer.asked]
            self.above = tuple(sorted([*rest, answer])[:KEPT])

    def moved(self, target: int) -> None:
        """Go on for a *target* that is higher; what is still true of it is kept."""
        below, above = self.below, self.above
        if self.exact is not None:
            below = (self.target, self.exact)
        self.target, self.below, self.above, self.exact = target, below, (), None
        for answer in above:
            self.narrow(answer)
        self.asked = 0

    @property
    def latest(self) -> int | None:
        """The time that the record is no younger than; ``None`` if nothing is known."""
        if self.exact is not None:
            return self.exact
        if not self.above:
            return None
        nearest = self.above[0]
        return nearest.asked if nearest.time is None else nearest.time

    @property
    def is_mute(self) -> bool:
        """Whether the records have no time at all: none is even as young as 1970."""
        return self.exact is None and any(a.asked <= 0 and a.time is None for a in self.above)

    @property
    def is_done(self) -> bool:
        """Whether another question would tell no more that matters."""
        if self.exact is not None or self.is_mute:
            return True
        if not self.above:
            return False
        return self._gap <= 1 or (self._spread is not None and self._spread <= NEAR_MS)

    def is_near(self, now: int) -> bool:
        """Tell whether `latest` is close enough to be given."""
        if self.is_done:
            return not self.is_mute
        latest, spread = self.latest, self._spread
        if latest is None or spread is None:
            return False
        return spread <= max(NEAR_MS, NEAR_SHARE * (now - latest))

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

    @property
    def _gap(self) -> int:
        """Milliseconds that no question was asked for yet."""
        lowest = -1 if self.below is None else self.below[1]
        return self.above[0].asked - lowest

    @property
    def _spread(self) -> int | None:
        """Milliseconds between the record before and the latest time that is certain."""
        latest = self.latest
        return None if latest is None or self.below is None else latest - self.below[1]


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
