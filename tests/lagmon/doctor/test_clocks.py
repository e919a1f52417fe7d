"""How far a broker's clock is from ours, as far as its commits tell."""

from __future__ import annotations

import pytest

from lagmon.doctor.clocks import COPIED_SECONDS, are_known, offsets
from lagmon.doctor.examination import Glance

NOON = 1_764_000_000.0


def glance(after: float, **newest: float | None) -> Glance:
    """Build a glance *after* seconds that took 0.1 s; *newest* by partition: ``p0=SECONDS``."""
    times = {int(name[1:]): (1, at if at is None else NOON + at) for name, at in newest.items()}
    return Glance(asked=NOON + after, answered=NOON + after + 0.1, newest=times)


@pytest.mark.parametrize("skew", [-30.0, 0.0, 30.0])
def test_a_commit_between_two_glances_bounds_the_offset_on_both_sides(skew: float) -> None:
    """Written 1.5 s after the first, its time tells the offset to the span of the glances."""
    seen = [glance(1, p0=-60 + skew), glance(2, p0=1.5 + skew)]

    found = offsets(seen)[1]

    assert found.least == pytest.approx(skew + 1.5 - 2.1)
    assert found.most == pytest.approx(skew + 1.5 - 1 + COPIED_SECONDS)
    assert found.least is not None
    assert found.most is not None
    assert found.least <= skew <= found.most
    assert are_known(seen)


def test_the_first_commit_of_an_empty_partition_was_written_between() -> None:
    """That it was empty before is as good as an older record."""
    assert are_known([glance(1, p0=None), glance(2, p0=1.5)])


def test_a_partition_that_gave_no_answer_before_tells_nothing_new() -> None:
    """Its newest record may be as old as any."""
    seen = [glance(1), glance(2, p0=-3600)]

    found = offsets(seen)[1]

    assert found.least == pytest.approx(-3602.1)
    assert found.most is None
    assert not are_known(seen)


def test_an_old_commit_gives_the_lower_bound_alone() -> None:
    """The clock was at that time once, and goes on: how far it is ahead nobody can tell."""
    found = offsets([glance(1, p0=-60), glance(2, p0=-60)])[1]

    assert found.least == pytest.approx(-61.1)
    assert found.most is None


def test_a_leader_that_changed_between_tells_nothing_of_either_clock() -> None:
    """The new one may have had the record before the old one was asked."""
    other = Glance(asked=NOON + 2, answered=NOON + 2.1, newest={0: (2, NOON + 1.5)})

    assert offsets([glance(1, p0=-60), other])[2].most is None


def test_every_broker_has_an_offset_of_its_own() -> None:
    """Two that are apart are told apart; one without news keeps the glances going."""
    first = Glance(asked=NOON, answered=NOON, newest={0: (1, NOON - 9), 1: (2, NOON - 9)})
    last = Glance(asked=NOON + 1, answered=NOON + 1, newest={0: (1, NOON + 0.5), 1: (2, NOON - 9)})

    found = offsets([first, last])

    assert found[1].most is not None
    assert found[2].most is None
    assert not are_known([first, last])


def test_without_a_glance_nothing_is_known() -> None:
    """No broker is named, and nothing is called known."""
    assert (offsets([]), are_known([])) == ({}, False)


def test_a_clock_that_is_set_meanwhile_gives_bounds_in_order() -> None:
    """Contradictory times span what they leave open."""
    seen = [glance(0, p0=100), glance(1, p0=100, p1=None), glance(2, p0=100, p1=1.5)]

    found = offsets(seen)[1]

    assert found.least is not None
    assert found.most is not None
    assert found.least < found.most
