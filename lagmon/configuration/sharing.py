"""How several replicas share the groups of a cluster: what the configuration may say of it.

In: ``sharding`` as it is written, and what goes with it. Out: the `Replica` that a collector is
told to be, None for the only one, or a ValueError that says what would be right.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lagmon.configuration.parts import Part

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lagmon.alerts.rules import Rule

NONE, KAFKA = "none", "kafka"
STATIC = re.compile(r"static (?P<index>\d{1,4})/(?P<of>[1-9]\d{0,3})", re.ASCII)
INTERVALS = 2.0  # a replica may miss the beginning of one cycle and is still in the group


class Replica(Part):
    """One of several: a member of the Kafka *group*, or without one the *index*-th *of* so many.

    *session* is for how many seconds a member that is not heard of keeps its share.
    """

    group: str = ""
    session: float = 0.0
    index: int = 0
    of: int = 1


def sharding(text: str) -> str:
    """Take *text* if it is one of the ways to share."""
    written = " ".join(text.split())
    if written in {NONE, KAFKA}:
        return written
    part = STATIC.fullmatch(written)
    if part is None:
        raise ValueError("is none of: none, kafka, static I/N such as static 0/3")
    if int(part["index"]) >= int(part["of"]):
        raise ValueError(f"counts from 0: the last of {part['of']} is {int(part['of']) - 1}")
    return written


def replica(written: str, group: str | None, session: float, cluster: str) -> Replica | None:
    """Give what *written* makes of a collector of the *cluster* of that name."""
    if written == NONE:
        return None
    if (part := STATIC.fullmatch(written)) is not None:
        return Replica(index=int(part["index"]), of=int(part["of"]))
    return Replica(group=group or f"lagmon-{cluster}", session=session)


def in_time(written: str, session: float, poll_interval: float) -> None:
    """Make sure that a member is heard of in time."""
    if written == KAFKA and session < INTERVALS * poll_interval:
        raise ValueError("sharding_session must be at least twice poll_interval")


def problems(written: str, rules: Iterable[Rule]) -> list[str]:
    """Name those of the *rules* that no replica could judge by itself."""
    if written == NONE:
        return []
    return [
        f"rules.{rule.name}: is about a whole cluster, of which each replica sees its share alone;"
        " without sharding it can be judged"
        for rule in rules
        if rule.sums_up
    ]
