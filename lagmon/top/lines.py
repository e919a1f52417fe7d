"""Lines of a terminal: spans of text, each in a tone. Pure.

In: text and tones, as the status page has them. Out: a `Line` that takes as many cells as it is
given, and no more. A tone never says anything that the words do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lagmon.top.cells import cut, padded, width

if TYPE_CHECKING:
    from collections.abc import Sequence

Tone = Literal["", "bad", "warn", "unknown", "good", "dim", "strong"]
Span = tuple[str, Tone]


@dataclass(frozen=True, slots=True)
class Line:
    """One line; *reverse* where it stands out as a whole."""

    spans: tuple[Span, ...] = ()
    reverse: bool = False

    @property
    def text(self) -> str:
        """The words alone."""
        return "".join(text for text, _ in self.spans)


def line(*spans: Span, reverse: bool = False) -> Line:
    """Make a line of *spans*."""
    return Line(spans, reverse)


def fitted(given: Line, cells: int) -> Line:
    """Give *given* in exactly *cells*, what is too long cut off, so that it covers what was."""
    spans: list[Span] = []
    left = cells
    for text, tone in given.spans:
        shown = cut(text, left)
        spans += [(shown, tone)] if shown else []
        left -= width(shown)
        if shown != text:
            break
    if left > 0:
        spans.append((" " * left, ""))
    return Line(tuple(spans), given.reverse)


def ends(left: Sequence[Span], right: str, cells: int) -> Line:
    """Put *left* to the left and *right* to the right end; *left* gives way."""
    room = max(0, cells - width(right) - 1)
    begun = fitted(Line(tuple(left)), room)
    return Line((*begun.spans, (padded(f" {right}", cells - room, right=True), "dim")))
