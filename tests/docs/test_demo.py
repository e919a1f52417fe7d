"""What the demo prints: a check of it that fails is seen, and a trace is a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demo.console import Console
from demo.tree import drawn
from tests.infra.otlp import ReceivedSpan

if TYPE_CHECKING:
    import pytest


def test_a_check_that_fails_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """A claim that does not hold is printed with what was found, and remembered."""
    console = Console()

    console.check("one is two", holds=False, found="1")

    assert console.failed == ["one is two"]
    assert "✗ one is two; found: 1" in capsys.readouterr().out


def span(name: str, number: int, parent: int, start_ms: int, end_ms: int) -> ReceivedSpan:
    """Build a span; ids are numbers."""
    return ReceivedSpan(
        trace_id="1" * 32,
        span_id=f"{number:016x}",
        parent_span_id=f"{parent:016x}" if parent else "",
        name=name,
        kind="INTERNAL",
        service="s",
        attributes={},
        links=(),
        start_ns=start_ms * 1_000_000,
        end_ns=end_ms * 1_000_000,
        status="UNSET",
        status_message="",
        resource={},
        scope="",
    )


def test_a_trace_is_drawn_as_a_tree() -> None:
    """Children stand below their parent by start time, with start and duration in milliseconds."""
    spans = [span("late", 3, 1, 50, 100), span("root", 1, 0, 0, 100), span("early", 2, 1, 0, 25)]

    lines = drawn(spans)

    assert [line.split("  ")[0] for line in lines] == ["root", "├─ early", "└─ late"]
    assert lines[2].endswith("at   50.0 ms  took   50.0 ms")


def test_no_spans_are_no_lines() -> None:
    """Nothing is drawn of an empty trace."""
    assert drawn([]) == []
