"""When a breaker lets calls through: case by case, on times that are handed in."""

from __future__ import annotations

import pytest

from consumers.breaker import Breaker, BreakerPolicy, Fault, State

POLICY = BreakerPolicy(failures=3, open_seconds=5, probe_seconds=60)
FAULT = Fault("ConnectError", "no route", "0af7651916cd43dd8448eb211c80319c")


def breaker() -> Breaker:
    """Make one that three failures open for 5 s."""
    return Breaker(POLICY)


def admitted(breaker: Breaker, now: float) -> int:
    """Take a ticket that must be there."""
    ticket = breaker.admit(now)
    assert ticket is not None
    return ticket


def opened(at: float = 0) -> Breaker:
    """Make one that has just opened."""
    made = breaker()
    for _ in range(POLICY.failures):
        made.failed(admitted(made, at), at, FAULT)
    assert made.state is State.OPEN
    return made


def test_a_closed_breaker_lets_every_call_through() -> None:
    """Any number of calls may be under way at once."""
    one = breaker()

    assert None not in [one.admit(now) for now in (0, 0, 1)]
    assert one.refuses_seconds(1) == 0


@pytest.mark.parametrize(
    ("ends", "state"),
    [
        ("xx", State.CLOSED),
        ("xxx", State.OPEN),
        ("xx.xx", State.CLOSED),
        ("xx.xxx", State.OPEN),
        ("xx-x", State.OPEN),
    ],
)
def test_failures_in_a_row_open_it(ends: str, state: State) -> None:
    """A success (.) begins the row anew; a call that says nothing (-) does not."""
    one = breaker()

    for end in ends:
        ticket = admitted(one, 0)
        match end:
            case "x":
                one.failed(ticket, 0, FAULT)
            case ".":
                one.succeeded(ticket)
            case _:
                one.left(ticket, 0)

    assert one.state is state


RATIO = BreakerPolicy(failures=100, open_seconds=5, ratio=0.5, window=6, window_seconds=60)


def heard(ends: str, *, apart: float = 1, policy: BreakerPolicy = RATIO) -> Breaker:
    """Make one that has heard *ends* of calls, each *apart* seconds behind the one before."""
    one = Breaker(policy)
    for number, end in enumerate(ends):
        now = number * apart
        ticket = admitted(one, now)
        if end == "x":
            one.failed(ticket, now, FAULT)
        else:
            one.succeeded(ticket)
    return one


@pytest.mark.parametrize(
    ("ends", "state"),
    [
        ("x.x.", State.CLOSED),
        ("x.x.x", State.OPEN),
        ("......x.x.x", State.OPEN),
        ("x..x..x..x", State.CLOSED),
        ("xx....x", State.CLOSED),
        ("xx...x", State.OPEN),
    ],
)
def test_a_part_of_the_last_calls_opens_it(ends: str, state: State) -> None:
    """Three of the last six failed: no row is needed, and what is further back does not count."""
    assert heard(ends).state is state


@pytest.mark.parametrize(("apart", "state"), [(15, State.OPEN), (15.1, State.CLOSED)])
def test_a_failure_of_long_ago_counts_no_more(apart: float, state: State) -> None:
    """Of few calls the first failed more than a minute before the third: that is no outage."""
    assert heard("x.x.x", apart=apart).state is state


def test_the_part_is_counted_anew_when_it_closes() -> None:
    """What failed before it opened does not count against a dependency that is back."""
    one = heard("x.x.x")
    one.succeeded(admitted(one, 20))

    for _ in range(2):
        one.failed(admitted(one, 20), 20, FAULT)

    assert one.state is State.CLOSED


def test_few_calls_have_no_part() -> None:
    """Calls that have not come yet count as good: two of two are left to the row."""
    assert heard("xx").state is State.CLOSED


def test_with_a_ratio_of_one_the_row_alone_decides() -> None:
    """By the shipped numbers four failures of five calls, for ever, open nothing."""
    assert heard("xxxx." * 20, policy=BreakerPolicy(ratio=1)).state is State.CLOSED


def test_an_open_breaker_refuses_for_its_time() -> None:
    """It names the failure that opened it and how long it still refuses."""
    one = opened(at=100)

    assert [one.admit(now) for now in (100, 104.9)] == [None, None]
    assert one.refuses_seconds(101) == 4
    assert one.fault == FAULT


def test_after_its_time_it_lets_one_probe_through() -> None:
    """While the probe is under way nobody else calls."""
    one = opened()

    tickets = [one.admit(5), one.admit(5), one.admit(30)]

    assert [ticket is not None for ticket in tickets] == [True, False, False]
    assert one.state is State.HALF_OPEN


def test_nobody_probes_before_somebody_calls() -> None:
    """After its time an open breaker refuses no more, though its state changes with the probe."""
    one = opened()

    assert one.refuses_seconds(6) == 0
    assert one.state is State.OPEN


def test_a_probe_that_succeeds_closes_it() -> None:
    """All calls are let through again, and the failures of before are forgotten."""
    one = opened()

    one.succeeded(admitted(one, 5))
    for _ in range(POLICY.failures - 1):
        one.failed(admitted(one, 6), 6, FAULT)

    assert one.state is State.CLOSED


def test_a_probe_that_fails_opens_it_for_its_time_again() -> None:
    """One failure is enough then, and it is the one that is named."""
    one = opened()
    later = Fault("ReadTimeout", "no answer", None)

    one.failed(admitted(one, 5), 8, later)

    assert one.state is State.OPEN
    assert one.fault == later
    assert one.refuses_seconds(8) == 5


def test_a_probe_that_says_nothing_gives_way_to_the_next() -> None:
    """A call that was cut is no answer: the breaker stays half-open, and the next call probes."""
    one = opened()

    one.left(admitted(one, 5), 7)
    seen = [one.state]
    one.succeeded(admitted(one, 7))
    seen.append(one.state)

    assert seen == [State.HALF_OPEN, State.CLOSED]


def test_a_probe_that_never_ends_gives_way_in_the_end() -> None:
    """After its time another call probes; how the first one ends then counts no more."""
    one = opened()
    lost = admitted(one, 5)

    assert one.admit(64) is None
    second = admitted(one, 65)
    one.succeeded(lost)
    seen = [one.state]
    one.succeeded(second)
    seen.append(one.state)

    assert seen == [State.HALF_OPEN, State.CLOSED]


@pytest.mark.parametrize("succeeds", [True, False], ids=["succeeds", "fails"])
def test_a_call_from_before_it_opened_counts_no_more(*, succeeds: bool) -> None:
    """It neither closes the breaker nor keeps it open longer, and it is not taken for the probe."""
    one = breaker()
    early = admitted(one, 0)
    for _ in range(POLICY.failures):
        one.failed(admitted(one, 0), 0, FAULT)

    if succeeds:
        one.succeeded(early)
    else:
        one.failed(early, 4, FAULT)

    assert one.state is State.OPEN
    assert one.refuses_seconds(4) == 1


def test_a_failure_from_before_does_not_count_against_a_breaker_that_is_closed_again() -> None:
    """Calls that hung while the dependency was away end late: they say nothing about it now."""
    one = breaker()
    early = [admitted(one, 0) for _ in range(POLICY.failures)]
    for _ in range(POLICY.failures):
        one.failed(admitted(one, 0), 0, FAULT)
    one.succeeded(admitted(one, 5))

    for ticket in early:
        one.failed(ticket, 6, FAULT)

    assert one.state is State.CLOSED
