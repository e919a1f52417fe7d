"""What the API told, as values that are checked. Pure.

In: the bytes of its answers. Out: a `Reading` of all groups, or a `Whole` group; ValueError where
the bytes are not what lagmon answers. Keys that are not needed here are passed over, so that a
newer lagmon can be looked at too. Every text is made visible.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from lagmon.model import Age, Method
from lagmon.top.cells import visible

Text = Annotated[str, AfterValidator(visible)]
T = TypeVar("T", bound=BaseModel)


class Part(BaseModel):
    """One object of an answer."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Waiting(Part):
    """What has a lag: how long the oldest unread record has waited, and how sure that is."""

    state: Text | None
    since: float | None
    reason: Text | None
    lag: int | None
    lag_seconds: float | None
    seconds_method: Method | None
    seconds_error: float | None
    why: Text | None
    error: Text | None

    @property
    def age(self) -> Age | None:
        """The age, if it is known."""
        if self.lag_seconds is None or self.seconds_method is None:
            return None
        return Age(self.lag_seconds, self.seconds_method, self.seconds_error)

    @property
    def because(self) -> str:
        """Why it is as it is, in words; nothing where there is no more to say."""
        return self.reason or self.error or (self.why or "").replace("_", " ")

    @property
    def word(self) -> str:
        """The state in words, a dash for one that nobody has judged yet."""
        return (self.state or "-").replace("_", " ")


class Share(Part):
    """What of a cluster one of several replicas watches; *why* it is not its own for certain."""

    owned: int
    of: int
    confirmed: bool
    why: Text | None


class Cluster(Part):
    """A cluster, and whether it answers; without a *share* all of it is watched."""

    cluster: Text
    up: bool | None
    error: Text | None
    last_success: float | None
    values_at: float | None
    groups: int | None
    complete: bool | None
    list_errors: tuple[Text, ...]
    incidents: int
    share: Share | None = None

    @property
    def is_cut_off(self) -> bool:
        """Whether nothing of it is shown because other replicas may have it by now."""
        return self.share is not None and not self.share.confirmed

    @property
    def is_bare(self) -> bool:
        """Whether no group of it is watched, by any replica as far as is known here."""
        return self.share is None and self.groups == 0

    @property
    def is_well(self) -> bool:
        """Whether all that there is to show of it is shown."""
        return bool(self.up and self.complete) and not self.is_cut_off


class Clusters(Part):
    """All clusters, at the time of the answer."""

    version: Text
    at: float
    clusters: tuple[Cluster, ...]


class Group(Waiting):
    """A group, without its partitions."""

    cluster: Text
    group: Text
    uncommitted: int | None
    unknown: int | None
    lag_rate: float | None
    members: int | None
    rank: int

    @property
    def key(self) -> tuple[str, str]:
        """What no two groups have in common."""
        return self.cluster, self.group


class Groups(Part):
    """All groups."""

    groups: tuple[Group, ...]


class Member(Part):
    """Who reads a partition."""

    client_id: Text
    host: Text


class Partition(Waiting):
    """How far a group is on one partition."""

    topic: Text
    partition: int
    committed: int | None
    end: int | None
    lost: int
    owner: Member | None


class Record(Part):
    """The oldest uncommitted record."""

    topic: Text
    partition: int
    offset: int
    age_seconds: float | None
    size: int | None
    key_hash: Text | None
    trace_id: Text | None
    trace_url: Text | None
    trace_unknown: Text | None


class Incident(Part):
    """One open incident."""

    rule: Text
    priority: Text | None
    cluster: Text
    group: Text | None
    topic: Text | None
    partition: int | None
    since: float
    maintenance: bool
    owner: Text | None
    runbook: Text | None


class Incidents(Part):
    """All open incidents."""

    incidents: tuple[Incident, ...]


class Whole(Group):
    """A group with all that is known of it."""

    kafka_state: Text | None
    partitions: tuple[Partition, ...]
    incidents: tuple[Incident, ...]
    record: Record | None


class Told(Part):
    """A reason, for people."""

    message: Text


class Refusal(Part):
    """Why there is no answer."""

    error: Told


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything but partitions, as it was *at* one moment of lagmon's own clock."""

    version: str
    at: float
    clusters: tuple[Cluster, ...]
    groups: tuple[Group, ...]
    incidents: tuple[Incident, ...]

    def by_group(self) -> dict[tuple[str, str | None], list[Incident]]:
        """Give the open incidents by cluster and group, each time the most urgent first."""
        found: dict[tuple[str, str | None], list[Incident]] = {}
        for each in sorted(self.incidents, key=lambda one: (one.priority or "", one.since)):
            found.setdefault((each.cluster, each.group), []).append(each)
        return found


def parsed(kind: type[T], body: bytes) -> T:
    """Read *body* as a *kind*; ValueError, which says where, if it is none."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(each) for each in first["loc"])
        raise ValueError(f"{where}: {first['msg']}" if where else first["msg"]) from None
