"""The fault switch: which requests it hits."""

from __future__ import annotations

import pytest

from consumers.fintech.faults import Fault, Mode, Switch


def hits(switch: Switch, requests: int) -> list[int]:
    """Number the requests, from 1, that are hit."""
    return [n for n in range(1, requests + 1) if switch.next().mode is not Mode.NONE]


def test_nothing_is_wrong_at_first() -> None:
    """A switch that nobody has touched hits nothing."""
    assert hits(Switch(), 3) == []


@pytest.mark.parametrize(
    ("ratio", "numbers"),
    [(0, []), (0.1, [10, 20]), (0.25, [4, 8, 12, 16, 20]), (1, list(range(1, 21)))],
)
def test_a_ratio_is_kept_evenly(ratio: float, numbers: list[int]) -> None:
    """Of twenty requests just the share is hit, at even distances, and counted."""
    switch = Switch()
    switch.set(Fault(mode=Mode.FAIL, ratio=ratio))

    assert hits(switch, 20) == numbers
    assert switch.hits == len(numbers)


def test_a_new_fault_begins_anew() -> None:
    """What an earlier fault left over does not reach into the next one."""
    switch = Switch()
    switch.set(Fault(mode=Mode.FAIL, ratio=0.5))
    hits(switch, 3)

    switch.set(Fault(mode=Mode.HANG, ratio=0.5))

    assert switch.hits == 0
    assert hits(switch, 2) == [2]
