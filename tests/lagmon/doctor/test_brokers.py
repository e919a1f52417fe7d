"""What a doctor finds of brokers: who was reached, what they speak, how their clocks go."""

from __future__ import annotations

import pytest

from lagmon.doctor.brokers import of_clocks, of_examination, release, spoken
from lagmon.doctor.examination import Broker, Examination, Glance
from lagmon.doctor.findings import Finding, Level

NOON = 1_764_000_000.0
MODERN = {"ListOffsets": (1, 11), "ListGroups": (0, 5), "DescribeCluster": (0, 2)}


def broker(number: int = 1, **told: object) -> Broker:
    """Build a broker that was reached."""
    made = {"id": number, "address": f"kafka-{number}:9092", "reached": True, "speaks": MODERN}
    return Broker.model_validate(made | told)


def found(*brokers: Broker, error: str | None = None) -> list[Finding]:
    """Give what is found of *brokers*."""
    return list(of_examination("cluster x", Examination(error=error, brokers=brokers)))


def clocks(*glances: Glance, untold: str | None = None) -> list[Finding]:
    """Give what is found of the clock of one broker by *glances*."""
    made = Examination(brokers=(broker(),), glances=glances, clocks_untold=untold)
    return list(of_clocks("cluster x", made))


def glances(skew: float) -> tuple[Glance, Glance]:
    """Build two glances with a commit between them by a clock that is *skew* seconds ahead."""
    first = Glance(asked=NOON, answered=NOON, newest={0: (1, NOON - 60 + skew)})
    last = Glance(asked=NOON + 0.2, answered=NOON + 0.2, newest={0: (1, NOON + 0.1 + skew)})
    return first, last


@pytest.mark.parametrize(
    ("speaks", "told"),
    [
        (MODERN, "Kafka 4.0 or later"),
        ({"ListOffsets": (0, 9)}, "Kafka 3.0 or later"),
        ({"ListOffsets": (0, 6), "DescribeCluster": (0, 0)}, "Kafka 2.8 or later"),
        ({"ListOffsets": (0, 5)}, "Kafka before 2.8"),
    ],
)
def test_a_release_is_told_by_what_only_later_ones_speak(
    speaks: dict[str, tuple[int, int]], told: str
) -> None:
    """4.0 took ListOffsets 0 out, 3.0 brought 7, 2.8 brought DescribeCluster."""
    assert release(speaks) == told


def test_all_brokers_are_one_line_and_what_they_speak_another() -> None:
    """Who speaks alike is not told twice."""
    reached, speak = found(broker(1), broker(2))

    assert reached.what == "2 brokers reached, all there are: 1 at kafka-1:9092, 2 at kafka-2:9092"
    assert speak.what == "Kafka 4.0 or later, as it speaks ListGroups 0-5, ListOffsets 1-11"
    assert {reached.level, speak.level} == {Level.OK}


def test_brokers_that_speak_differently_are_told_apart() -> None:
    """As in the middle of an upgrade."""
    _, first, second = found(broker(1), broker(2, speaks={"ListOffsets": (0, 9)}))

    assert first.what.startswith("broker 1: Kafka 4.0 or later")
    assert second.what.startswith("broker 2: Kafka 3.0 or later")


def test_a_broker_that_is_not_reached_is_a_failure_with_its_error() -> None:
    """The lag of what it leads would be unknown; the others are not called all there are."""
    away = broker(2, reached=False, error="_TRANSPORT: Connection refused", speaks={})

    missed, _ = found(broker(1), away)

    assert missed.level is Level.FAILED
    assert "broker 2 at kafka-2:9092" in missed.what
    assert "Connection refused" in missed.what
    assert missed.why
    assert missed.do


def test_what_nobody_told_is_unknown_and_no_failure() -> None:
    """A broker without versions, and an examination that did not end."""
    _, silent = found(broker(1, speaks={}))
    (failed,) = found(error="it was not examined within 20 s")

    assert (silent.level, spoken({})) == (Level.UNKNOWN, "")
    assert failed.level is Level.UNKNOWN
    assert "within 20 s" in failed.what


def test_a_clock_that_goes_right_is_told_with_its_bounds() -> None:
    """An offset has two ends."""
    (told,) = clocks(*glances(0))

    assert told.level is Level.OK
    assert told.what == "clock of broker 1 is -0.1 s to +0.6 s from this machine's"


@pytest.mark.parametrize(("skew", "side"), [(30, "ahead of"), (-30, "behind")])
def test_a_clock_that_goes_wrong_is_a_warning(skew: float, side: str) -> None:
    """It names the side, the least offset that it has, and what to do."""
    (told,) = clocks(*glances(skew))

    assert told.level is Level.WARNING
    assert f"{side} this machine's by 29." in told.what
    assert "chrony" in told.do


def test_an_old_commit_shows_a_clock_that_is_ahead_of_it() -> None:
    """A commit from the future needs no second glance."""
    (told,) = clocks(Glance(asked=NOON, answered=NOON, newest={0: (1, NOON + 600)}))

    assert told.level is Level.WARNING
    assert "ahead of this machine's by 600.0 s at least" in told.what


def test_a_quiet_cluster_leaves_the_clock_open() -> None:
    """What is known is said, and what is not."""
    (told,) = clocks(Glance(asked=NOON, answered=NOON, newest={0: (1, NOON - 60)}))

    assert told.level is Level.UNKNOWN
    assert "at most 60.0 s behind" in told.what
    assert "how much ahead is not known" in told.what


@pytest.mark.parametrize("untold", ["lagmon sees no topic", None])
def test_a_broker_without_commits_has_no_known_clock(untold: str | None) -> None:
    """With the reason, where somebody told one."""
    (told,) = clocks(untold=untold)

    assert told.level is Level.UNKNOWN
    assert (untold or "no commit of any group is kept there") in told.what


def test_an_empty_partition_leaves_the_clock_open() -> None:
    """Its leader is known, and never wrote."""
    (told,) = clocks(Glance(asked=NOON, answered=NOON, newest={0: (1, None)}))

    assert told.level is Level.UNKNOWN
    assert "nothing was ever committed there" in told.what
