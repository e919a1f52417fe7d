"""The limit tells a bad record from a bad release: too many in a row, or too many of the last."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from consumers.deadletters.limit import Limit


def after(limit: Limit, history: str) -> str | None:
    """Tell *limit* of a *history*, ``x`` for given up and ``.`` for good; give what it says."""
    for one in history:
        limit.settled(dead=one == "x")
    return limit.refuses()


@pytest.mark.parametrize(
    ("history", "refused"),
    [
        ("", False),
        ("xx", False),
        ("xxx", True),
        ("xx.x", False),
        ("xx.xxx", True),
        ("xxx.", False),
    ],
)
def test_as_many_in_a_row_are_kept_as_the_limit_says(history: str, *, refused: bool) -> None:
    """Three in a row pass and the fourth does not; one good record starts the row anew."""
    said = after(Limit(consecutive=3, ratio=1, of_last=1000), history)

    assert (said is not None) is refused


@pytest.mark.parametrize(
    ("history", "refused"),
    [
        ("x.x.x", False),
        ("x.x.x.x", False),
        ("x.x.x.x.x", True),
        ("xxxxx", True),
        ("xxxxx" + "." * 5, False),
        ("xxxxx" + "." * 4, True),
        ("." * 50 + "xxxx", False),
        ("." * 50 + "xxxxx", True),
    ],
)
def test_a_part_of_the_last_records_is_kept(history: str, *, refused: bool) -> None:
    """Half of ten may be given up; what lies further back is forgotten, as is what never came."""
    said = after(Limit(consecutive=100, ratio=0.5, of_last=10), history)

    assert (said is not None) is refused


def test_a_ratio_of_one_never_refuses() -> None:
    """Whoever wants the row alone to count sets the ratio to 1."""
    assert after(Limit(consecutive=1000, ratio=1, of_last=10), "x" * 500) is None


def test_the_reason_names_the_setting_and_the_count() -> None:
    """Whoever reads why the worker stopped learns how many there were and what decides on it."""
    row = after(Limit(consecutive=100, ratio=0.5, of_last=1000), "x" * 100)
    part = after(Limit(consecutive=100, ratio=0.5, of_last=1000), ".x" * 500)

    assert row is not None
    assert part is not None
    assert row.startswith("100 records in a row")
    assert "dlq_limit_consecutive" in row
    assert part.startswith("501 of the last 1000 records")
    assert "dlq_limit_ratio" in part


def test_no_record_is_lost_between_lanes() -> None:
    """Records that finish in several threads at once are all counted."""
    limit = Limit(consecutive=80_001, ratio=1, of_last=10)

    def lane(_: int) -> None:
        for _ in range(10_000):
            limit.settled(dead=True)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lane, range(8)))

    assert limit.refuses() is None
    limit.settled(dead=True)
    assert limit.refuses() is not None
