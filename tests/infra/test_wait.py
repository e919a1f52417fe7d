"""Waiting for a condition."""

from __future__ import annotations

import pytest

from tests.infra.wait import until


def test_the_first_true_value_is_given() -> None:
    """What was waited for is handed to the caller."""
    answers = iter([None, None, "ready"])

    found = until(lambda: next(answers), every=0, what="an answer")

    assert found == "ready"


def test_what_never_comes_is_named() -> None:
    """A time-out names the condition, the time and what was seen last."""
    with pytest.raises(TimeoutError, match=r"waited 0\.01 s for the moon, last saw 0"):
        until(lambda: 0, timeout=0.01, every=0, what="the moon")


def test_a_condition_is_looked_at_before_time_is_up() -> None:
    """A condition that holds is found even with no time to wait."""
    assert until(lambda: True, timeout=0, what="now")


def test_an_error_of_the_check_is_the_callers() -> None:
    """What the check raises ends the waiting at once."""

    def broken() -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        until(broken, what="nothing")
