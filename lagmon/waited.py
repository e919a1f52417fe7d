"""Say how long the oldest unread record has waited: one wording for pages, tables and alerts. Pure.

In: the `Age` of a partition, or the partitions of whatever is spoken of. Out: text with the method
and the bound of the error, such as ``3m 20s ± 5s, by history`` or ``at least 40s, by timestamps``;
nothing where nothing is known. The bound holds for the text as it stands: what is rounded away is
added to it. ``docs/reference/lagmon-seconds.md`` says what each method can tell.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from lagmon.model import Age, Method, Why
from lagmon.wording import duration

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lagmon.model import PartitionLag

_BY = {Method.HISTORY: ", by history", Method.TIMESTAMPS: ", by timestamps", Method.CAUGHT_UP: ""}
_NOTHING_TO_READ = frozenset({Why.NEVER_COMMITTED, Why.NO_COMMITS, Why.TOPIC_DELETED})
_NOISE = 1e-6  # seconds that come of adding such numbers; they are no error
_UNITS = ((86_400, "d"), (3600, "h"), (60, "m"))


def said(age: Age | None) -> str:
    """Write *age* with its bound and method; an empty text for one that is not known."""
    if age is None:
        return ""
    if age.error_seconds is None:
        return f"at least {duration(age.seconds)}{_BY[age.method]}"
    if age.error_seconds >= age.seconds > 0:
        most = ceil(age.seconds + age.error_seconds - _NOISE)
        return f"at most {_exactly(most)}{_BY[age.method]}"
    shown = round(age.seconds)
    error = ceil(age.error_seconds + abs(age.seconds - shown) - _NOISE)
    bound = f" ± {_exactly(error)}" if error > 0 else ""
    return f"{_exactly(shown)}{bound}{_BY[age.method]}"


def by_all(parts: Iterable[PartitionLag]) -> Age | None:
    """Give the age of what consists of *parts*: of the oldest record that is unread in any of them.

    It is a lower bound where that of any part is, or is not known: that part's may be older.
    """
    parts = tuple(parts)
    ages = [part.age for part in parts if part.age is not None]
    if not ages:
        return None
    if any(age.error_seconds is None for age in ages) or any(map(_is_open, parts)):
        surest = max(ages, key=_at_least)
        least = _at_least(surest)
        return Age(least, surest.method, None) if least > 0 else None
    worst = max(ages, key=lambda age: age.seconds)
    most = max(age.seconds + (age.error_seconds or 0.0) for age in ages)
    return Age(worst.seconds, worst.method, most - worst.seconds)


def _is_open(part: PartitionLag) -> bool:
    """Tell whether something unread, or what may be, has no age."""
    return part.age is None and part.lag != 0 and part.why not in _NOTHING_TO_READ


def _at_least(age: Age) -> float:
    return age.seconds - (age.error_seconds or 0.0)


def _exactly(seconds: int) -> str:
    """Write whole *seconds* by all of their units."""
    written = []
    for unit, sign in _UNITS:
        count, seconds = divmod(seconds, unit)
        written += [f"{count}{sign}"] if count else []
    written += [f"{seconds}s"] if seconds or not written else []
    return " ".join(written)
