"""What a cluster's brokers told a doctor: values, and their JSON on the way out of a child process.

In and out: `Examination`. Nothing is asked here, nothing judged, and no secret is among it. Times
are seconds since the epoch.
"""

from __future__ import annotations

from pydantic import Field

from lagmon.configuration.parts import Part
from lagmon.readings import Resource  # noqa: TC001 - pydantic reads it

Versions = tuple[int, int]  # of one request: the lowest and the highest that a broker takes


class Broker(Part):
    """One broker that the cluster names: was it reached, with what *error*, and what it *speaks*.

    *speaks* has the versions of each request by its name; it is empty where they were not told.
    """

    id: int
    address: str
    reached: bool = False
    error: str | None = None
    speaks: dict[str, Versions] = Field(default={})


class Glance(Part):
    """One look at the newest commits: *asked* and *answered* by our clock.

    *newest* has, by partition of the topic of commits, its leader and the time that the broker gave
    to the newest record in it, None for an empty one.
    """

    asked: float
    answered: float
    newest: dict[int, tuple[int, float | None]] = Field(default={})


class Needed(Part):
    """What a replica needs to share the groups: is it *granted*, None if nobody told."""

    resource: Resource
    name: str
    operation: str = "Read"
    granted: bool | None = None


class Examination(Part):
    """What was found of one cluster; with *error* it could not be asked, and the rest is empty.

    *describable* tells whether lagmon may DESCRIBE the cluster, None where nobody said, and
    *groups_refused* that it may not DESCRIBE any group that nobody granted by name. *readable*
    and *unreadable* are topics, as far as that was told. *sharing* is what a replica needs, empty
    where none is one by way of Kafka. *clocks_untold* says why there are no *glances*.
    """

    error: str | None = None
    brokers: tuple[Broker, ...] = ()
    describable: bool | None = None
    groups_refused: bool = False
    readable: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    sharing: tuple[Needed, ...] = ()
    glances: tuple[Glance, ...] = ()
    clocks_untold: str | None = None
