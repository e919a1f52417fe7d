"""How an age is worded: never surer than it is."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lagmon.model import Age, Method, PartitionLag, Why
from lagmon.waited import by_all, said
from tests.lagmon.builders import part

HISTORY, TIMESTAMPS = Method.HISTORY, Method.TIMESTAMPS
CAUGHT_UP = Age(0.0, Method.CAUGHT_UP, 0.0)


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (None, ""),
        (CAUGHT_UP, "0s"),
        (Age(200, HISTORY, 5), "3m 20s ± 5s, by history"),
        (Age(200.4, HISTORY, 5), "3m 20s ± 6s, by history"),
        (Age(4.975, HISTORY, 4.975), "at most 10s, by history"),
        (Age(0.4, HISTORY, 2), "at most 3s, by history"),
        (Age(7540.3, TIMESTAMPS, 0.001), "2h 5m 40s ± 1s, by timestamps"),
        (Age(7540, TIMESTAMPS, 0.0), "2h 5m 40s, by timestamps"),
        (Age(3 * 86_400 + 61, HISTORY, 60), "3d 1m 1s ± 1m, by history"),
        (Age(40.9, TIMESTAMPS, None), "at least 40s, by timestamps"),
        (Age(7540, HISTORY, None), "at least 2h 5m, by history"),
    ],
)
def test_an_age_is_said_with_its_bound_and_method(age: Age | None, text: str) -> None:
    """What is rounded away is part of the bound; a lower bound is rounded down."""
    assert said(age) == text


@given(
    st.floats(0, 10_000_000),
    st.none() | st.floats(0, 100_000),
    st.sampled_from([HISTORY, TIMESTAMPS]),
)
def test_what_is_said_holds(seconds: float, error: float | None, method: Method) -> None:
    """Whatever the true age is within its bound, the text allows for it."""
    text = said(Age(seconds, method, error))

    if error is None:
        assert in_seconds(text) <= seconds
    elif text.startswith("at most"):
        assert seconds + error <= in_seconds(text) + 1e-5
    else:
        shown, _, bound = text.partition(" ± ")
        most = in_seconds(shown) + in_seconds(bound) + 1e-5
        assert in_seconds(shown) - in_seconds(bound) - 1e-5 <= seconds - error
        assert seconds + error <= most


def in_seconds(text: str) -> int:
    """Read the times in *text* back."""
    units = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
    return sum(int(count) * units[unit] for count, unit in re.findall(r"(\d+)([dhms])\b", text))


def aged(age: Age | None, lag: int | None = 5, why: Why | None = None) -> PartitionLag:
    """Build a partition of that *age*."""
    return replace(part(0, lag, why=why), age=age)


@pytest.mark.parametrize(
    ("parts", "age"),
    [
        pytest.param([], None, id="nothing is known of nothing"),
        pytest.param([aged(Age(9, HISTORY, 2))], Age(9, HISTORY, 2), id="its only one's"),
        pytest.param([aged(CAUGHT_UP, 0), aged(CAUGHT_UP, 0)], CAUGHT_UP, id="all is read"),
        pytest.param(
            [aged(Age(9, HISTORY, 2)), aged(Age(8, TIMESTAMPS, 1))],
            Age(9, HISTORY, 2),
            id="the oldest one's",
        ),
        pytest.param(
            [aged(Age(9, HISTORY, 2)), aged(Age(8, HISTORY, 5))],
            Age(9, HISTORY, 4),
            id="a younger one that may be older widens the bound",
        ),
        pytest.param(
            [aged(Age(9, HISTORY, 2)), aged(Age(3, TIMESTAMPS, None))],
            Age(7, HISTORY, None),
            id="beside a lower bound it is one",
        ),
        pytest.param(
            [aged(Age(9, HISTORY, 2)), aged(None)],
            Age(7, HISTORY, None),
            id="beside one that is not known it is a lower bound",
        ),
        pytest.param(
            [aged(CAUGHT_UP, 0), aged(None)], None, id="0 is no bound of what is not known"
        ),
        pytest.param(
            [aged(CAUGHT_UP, 0), aged(None, None, Why.NO_END_OFFSET)],
            None,
            id="nor of a partition that cannot be read",
        ),
        pytest.param(
            [
                aged(CAUGHT_UP, 0),
                aged(None, None, Why.NEVER_COMMITTED),
                aged(None, None, Why.TOPIC_DELETED),
                aged(None, 0),
            ],
            CAUGHT_UP,
            id="what has nothing to read is not waited for",
        ),
    ],
)
def test_of_many_partitions_the_oldest_record_counts(
    parts: list[PartitionLag], age: Age | None
) -> None:
    """A partition of which less is known never makes the answer surer than it is."""
    assert by_all(parts) == age
