"""Draw one trace as a tree of spans with their times. Pure: spans in, lines out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.infra.otlp import ReceivedSpan

BAR = 28  # columns of the time line


def drawn(spans: Sequence[ReceivedSpan]) -> list[str]:
    """Draw the *spans* of one trace, parents above children, each with its start and duration."""
    if not spans:
        return []
    begin = min(span.start_ns for span in spans)
    length = max(max(span.end_ns for span in spans) - begin, 1)
    known = {span.span_id for span in spans}
    roots = [span for span in spans if span.parent_span_id not in known]
    rows = [row for root in by_start(roots) for row in walked(root, spans, "", "")]
    width = max(len(label) for label, _ in rows)
    return [f"{label:<{width}}  {timed(span, begin, length)}" for label, span in rows]


def walked(
    span: ReceivedSpan, spans: Sequence[ReceivedSpan], lead: str, below: str
) -> Iterator[tuple[str, ReceivedSpan]]:
    """Yield *span* and what it caused, with the lines that join them."""
    yield f"{lead}{span.name}  ({span.service})", span
    children = by_start([other for other in spans if other.parent_span_id == span.span_id])
    for child in children:
        last = child is children[-1]
        joint, onward = ("└─ ", "   ") if last else ("├─ ", "│  ")
        yield from walked(child, spans, below + joint, below + onward)


def by_start(spans: Sequence[ReceivedSpan]) -> list[ReceivedSpan]:
    """Order *spans* by when they began."""
    return sorted(spans, key=lambda span: span.start_ns)


def timed(span: ReceivedSpan, begin: int, length: int) -> str:
    """Draw the place of *span* on a time line of *length* ns and name its start and duration."""
    left = (span.start_ns - begin) * BAR // length
    right = max((span.end_ns - begin) * BAR // length, left + 1)
    bar = " " * left + "▇" * (right - left)
    at, took = (span.start_ns - begin) / 1e6, (span.end_ns - span.start_ns) / 1e6
    return f"{bar:<{BAR + 1}} at {at:6.1f} ms  took {took:6.1f} ms"
