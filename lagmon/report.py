"""What lagmon gives to the outside about its clusters: the board hands it out, pages show it.

Frozen values of tuples, like those of `lagmon.model`, swapped as a whole and never changed, so that
whoever renders one sees one moment. No I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from lagmon.alerts.rules import Rule
    from lagmon.judge.suspects import Answer
    from lagmon.metrics import Metric
    from lagmon.model import ClusterLag, GroupLag, Incident, IncidentChange, IncidentKey
    from lagmon.readings import MissingRight, PartitionOffsets, Share, StepDuration, TopicPartition

RULE = "{rule}"  # in the address of runbooks: the name of the rule


@dataclass(frozen=True, slots=True)
class OldestRecord:
    """The oldest record that a group has not committed: where it stands, not what is to blame.

    *timestamp* is the record's own, in seconds. *trace_id* is ``None`` beside a *trace_unknown*
    that says why; a *trace_unknown* beside a trace id says why no trace will be found under it.
    *size* is in bytes, of key and value. *headers* are names and texts of those that the settings
    allow. *pending* says that its transaction had not ended when it was looked at.
    """

    at: TopicPartition
    offset: int
    timestamp: float | None = None
    key_hash: str | None = None
    trace_id: str | None = None
    trace_unknown: str | None = None
    size: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    pending: bool = False

    def concerns(self, key: IncidentKey) -> bool:
        """Tell whether it lies where the incident of *key* is about, the group being the same."""
        is_there = key.topic in {None, self.at.topic} and key.partition in {None, self.at.partition}
        return key.group is not None and is_there


@dataclass(frozen=True, slots=True)
class Total:
    """One running count since the start, told apart by *reason*."""

    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class ClusterReport:
    """One cluster as last seen.

    *lag* and *topics* are the last known values, for as long as they may be shown: *failed_cycles*
    tells how stale they are, and after too many *lag* is ``None``. *asked* counts every cycle.
    *list_errors* say, as long as *lag* is shown, why something may be missing from it, and
    *missing_rights* name those of the reasons that are rights.
    *error* says why the last one failed; ``None`` means that the cluster is up. *records* has the
    one to show for each group that an incident is open or pending for, *answers* what was found at
    each of their partitions. *maintenance* is what nobody is to be woken by. *restarts*,
    *group_errors*, *cycles*, *clamped* and *sanitised* only grow. Where replicas share the cluster
    *share* is what this one shows of it.
    """

    cluster: str
    asked: int = 0
    failed_cycles: int = 0
    error: str | None = None
    last_success: float | None = None
    lag: ClusterLag | None = None
    list_errors: tuple[str, ...] = ()
    missing_rights: tuple[MissingRight, ...] = ()
    topics: tuple[PartitionOffsets, ...] = ()
    durations: tuple[StepDuration, ...] = ()
    pending: frozenset[str] = frozenset()
    incidents: tuple[Incident, ...] = ()
    records: tuple[tuple[str, OldestRecord], ...] = ()
    answers: tuple[Answer, ...] = ()
    maintenance: tuple[IncidentKey, ...] = ()
    restarts: int = 0
    group_errors: tuple[Total, ...] = ()
    cycles: tuple[Total, ...] = ()
    clamped: int = 0
    sanitised: int = 0
    share: Share | None = None

    @property
    def is_confirmed(self) -> bool:
        """Whether what is shown is this replica's for certain; it may have nothing to show."""
        return self.share is None or bool(self.share.owned) or self.share.why is None


@dataclass(frozen=True, slots=True)
class Sent:
    """How many alerts one notifier has handled with one *outcome* since the start."""

    notifier: str
    outcome: str
    count: int


@dataclass(frozen=True, slots=True)
class Own:
    """One number about lagmon itself: its *metric*, its *value*, those of its labels."""

    metric: Metric
    value: float
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that is published at one moment, in the order of the configuration."""

    version: str
    clusters: tuple[ClusterReport, ...] = ()
    sent: tuple[Sent, ...] = ()
    own: tuple[Own, ...] = ()


@dataclass(frozen=True, slots=True)
class Notice:
    """One change of an incident with all that somebody who is woken by it wants to know.

    *rule* is as it is for the group. *at* is the time of the judgement. *group* is ``None`` when it
    is gone or could not be read, or when the incident is about a cluster; *detail* is then what the
    cluster said, and *answered* whether it gave a list of its groups, which may not be whole.
    """

    change: IncidentChange
    rule: Rule
    at: float
    group: GroupLag | None = None
    record: OldestRecord | None = None
    detail: str | None = None
    answered: bool = False


@dataclass(frozen=True, slots=True)
class Reach:
    """How people reach the *cluster* with Kafka's own tools: its bootstrap *servers*.

    Where it is *secured*, they need a file with properties of their own.
    """

    cluster: str
    servers: str
    secured: bool = False


@dataclass(frozen=True, slots=True)
class Links:
    """Where the outside can read on; an empty one leaves the link out.

    *jaeger* is the address of its UI, *runbook* of the page on what to do, in which ``{rule}``
    stands for the name of the rule, *lagmon* our own. *reaches* has the clusters by name.
    """

    jaeger: str = ""
    runbook: str = ""
    lagmon: str = ""
    reaches: tuple[Reach, ...] = ()

    def runbook_of(self, rule: Rule | None) -> str:
        """Give the address of what to do about *rule*: its own, or else that of all rules."""
        if rule is None:  # it was taken out of the configuration, its incident is still open
            return "" if RULE in self.runbook else self.runbook
        return rule.runbook or self.runbook.replace(RULE, rule.name)

    def reach(self, cluster: str) -> Reach | None:
        """Give how *cluster* is reached, if that is known."""
        return next((each for each in self.reaches if each.cluster == cluster), None)

    def trace(self, trace_id: str) -> str:
        """Give the address under which Jaeger shows the trace, or nothing."""
        return f"{self.jaeger.rstrip('/')}/trace/{quote(trace_id, safe='')}" if self.jaeger else ""
