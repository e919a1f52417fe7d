"""What a handler of one's own shares with its worker: breakers, metrics, and what is an outage."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from consumers import Guard, observe_end_to_end
from consumers.breaker import BreakerPolicy, State
from consumers.errors import reaction_to, reactions
from consumers.instruments import Instruments, here
from consumers.metrics import Metrics
from tests.builders import record

SUM, COUNT = "consumers_end_to_end_seconds_sum", "consumers_end_to_end_seconds_count"


@pytest.fixture
def shared() -> Instruments:
    """Give the instruments of this process, which judge as they do at its start."""
    here().reaction = reaction_to
    return here()


def sample(name: str, **labels: str) -> float:
    """Read a metric of this process."""
    return here().metrics.registry.get_sample_value(name, labels) or 0


def test_a_breaker_without_metrics_is_one_of_the_process(shared: Instruments) -> None:
    """It is there under its name, with a check, and in the metrics."""
    guard = Guard("shelf")

    assert shared.guards["shelf"] is guard
    assert shared.checks["shelf"]() is None
    assert sample("consumers_breaker_state", breaker="shelf", state="closed") == 1


def test_the_last_of_a_name_counts(shared: Instruments) -> None:
    """A module that is loaded anew shows the breaker that its calls go through."""
    Guard("twice")
    last = Guard("twice", policy=BreakerPolicy(failures=1))
    with suppress(ConnectionError), last:
        raise ConnectionRefusedError

    assert shared.guards["twice"] is last
    assert shared.checks["twice"]() == "the breaker is open after ConnectionRefusedError"


def test_a_breaker_with_metrics_of_its_own_is_not(shared: Instruments) -> None:
    """The game's are handed around."""
    Guard("handed around", Metrics())

    assert "handed around" not in shared.guards


def test_no_breaker_passes_for_the_check_of_every_worker() -> None:
    """Whether there are partitions is not hidden by a breaker."""
    with pytest.raises(ValueError, match="a breaker cannot be called kafka"):
        Guard("kafka")


def test_what_the_worker_waits_for_is_a_failure_of_a_breaker_made_before(
    shared: Instruments,
) -> None:
    """A module is imported before the classes are that the setting names."""
    guard = Guard("made before", policy=BreakerPolicy(failures=1))
    shared.reaction = reactions((LookupError,))

    with suppress(KeyError), guard:
        raise KeyError("the shop's client says so")
    shared.reaction = reaction_to

    assert guard.status().state is State.OPEN


@pytest.mark.parametrize(
    ("written", "headers", "since"),
    [
        (-5, [], None),
        (-1, [("propagation-first-sent-ms", -5)], None),
        (-1, [], -5),
    ],
    ids=["its timestamp", "sent on", "told"],
)
def test_the_end_to_end_time_counts_from_the_first(
    written: int, headers: list[tuple[str, int]], since: int | None
) -> None:
    """From when the record was sent first, or when its request was accepted: here for 5 s."""
    now = time.time()
    sent = [(name, b"%d" % ((now + ago) * 1000)) for name, ago in headers]
    one = record(timestamp=int((now + written) * 1000), headers=[*sent])
    before = sample(SUM), sample(COUNT)

    observe_end_to_end(one, since=None if since is None else now + since)

    # Milliseconds are cut off, and time goes on.
    assert 4.99 <= sample(SUM) - before[0] < 60
    assert sample(COUNT) - before[1] == 1


def test_a_record_that_does_not_tell_is_not_observed() -> None:
    """No time is not a time of 0."""
    before = sample(COUNT)

    observe_end_to_end(record(timestamp=None))

    assert sample(COUNT) == before
