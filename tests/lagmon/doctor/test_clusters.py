"""What a doctor finds of a cluster: each missing right by name, groups, and who does not answer."""

from __future__ import annotations

from typing import Any

import pytest

from lagmon.configuration.settings import Cluster
from lagmon.doctor.clusters import missing_rights, of_cluster
from lagmon.doctor.examination import Broker, Examination, Needed
from lagmon.doctor.findings import Finding, Level
from lagmon.readings import Committed, GroupReading, MissingRight, Resource, Snapshot
from lagmon.readings import TopicPartition as At

NOON = 1_764_000_000.0
ACLS = "kafka-acls --bootstrap-server kafka:9092 --add --allow-principal User:LAGMON --operation"
REFUSED = "GROUP_AUTHORIZATION_FAILED: Broker: Group authorization failed"
HIDDEN = "TOPIC_AUTHORIZATION_FAILED: Broker: Topic authorization failed"


def cluster(**groups: Any) -> Cluster:
    """Build a cluster with these *groups*."""
    made = {"name": "x", "bootstrap_servers": "kafka:9092", "groups": groups}
    return Cluster.model_validate(made)


def group(name: str = "settle", *, error: str | None = None, topic: str = "plays") -> GroupReading:
    """Build a group with one commit, or one that was not read."""
    committed = () if error else (Committed(At(topic, 0), 5),)
    return GroupReading(name, members=1, committed=committed, error=error)


def found(
    *groups: GroupReading, of: Cluster | None = None, peeks: bool = True, **told: Any
) -> list[Finding]:
    """Give what is found of a snapshot with *groups*; *told* is of the examination."""
    brokers = (Broker(id=1, address="kafka:9092", reached=True),)
    snapshot = Snapshot(NOON, "x", groups=groups, missing_rights=told.pop("missing", ()))
    examined = Examination(brokers=brokers, **told)
    return list(of_cluster(of or cluster(), snapshot, examined, peeks=peeks))


def bad(findings: list[Finding]) -> list[Finding]:
    """Give those that are not good."""
    return [one for one in findings if one.level in {Level.FAILED, Level.WARNING}]


@pytest.mark.parametrize(
    ("right", "what", "command"),
    [
        (MissingRight(Resource.CLUSTER), "lagmon may not DESCRIBE the cluster", "--cluster"),
        (
            MissingRight(Resource.GROUP, "pay", prefixed=True),
            "lagmon may not DESCRIBE group pay and what begins like it",
            "--group pay --resource-pattern-type prefixed",
        ),
        (
            MissingRight(Resource.TOPIC, "plays"),
            "lagmon may not DESCRIBE topic plays",
            "--topic plays",
        ),
    ],
)
def test_each_missing_right_has_the_command_that_grants_it(
    right: MissingRight, what: str, command: str
) -> None:
    """What, why, and a command that can be copied."""
    (told,) = bad(found(group(), missing=(right,)))

    assert told == Finding(Level.FAILED, "cluster x", what, told.why, f"{ACLS} Describe {command}")
    assert "may be hidden" in told.why


def test_rights_that_nobody_can_know_of_are_a_warning() -> None:
    """It is not known that anything is missing; the right on the cluster would tell."""
    (told,) = bad(found(group(), missing=(MissingRight(Resource.TOPIC),)))

    assert told.level is Level.WARNING
    assert told.what == "it cannot be known which topics are hidden"
    assert told.do == f"{ACLS} Describe --cluster"


def test_a_cluster_that_may_not_be_described_is_found_by_the_examination_too() -> None:
    """The collector may still wait for that answer."""
    (told,) = bad(found(group(), describable=False))

    assert told.what == "lagmon may not DESCRIBE the cluster"


def needed(*granted: bool | None) -> tuple[Needed, ...]:
    """Build what a replica needs to share, and whether it has it: of the group, of the topic."""
    group_, topic = granted
    offsets = {"resource": Resource.TOPIC, "name": "__consumer_offsets", "operation": "Describe"}
    return (
        Needed(resource=Resource.GROUP, name="lagmon-x", granted=group_),
        Needed.model_validate({**offsets, "granted": topic}),
    )


def test_a_replica_that_may_not_share_is_told_of_each_right_and_its_command() -> None:
    """It would watch nothing, whatever it may DESCRIBE."""
    group_, topic = bad(found(group(), sharing=needed(False, False)))

    assert (group_.level, topic.level) == (Level.FAILED, Level.FAILED)
    assert group_.what == "lagmon may not READ group lagmon-x"
    assert group_.do == f"{ACLS} Read --group lagmon-x"
    assert topic.what == "lagmon may not DESCRIBE topic __consumer_offsets"
    assert topic.do == f"{ACLS} Describe --topic __consumer_offsets"


def test_a_replica_is_said_to_share_only_where_all_is_known() -> None:
    """What nobody told is no yes, and no fault."""
    whats = [
        [one.what for one in found(group(), sharing=needed(True, last)) if "share" in one.what]
        for last in (True, None)
    ]

    assert whats == [
        ["lagmon may share the groups, by group lagmon-x"],
        ["whether lagmon may DESCRIBE topic __consumer_offsets, to share the groups, nobody told"],
    ]
    assert not bad(found(group(), sharing=needed(True, None)))


def test_where_no_group_is_seen_a_refusal_is_a_missing_right() -> None:
    """It would be the next to miss; where groups are seen, theirs count."""
    (right, _) = bad(found(groups_refused=True))

    assert right.do == f"{ACLS} Describe --group '*'"
    assert not bad(found(group(), groups_refused=True))


@pytest.mark.parametrize("groups", [{"include": ["pay.*"]}, {"static": {"settle": ["plays"]}}])
def test_who_names_groups_needs_no_right_on_the_cluster(groups: dict[str, Any]) -> None:
    """The rights on these groups are enough."""
    assert not bad(found(group(), of=cluster(**groups), describable=False))


def test_a_group_that_was_refused_is_a_missing_right() -> None:
    """It was listed, and may not be described: each by its name."""
    (told,) = bad(found(group(), group("pay", error=REFUSED)))

    assert told.what == "lagmon may not DESCRIBE group pay"
    assert told.do == f"{ACLS} Describe --group pay"


def test_where_every_group_was_refused_one_command_is_enough() -> None:
    """A hundred commands are nobody's to type."""
    (told,) = bad(found(group("a", error=REFUSED), group("b", error=REFUSED)))

    assert told.do == f"{ACLS} Describe --group '*'"


def test_groups_that_are_named_are_granted_by_name() -> None:
    """Who named two wants to see no more."""
    named = cluster(static={"a": ["plays"], "b": ["plays"]})

    told = bad(found(group("a", error=REFUSED), group("b", error=REFUSED), of=named))

    assert [one.do for one in told] == [f"{ACLS} Describe --group {name}" for name in "ab"]


def test_a_topic_that_was_refused_is_a_missing_right() -> None:
    """A named group's topics are refused one by one."""
    committed = (Committed(At("plays", 0), None, HIDDEN), Committed(At("plays", 1), None, HIDDEN))

    (told,) = bad(found(GroupReading("settle", members=1, committed=committed)))

    assert told.do == f"{ACLS} Describe --topic plays"


def test_what_is_asked_and_what_is_refused_is_one_finding() -> None:
    """The right on every topic holds that on each."""
    committed = (Committed(At("plays", 0), None, HIDDEN),)
    every = MissingRight(Resource.TOPIC, "*")
    snapshot = Snapshot(
        NOON, "x", groups=(GroupReading("a", committed=committed),), missing_rights=(every,)
    )

    assert missing_rights(cluster(), snapshot, Examination()) == (every,)


def test_topics_that_may_not_be_read_are_a_warning_with_one_command() -> None:
    """Pages go without a trace id; the command names each of them."""
    (told,) = bad(found(group(), readable=("a",), unreadable=("b", "c")))

    assert told.level is Level.WARNING
    assert told.what == "lagmon may not READ 2 topics: b, c"
    assert told.do == f"{ACLS} Read --topic b --topic c"


def test_where_no_topic_may_be_read_all_are_granted_at_once() -> None:
    """As the right to describe is granted."""
    (told,) = bad(found(group(), unreadable=("b", "c")))

    assert told.do == f"{ACLS} Read --topic '*'"


def test_who_looks_at_no_record_needs_no_right_to() -> None:
    """`peeks_per_cycle: 0` says so."""
    assert not bad(found(group(), peeks=False, unreadable=("b",)))


def test_a_group_that_fails_otherwise_is_named_with_its_error() -> None:
    """A dozen of them are ten and a number."""
    broken = [group(f"g{n:02}", error="_TIMED_OUT: no answer") for n in range(12)]

    told = bad(found(*broken))

    assert "group g00 cannot be read: _TIMED_OUT" in told[0].what
    assert told[-1].what == "2 more groups cannot be read"
    assert len(told) == 11


def test_a_named_group_that_nobody_knows_is_a_warning() -> None:
    """A name that is spelt wrong is never missed by Kafka."""
    never = GroupReading("setle", members=0, committed=(Committed(At("plays", 0), None),))

    (told,) = bad(found(never, of=cluster(static={"setle": ["plays"]})))

    assert told.what == "never committed, without members: setle"


def test_nothing_to_watch_is_a_warning() -> None:
    """A cluster without groups may be new, or wrongly filtered."""
    (told,) = bad(found())

    assert told.what == "no group is seen"


def test_what_would_be_watched_is_counted() -> None:
    """Groups, and partitions on which they committed."""
    told = [one.what for one in found(group("a"), group("b"))]

    assert "2 groups on 2 partitions would be watched" in told
    assert "lagmon may DESCRIBE what it is to watch" in told


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        ("_AUTHENTICATION: x: Invalid username or password", "sasl.password"),
        ("_SSL: certificate verify failed", "ssl.ca.location"),
        ("_TRANSPORT: failed; last heard: _TRANSPORT: Connection refused", "host and port"),
        ("_TRANSPORT: x: SSL alert number 116", "ssl.key.location"),
        ("_RESOLVE: Failed to resolve 'kafka:9092'", "DNS"),
        ("_TIMED_OUT: no answer", "security.protocol"),
    ],
)
def test_a_silent_cluster_is_one_finding_with_what_to_check(error: str, hint: str) -> None:
    """The last cause alone is told, and everything else that is not known is left out."""
    snapshot = Snapshot(NOON, "x", error=error)

    (told,) = of_cluster(cluster(), snapshot, Examination(error="the same"), peeks=True)

    assert told.level is Level.FAILED
    assert hint in told.do
    assert "last heard" not in told.what


def test_the_more_telling_of_two_errors_is_told() -> None:
    """The collector ran out of time; the examination heard why."""
    snapshot = Snapshot(NOON, "x", error="no collector: no snapshot within 20 s")
    examined = Examination(error="_SSL: certificate verify failed")

    (told,) = of_cluster(cluster(), snapshot, examined, peeks=True)

    assert told.what == "it did not answer: _SSL: certificate verify failed"
