"""How the last hour is drawn."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lagmon.past import KEPT_SECONDS, Sample
from lagmon.web.chart import GAP_SECONDS, HEIGHT, WIDTH, chart
from tests.lagmon.builders import NOON


def samples(*readings: tuple[float, int | None]) -> list[Sample]:
    """Give samples: seconds before noon, and the lag then."""
    return [Sample(NOON - before, lag) for before, lag in readings]


def test_a_line_runs_from_left_to_right_and_up() -> None:
    """The hour is the width; the edge above is a round number."""
    drawn = chart(samples((3600, 0), (3300, 25), (3000, 50)), NOON)

    assert drawn is not None
    assert drawn.lines == ("0.0,120.0 50.0,60.0 100.0,0.0",)
    assert drawn.areas == ("0.0,120 0.0,120.0 50.0,60.0 100.0,0.0 100.0,120",)
    assert (drawn.top, drawn.limit) == ("50", "")


@pytest.mark.parametrize("few", [(), ((60, 5),), ((60, None), (30, None)), ((60, 5), (30, None))])
def test_without_two_readings_nothing_is_drawn(few: tuple[tuple[float, int | None], ...]) -> None:
    """A line has two ends."""
    assert chart(samples(*few), NOON) is None


def test_a_line_ends_where_nothing_was_known() -> None:
    """What is drawn was seen; one reading alone is a point."""
    drawn = chart(samples((600, 9), (570, 9), (540, None), (510, 9), (480, None)), NOON)

    assert drawn is not None
    assert [line.count(",") for line in drawn.lines] == [2, 2]
    assert len(set(drawn.lines[1].split())) == 1


def test_a_line_ends_where_nobody_looked() -> None:
    """A machine that slept draws no straight line over its sleep."""
    drawn = chart(samples((3000, 9), (3000 - GAP_SECONDS - 1, 9)), NOON)

    assert drawn is not None
    assert len(drawn.lines) == 2


@pytest.mark.parametrize(
    ("highest", "limit", "drawn_at", "top"),
    [(999, 200, "96.0", "1,000"), (250, 1000, "0.0", "1,000"), (150, 1000, "", "200")],
)
def test_the_limit_is_drawn_where_it_does_not_flatten_the_line(
    highest: int, limit: float, drawn_at: str, top: str
) -> None:
    """A limit far above says nothing and would hide what there is."""
    drawn = chart(samples((60, 0), (30, highest)), NOON, limit)

    assert drawn is not None
    assert (drawn.limit, drawn.top) == (drawn_at, top)


def test_it_is_said_in_words() -> None:
    """For those who do not see the line."""
    drawn = chart(samples((120, 7), (60, 1203), (0, 40)), NOON)

    assert drawn is not None
    assert drawn.said == "Lag: 7 at 15:58:00 UTC, 1,203 at the highest, at 15:59:00 UTC, 40 now"


READINGS = st.lists(
    st.tuples(
        st.floats(-10, 2 * KEPT_SECONDS), st.none() | st.integers(min_value=0, max_value=2**63)
    ),
    max_size=30,
)


@given(READINGS, st.none() | st.floats(0, 1e18))
@example([(60, 0), (30, 10**15 + 1)], None)
def test_every_line_stays_within_its_frame(
    readings: list[tuple[float, int | None]], limit: float | None
) -> None:
    """Whatever was read, also by a clock that was set."""
    drawn = chart(samples(*sorted(readings, key=lambda one: -one[0])), NOON, limit)

    for points in () if drawn is None else (*drawn.lines, *drawn.areas):
        for point in points.split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= WIDTH
            assert 0 <= y <= HEIGHT
