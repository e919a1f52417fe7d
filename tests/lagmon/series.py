"""Generated series for the differential test: what lagmon reads, and what its page shows of it.

A series is what one group, or one cluster, does tick by tick. `readings` gives it to lagmon,
`translated` gives it with every gap replaced by what ``docs/reference/lagmon-rules.md`` says that
Prometheus makes of it, and `page` gives the series that Prometheus scrapes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING

from lagmon.model import Age, ClusterLag, GroupLag, Method, PartitionLag, State, Why
from tests.lagmon.builders import NOON, at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

TICK_SECONDS = 5
TICKS = 80
MISSING_UNTIL_UNKNOWN = 3  # cycles for which the last state stands

STALE, NOT_SCRAPED = "stale", "_"


class Kind(Enum):
    """What one tick is: a reading that is whole, or one of the gaps."""

    WHOLE = auto()
    BOUND = auto()  # parts are unknown: the value is a lower bound, and `Family.UNKNOWN` holds
    MISSING = auto()  # cannot be read
    UNSAID = auto()  # the state is pending or unknown
    GONE = auto()  # deleted
    LATE = auto()  # no cycle, no scrape


class Family(Enum):
    """Which rule a series is for."""

    LAG = auto()
    SECONDS = auto()
    TOPIC = auto()
    STUCK = auto()
    UNKNOWN = auto()
    BLIND = auto()


GAPS = {
    Family.LAG: (Kind.BOUND, Kind.MISSING, Kind.LATE),
    Family.SECONDS: (Kind.BOUND, Kind.MISSING, Kind.LATE),
    Family.TOPIC: (Kind.BOUND, Kind.MISSING),
    Family.STUCK: (Kind.UNSAID, Kind.MISSING, Kind.LATE),
    Family.UNKNOWN: (Kind.MISSING,),
    Family.BLIND: (Kind.LATE,),
}
LACKS = frozenset({Kind.MISSING, Kind.BOUND})  # of the value of a partition at least
STATES = tuple(state for state in State if state not in {State.PENDING, State.UNKNOWN})
CHANGES = 0.3  # how often a tick differs from the one before it in the same phase
VALUES = (0, 49, 50, 51, 300, 301, 999, 1000, 1001, 5000)
BAD = (State.STALLED, State.BLOCKED, State.STOPPED, State.LOST, State.HANGING_TRANSACTION)


@dataclass(frozen=True, slots=True)
class Tick:
    """One reading: *value* of the lag, *state*, and for a cluster whether its list is whole."""

    kind: Kind
    value: int = 0
    state: State = State.OK


@dataclass(frozen=True, slots=True)
class Series:
    """What the group or cluster *name* does."""

    family: Family
    name: str
    ticks: tuple[Tick, ...]

    @property
    def has_gaps(self) -> bool:
        """Whether the two may differ at all."""
        return self.first_gap < len(self.ticks)

    @property
    def first_gap(self) -> int:
        """At which tick the first gap is."""
        kinds = [tick.kind in GAPS[self.family] for tick in self.ticks]
        return kinds.index(True) if True in kinds else len(kinds)


def generate(random: Random, family: Family, name: str, *, gaps: bool) -> Series:
    """Make up a series of phases of random length, in each of which the ticks are of one kind."""
    kinds = [Kind.WHOLE] * 3 + [Kind.GONE]
    kinds += list(GAPS[family]) * 2 if gaps else []
    kinds += [Kind.BOUND] * 3 if family is Family.UNKNOWN else []
    longest = 10 if family in {Family.LAG, Family.SECONDS, Family.TOPIC} else 40
    ticks: list[Tick] = []
    while len(ticks) < TICKS:
        kind = random.choice(kinds) if ticks or family is Family.UNKNOWN else Kind.WHOLE
        length = random.randint(1, 3 if kind is Kind.LATE else longest)
        ticks += _phase(random, kind, length)
    return Series(family, name, tuple(ticks[:TICKS]))


def alternating(family: Family, name: str) -> Series:
    """Make a series that is bad in every second tick, and missing in those between."""
    bad = Tick(Kind.WHOLE, max(VALUES), BAD[0])
    return Series(family, name, (bad, Tick(Kind.MISSING)) * (TICKS // 2))


def _phase(random: Random, kind: Kind, length: int) -> Iterator[Tick]:
    tick = _tick(random, kind)
    for _ in range(length):
        yield tick
        if random.random() < CHANGES:
            tick = _tick(random, kind)


def _tick(random: Random, kind: Kind) -> Tick:
    states = (State.PENDING, State.UNKNOWN) if kind is Kind.UNSAID else STATES + BAD * 8
    return Tick(kind, random.choice(VALUES), random.choice(states))


def readings(series: Series) -> Iterator[tuple[int, ClusterLag]]:
    """Give what lagmon reads at which tick."""
    for number, tick in enumerate(series.ticks):
        if tick.kind is not Kind.LATE:
            yield number, _lag(series, tick, number)


def translated(series: Series) -> Iterator[tuple[int, ClusterLag]]:
    """Give what lagmon would have to read to judge as the documentation says Prometheus does."""
    before, run = Tick(Kind.GONE), 0
    for number, tick in enumerate(series.ticks):
        run = run + 1 if tick.kind in LACKS else 0
        before = _translated(series.family, tick, before, run)
        yield number, _lag(series, before, number)


def _translated(family: Family, tick: Tick, before: Tick, run: int) -> Tick:
    if tick.kind is Kind.LATE:
        return before  # the last sample stands
    if tick.kind is Kind.BOUND and family is not Family.UNKNOWN:
        return replace(tick, kind=Kind.WHOLE)  # a value like any other
    counts = family is Family.UNKNOWN and run >= MISSING_UNTIL_UNKNOWN
    if tick.kind is Kind.UNSAID or (tick.kind is Kind.MISSING and not counts):
        return replace(tick, kind=Kind.GONE)  # no series is no alert
    return tick


def _lag(series: Series, tick: Tick, number: int) -> ClusterLag:
    when = NOON + number * TICK_SECONDS
    if series.family is Family.BLIND:
        if tick.kind is Kind.GONE:
            return ClusterLag(when, series.name, error="no broker answers", complete=False)
        return ClusterLag(when, series.name, complete=_is_listed(tick))
    groups = () if tick.kind is Kind.GONE else (_group(series, tick),)
    return ClusterLag(when, "c", groups)


def _group(series: Series, tick: Tick) -> GroupLag:
    if tick.kind is Kind.MISSING:
        return GroupLag(series.name, None, Why.GROUP_UNREADABLE)
    if series.family is Family.STUCK:
        return GroupLag(series.name, tick.value, judged=tick.state)
    whole = tick.kind is not Kind.BOUND
    parts = [_part(number, _share(tick, number), tick) for number in (0, 1)]
    if not whole:
        parts.append(PartitionLag(at(2), None, Why.NO_END_OFFSET))
    return GroupLag(series.name, tick.value, partitions=tuple(parts), unknown=int(not whole))


def _part(number: int, lag: int, tick: Tick) -> PartitionLag:
    return PartitionLag(at(number), lag, age=Age(float(tick.value), Method.HISTORY))


def page(series: Series) -> dict[str, list[str]]:
    """Give what lagmon's page shows: the samples of each series, as promtool reads them."""
    ticks = list(zip(series.ticks, _shown(series), strict=True))
    if series.family is Family.BLIND:
        where = f'{{kafka_cluster="{series.name}"}}'
        shown = {
            f"lagmon_up{where}": ["0" if each.kind is Kind.GONE else "1" for each, _ in ticks],
            f"lagmon_groups{where}": ["1" if _is_listed(each) else STALE for each, _ in ticks],
        }
    else:
        shown = _group_page(series, f'kafka_cluster="c",group="{series.name}"', ticks)
    late = [number for number, tick in enumerate(series.ticks) if tick.kind is Kind.LATE]
    for samples in shown.values():
        for number in late:
            samples[number] = NOT_SCRAPED
    return shown


def _group_page(
    series: Series, labels: str, ticks: list[tuple[Tick, State]]
) -> dict[str, list[str]]:
    shown: dict[str, list[str]] = {}
    known = [each if each.kind in {Kind.WHOLE, Kind.BOUND} else None for each, _ in ticks]
    values = [STALE if each is None else str(each.value) for each in known]
    if series.family is Family.SECONDS:
        shown[f"lagmon_group_lag_seconds{{{labels}}}"] = values
    elif series.family is Family.TOPIC:
        for number in (0, 1):
            shares = [STALE if each is None else str(_share(each, number)) for each in known]
            name = f'lagmon_partition_lag_messages{{{labels},topic="plays",partition="{number}"}}'
            shown[name] = shares
    elif series.family is not Family.STUCK:
        shown[f"lagmon_group_lag_messages{{{labels}}}"] = values
    if series.family in {Family.STUCK, Family.UNKNOWN}:
        there = [None if each.kind is Kind.GONE else state for each, state in ticks]
        for state in sorted({each for each in there if each is not None}):
            name = f'lagmon_group_state{{{labels},state="{state}"}}'
            shown[name] = ["1" if each is state else STALE for each in there]
        if series.family is Family.UNKNOWN:
            unknown = [
                STALE if each is None else str(int(each.kind is Kind.BOUND)) for each in known
            ]
            shown[f"lagmon_group_unknown_partitions{{{labels}}}"] = unknown
        name = f"lagmon_group_members{{{labels}}}"
        shown[name] = [STALE if each is None else "1" for each in there]
    return shown


def _share(tick: Tick, number: int) -> int:
    first = tick.value // 3
    return (first, tick.value - first)[number]


def _is_listed(tick: Tick) -> bool:
    return tick.kind is not Kind.GONE and tick.state not in BAD


def _shown(series: Series) -> list[State]:
    """Give the state that the page shows at each tick: the last stands, until it is unknown."""
    states, shown, run = [], State.OK, 0
    for tick in series.ticks:
        run = run + 1 if tick.kind in LACKS else 0
        if tick.kind in {Kind.WHOLE, Kind.UNSAID}:
            shown = tick.state
        elif tick.kind is Kind.GONE:
            shown = State.OK
        elif run >= MISSING_UNTIL_UNKNOWN or (run and series.family is Family.STUCK):
            shown = State.UNKNOWN
        states.append(shown)
    return states
