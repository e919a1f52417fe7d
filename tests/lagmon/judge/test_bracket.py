"""What a bracket asks next, and what it keeps; what it finds is proved by the ages."""

from __future__ import annotations

from lagmon.judge.bracket import Answer, Bracket

NOW = 1_764_000_000_000


def test_after_the_record_before_it_the_next_time_alone_is_asked_for() -> None:
    """That question hits the record or shows that there is none: no other tells more."""
    bracket = Bracket(7)

    bracket.narrow([Answer(0, 6, NOW - 9_000_000), Answer(NOW - 60_000, 8, NOW - 50_000)])

    assert bracket.questions(NOW, 4) == [NOW - 9_000_000 + 1]


def test_a_record_that_was_found_is_the_one_before_the_next() -> None:
    """When the target moves up, its time is the lowest that the next can have."""
    bracket = Bracket(7)
    bracket.narrow([Answer(0, 7, NOW - 9_000_000)])

    bracket.moved(9)

    assert not bracket.is_done
    assert bracket.below == (7, NOW - 9_000_000)


def test_what_lies_beyond_the_new_target_is_kept() -> None:
    """An answer about a higher record bounds the next target as it did this one."""
    bracket = Bracket(7)
    bracket.narrow([Answer(0, 7, NOW - 9_000_000), Answer(NOW - 60_000, 20, NOW - 50_000)])

    bracket.moved(9)
    assert bracket.latest == NOW - 50_000
    bracket.moved(20)
    assert (bracket.exact, bracket.latest) == (True, NOW - 50_000)
