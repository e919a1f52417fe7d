"""What a rule compares: one measure with one threshold, or a state with a set of them. Pure.

In: the text that a person writes, such as ``lag > 1000`` or ``state in stalled, blocked``. Out:
frozen `Condition` values, which give the same text back. Whether one holds for somebody is for
`verdicts` to say.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum

from lagmon.model import State


class Measure(StrEnum):
    """What a condition looks at. The last three are not compared with a threshold.

    *lag* counts messages; *seconds* is the age of the oldest unread record; *retention* is the part
    of what the log still holds that is unread, from 0 to 1, and more once unread records are lost.
    *value* is whether the lag of a group that had one is known; *list* is whether the groups of a
    cluster could be listed.
    """

    LAG = "lag"
    SECONDS = "seconds"
    RETENTION = "retention"
    STATE = "state"
    VALUE = "value"
    LIST = "list"


COMPARED = (Measure.LAG, Measure.SECONDS, Measure.RETENTION)

# States that say that nothing can be said, and one that is no news: nobody is to be woken by them.
NEVER_PAGED = frozenset({State.PENDING, State.STEADY, State.UNKNOWN})

HOW = "write it as lag > 1000, seconds > 300, retention > 0.8 or state in stalled, blocked"
_COMPARISON = re.compile(r"\s*(lag|seconds|retention)\s*>\s*(\S+)\s*")
_STATES = re.compile(r"\s*state\s+in\s+(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison: a *measure* above *threshold*, or a state out of *states*.

    Exactly *threshold* is fine.
    """

    measure: Measure
    threshold: float = 0.0
    states: tuple[State, ...] = ()

    def holds(self, value: float) -> bool:
        """Compare *value*, in the unit of the measure."""
        return value > self.threshold

    @property
    def compares(self) -> bool:
        """Whether there is a threshold at all."""
        return self.measure in COMPARED

    def __str__(self) -> str:
        if self.compares:
            return f"{self.measure} > {self.threshold:.15g}"
        if self.states:
            return f"{self.measure} in {', '.join(self.states)}"
        return f"{self.measure} unknown"


def above(threshold: float, measure: Measure = Measure.LAG) -> Condition:
    """Give the condition that *measure* is above *threshold*."""
    return Condition(measure, threshold)


def in_state(*states: State) -> Condition:
    """Give the condition of being in one of *states*."""
    return Condition(Measure.STATE, states=states)


def parse(text: str) -> Condition:
    """Read a condition; raise ValueError with how to write one."""
    if compared := _COMPARISON.fullmatch(text):
        return above(_threshold(compared[2]), Measure(compared[1]))
    if named := _STATES.fullmatch(text):
        return in_state(*(_state(word.strip()) for word in named[1].split(",")))
    raise ValueError(f"is no condition; {HOW}")


def _threshold(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{text} is no threshold; it is a number from 0 on")
    return value


def _state(word: str) -> State:
    known = [state for state in State if state not in NEVER_PAGED]
    if word in NEVER_PAGED:
        raise ValueError(f"{word} is a state that says nothing to be woken by")
    if word not in known:
        raise ValueError(f"{word or 'nothing'} is no state; there are {', '.join(known)}")
    return State(word)
