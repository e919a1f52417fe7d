"""Whose turn it is: each within a time, none too often, not all at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lagmon.collector.rota import HASTE, Rota

NOON = 1_764_000_000.0
NAMES = [f"group-{number}" for number in range(600)]


def turns(rota: Rota[str], cycles: int, interval: float) -> list[set[str]]:
    """Give who is asked in each of *cycles*, all of whom answer."""
    found = []
    for cycle in range(cycles):
        now = NOON + cycle * interval
        chosen = rota.due(NAMES, now)
        rota.asked(chosen, now)
        found.append(chosen)
    return found


def test_what_was_never_asked_is_due() -> None:
    """The first cycle asks for everything."""
    assert Rota[str](60).due(NAMES, NOON) == set(NAMES)


def test_turns_are_spread_over_the_period() -> None:
    """Of 600 seen at once about 50 come up in each of the twelve cycles of a minute."""
    counts = [len(chosen) for chosen in turns(Rota(60), 37, 5.0)[1:]]

    assert all(20 <= count <= 100 for count in counts), counts


def test_each_has_its_turn_within_the_period() -> None:
    """Whoever answered is asked again no later than a period and a cycle after."""
    rota = Rota[str](60)
    last: dict[str, int] = {}

    for cycle, chosen in enumerate(turns(rota, 60, 5.0)):
        assert all(cycle - last.get(name, cycle) <= 13 for name in NAMES)
        last |= dict.fromkeys(chosen, cycle)


def test_after_a_pause_turns_are_caught_up_with_in_steps() -> None:
    """When all are overdue a cycle takes a bounded part of them, the longest due first."""
    rota = Rota[str](60)
    rota.due(NAMES, NOON)
    rota.asked(NAMES, NOON)
    rota.due((), NOON + 1000)

    chosen = rota.due(NAMES, NOON + 1005)

    assert len(chosen) == HASTE * 600 * 5 // 60


def test_a_cycle_takes_no_more_than_it_may() -> None:
    """However much is overdue, a bound holds."""
    rota = Rota[str](60, at_most=7)
    rota.due(NAMES, NOON)
    rota.asked(NAMES, NOON)

    assert len(rota.due(NAMES, NOON + 1000)) == 7


def test_a_small_set_is_always_asked() -> None:
    """As many as *at_least* are asked in every cycle, due or not."""
    rota = Rota[str](60, at_least=10)
    rota.due(NAMES, NOON)
    rota.asked(NAMES, NOON)

    assert len(rota.due(NAMES, NOON)) == 10
    assert rota.due(NAMES[:3], NOON) == set(NAMES[:3])


def test_what_is_forgotten_is_due_at_once() -> None:
    """A name that is forgotten counts as never asked, as does one that was not kept."""
    rota = Rota[str](60)
    rota.asked(["a", "b", "c"], NOON)

    rota.forget(["a"])
    rota.keep(["a", "c"])

    assert rota.due(["a", "b", "c"], NOON) == {"a", "b"}


@given(st.lists(st.floats(-100, 100), max_size=20))
def test_a_clock_that_jumps_breaks_nothing(steps: list[float]) -> None:
    """Whatever the clock does, a turn is a part of what there is."""
    rota, now = Rota[str](60, at_least=2), NOON

    for step in steps:
        now += step
        chosen = rota.due(NAMES[:20], now)
        rota.asked(chosen, now)
        assert chosen <= set(NAMES[:20])
        assert len(chosen) >= 2
