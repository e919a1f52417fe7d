"""What a doctor finds of a cluster's brokers: are they reached, what do they speak, their clocks.

Pure. In: an `Examination`. Out: findings. A release of Kafka is told by what only it and later ones
speak, which gives the least that it is; no broker tells its release itself.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from lagmon.doctor.clocks import offsets
from lagmon.doctor.findings import Finding, Level, named
from lagmon.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lagmon.doctor.clocks import Offset
    from lagmon.doctor.examination import Broker, Examination, Versions

USED = ("ListGroups", "DescribeGroups", "ConsumerGroupDescribe", "OffsetFetch", "ListOffsets")
CLOCK_SECONDS = 2.0  # by so much an age may be wrong without anybody minding
SET_THE_CLOCKS = "run a time service such as chrony on this machine and on the brokers"
AGES = "ages of records are wrong by as much"


def of_examination(where: str, examined: Examination) -> Iterator[Finding]:
    """Find which brokers were reached, and what they speak."""
    if examined.error is not None:
        what = f"brokers, versions and clocks could not be looked at: {examined.error}"
        yield Finding(Level.UNKNOWN, where, what)
        return
    missed = [one for one in examined.brokers if not one.reached]
    for one in missed:
        yield Finding(
            Level.FAILED,
            where,
            f"broker {one.id} at {one.address} was not reached: {one.error or 'no answer'}",
            "the lag of what it leads would be unknown",
            "check that its advertised address can be reached from this machine",
        )
    if not missed:
        names = named([f"{one.id} at {one.address}" for one in examined.brokers])
        count = counted(len(examined.brokers), "broker")
        yield Finding(Level.OK, where, f"{count} reached, all there are: {names}")
    yield from _spoken(where, examined.brokers)


def _spoken(where: str, brokers: tuple[Broker, ...]) -> Iterator[Finding]:
    alike: dict[str, list[int]] = defaultdict(list)
    for one in brokers:
        if one.reached:
            alike[spoken(one.speaks)].append(one.id)
    for told, ids in alike.items():
        who = f"broker {', '.join(map(str, ids))}: " if len(alike) > 1 else ""
        level = Level.OK if told else Level.UNKNOWN
        yield Finding(level, where, who + (told or "nobody told which versions it speaks"))


def spoken(speaks: Mapping[str, Versions]) -> str:
    """Say what a broker *speaks* of what lagmon asks, and which release that takes."""
    used = [f"{name} {speaks[name][0]}-{speaks[name][1]}" for name in USED if name in speaks]
    return f"{release(speaks)}, as it speaks {', '.join(used)}" if used else ""


def release(speaks: Mapping[str, Versions]) -> str:
    """Give the least release of Kafka that *speaks* so."""
    lowest, highest = speaks.get("ListOffsets", (0, 0))
    if lowest >= 1:  # 4.0 took version 0 out
        return "Kafka 4.0 or later"
    if highest >= 7:  # noqa: PLR2004 - KIP-734
        return "Kafka 3.0 or later"
    return "Kafka 2.8 or later" if "DescribeCluster" in speaks else "Kafka before 2.8"  # KIP-700


def of_clocks(where: str, examined: Examination) -> Iterator[Finding]:
    """Find how far the clocks of the brokers are from ours, as far as anybody can know."""
    if examined.error is not None:
        return
    found = offsets(examined.glances)
    for broker, offset in sorted(found.items()):
        yield _of_clock(where, broker, offset)
    silent = [one.id for one in examined.brokers if one.id not in found]
    if silent:
        why = examined.clocks_untold or "no commit of any group is kept there"
        who = f"broker {', '.join(map(str, silent))}"
        yield Finding(Level.UNKNOWN, where, f"clock of {who}: not known; {why}")


def _of_clock(where: str, broker: int, offset: Offset) -> Finding:
    least, most = offset.least, offset.most
    who = f"clock of broker {broker}"
    if least is not None and least > CLOCK_SECONDS:
        what = f"{who} is ahead of this machine's by {least:.1f} s at least"
        return Finding(Level.WARNING, where, what, AGES, SET_THE_CLOCKS)
    if most is not None and most < -CLOCK_SECONDS:
        what = f"{who} is behind this machine's by {-most:.1f} s at least"
        return Finding(Level.WARNING, where, what, AGES, SET_THE_CLOCKS)
    if least is None:
        return Finding(Level.UNKNOWN, where, f"{who}: not known; nothing was ever committed there")
    if most is None:
        what = f"{who} is at most {max(0.0, -least):.1f} s behind this machine's"
        more = "how much ahead is not known: nothing was committed while lagmon looked"
        return Finding(Level.UNKNOWN, where, f"{what}; {more}")
    return Finding(Level.OK, where, f"{who} is {least:+.1f} s to {most:+.1f} s from this machine's")
