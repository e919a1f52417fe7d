"""Draw the lag of the last hour as lines of an SVG, and say it in words. Pure.

In: samples in the order of time. Out: a `Chart` of points for ``polyline``, which the template lays
out. A line ends where the lag was not known or nobody looked, and begins anew behind it: nothing is
drawn that was not seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log10
from typing import TYPE_CHECKING

from lagmon.past import KEPT_SECONDS
from lagmon.wording import clock, number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lagmon.past import Sample

# In units of the SVG, which the style sheet stretches; lines keep their width.
WIDTH, HEIGHT = 600, 120
GAP_SECONDS = 300.0  # between two samples: nobody looked meanwhile
_LIMIT_SHOWN = 5  # the limit is drawn unless it would press the line to less than one part of these


@dataclass(frozen=True, slots=True)
class Chart:
    """What was seen of one lag.

    *lines* are points for ``polyline``, *areas* the same down to the ground. *top* is the value of
    the upper edge, *limit* how far below it the limit lies, if it is drawn. *said* is all of it in
    words, for those who do not see it.
    """

    lines: tuple[str, ...]
    areas: tuple[str, ...]
    top: str
    limit: str
    said: str


def chart(samples: Sequence[Sample], now: float, limit: float | None = None) -> Chart | None:
    """Draw *samples* of the hour before *now* (seconds); ``None`` where there is no line yet."""
    known = [(one.at, one.lag) for one in samples if one.lag is not None]
    if len(known) < 2:  # noqa: PLR2004 - a line has two ends
        return None
    highest = max(lag for _, lag in known)
    is_limited = limit is not None and limit <= max(highest, 1) * _LIMIT_SHOWN
    top = _round_up(max(highest, limit if limit is not None and is_limited else 0))
    lines = tuple(_lines(samples, now, top))
    return Chart(
        lines=tuple(" ".join(line) for line in lines),
        areas=tuple(_area(line) for line in lines),
        top=number(top),
        limit=f"{_height(limit, top):.1f}" if limit is not None and is_limited else "",
        said=_said(known),
    )


def _said(known: Sequence[tuple[float, int]]) -> str:
    (began, first), (_, last) = known[0], known[-1]
    at, highest = max(known, key=lambda pair: pair[1])
    most = f"{number(highest)} at the highest, at {clock(at)}"
    return f"Lag: {number(first)} at {clock(began)}, {most}, {number(last)} now"


def _lines(samples: Sequence[Sample], now: float, top: float) -> Iterable[list[str]]:
    line: list[str] = []
    before = None
    for one in samples:
        if line and (one.lag is None or (before and one.at - before > GAP_SECONDS)):
            yield _visible(line)
            line = []
        before = one.at
        if one.lag is not None:
            x = max(0.0, WIDTH * (1 - (now - one.at) / KEPT_SECONDS))
            line.append(f"{min(x, WIDTH):.1f},{_height(one.lag, top):.1f}")
    if line:
        yield _visible(line)


def _visible(line: list[str]) -> list[str]:
    """Give a single point twice: a line of no length has round ends, which are seen."""
    return line * 2 if len(line) == 1 else line


def _area(line: Sequence[str]) -> str:
    left, right = line[0].split(",")[0], line[-1].split(",")[0]
    return f"{left},{HEIGHT} {' '.join(line)} {right},{HEIGHT}"


def _height(lag: float, top: float) -> float:
    return HEIGHT * (1 - min(1.0, lag / top))


def _round_up(value: float) -> float:
    """Give the next of 1, 2, 5, 10, 20, 50, … from *value* on."""
    power = 10.0 ** max(0, ceil(log10(max(value, 1))) - 1)
    # The logarithm of what is just above a large power of ten is rounded to that of the power.
    return next(step * power for step in (1, 2, 5, 10, 20) if value <= step * power)
