"""Waits grow, stay below the cap, and are only ever shortened by chance."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.backoff import RetryPolicy

POLICIES = st.builds(
    RetryPolicy,
    retries=st.integers(0, 100),
    initial_seconds=st.floats(0.001, 60),
    max_seconds=st.floats(0.001, 3600),
    jitter=st.floats(0, 1),
)


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 30), (7, 30), (10_000, 30)],
)
def test_the_wait_doubles_up_to_the_cap(failures: int, seconds: float) -> None:
    """By default a record waits 1, 2, 4, 8, 16 and then always 30 seconds."""
    assert RetryPolicy().wait_seconds(failures, chance=0) == seconds


@pytest.mark.parametrize(("chance", "seconds"), [(0, 8), (0.5, 7.2), (1, 6.4)])
def test_chance_takes_away_a_part_of_the_wait(chance: float, seconds: float) -> None:
    """A jitter of 0.2 shortens a wait by up to a fifth and never lengthens it."""
    assert RetryPolicy(jitter=0.2).wait_seconds(4, chance) == pytest.approx(seconds)


@given(POLICIES, st.integers(1, 10_000), st.floats(0, 1))
def test_no_wait_is_negative_or_passes_the_cap(
    policy: RetryPolicy, failures: int, chance: float
) -> None:
    """Whatever the policy, a wait lies between nothing and the cap."""
    assert 0 <= policy.wait_seconds(failures, chance) <= policy.max_seconds


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [(4, 4), (1, 1), (0.2, 0.8), (0, 0.8), (-5, 0.8), (30, 30), (86_400, 30), (math.inf, 30)],
)
def test_what_a_failure_asks_for_counts_instead(asked: float, seconds: float) -> None:
    """Whatever the failures, it is waited so long: the first wait at least, the cap at most."""
    policy = RetryPolicy()

    for failures in (1, 10_000):
        assert policy.wait_seconds(failures, 1, asked) == pytest.approx(seconds)


@given(POLICIES, st.integers(1, 10_000), st.floats(0, 1), st.floats(allow_nan=True))
def test_nothing_that_is_asked_for_makes_a_busy_loop(
    policy: RetryPolicy, failures: int, chance: float, asked: float
) -> None:
    """Even what is no number waits between the first wait and the cap."""
    wait = policy.wait_seconds(failures, chance, asked)

    assert policy.wait_seconds(1, chance) <= wait <= policy.max_seconds


@given(POLICIES, st.integers(1, 100))
def test_a_later_wait_is_never_shorter(policy: RetryPolicy, failures: int) -> None:
    """Without chance the waits never shrink."""
    earlier, later = (policy.wait_seconds(n, chance=0) for n in (failures, failures + 1))

    assert earlier <= later


@pytest.mark.parametrize(
    ("retries", "spent", "exhausted"),
    [(3, 1, False), (3, 3, False), (3, 4, True), (0, 1, True)],
)
def test_the_first_try_is_no_retry(retries: int, spent: int, exhausted: bool) -> None:  # noqa: FBT001 - a table's column
    """Three retries are four tries; no retries are one."""
    assert RetryPolicy(retries=retries).exhausted(spent) is exhausted


@pytest.mark.parametrize(
    "wrong",
    [{"retries": -1}, {"initial_seconds": 0}, {"max_seconds": -1}, {"jitter": 1.1}],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    """A negative number of retries, an empty wait or a jitter above one raises at once."""
    with pytest.raises(ValueError, match=r"retries|jitter"):
        RetryPolicy(**wrong)  # type: ignore[arg-type] # a table of one argument each
