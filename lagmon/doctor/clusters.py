"""What a doctor finds of one cluster: its rights, its groups, and what could not be read. Pure.

In: the cluster as configured, its snapshot, its examination. Out: findings. Who does not answer has
one finding alone: everything else would only repeat it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lagmon.collector.grants import EVERY, THE_CLUSTER, UNTOLD, consequence, grant, lack
from lagmon.doctor import brokers
from lagmon.doctor.findings import SHOWN, Finding, Level, named
from lagmon.readings import MissingRight, Resource
from lagmon.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lagmon.configuration.settings import Cluster
    from lagmon.doctor.examination import Examination, Needed
    from lagmon.readings import GroupReading, Snapshot

GROUP_REFUSED, TOPIC_REFUSED = "GROUP_AUTHORIZATION_FAILED", "TOPIC_AUTHORIZATION_FAILED"
HEARD = "last heard: "  # what stands before it says only that something failed
BLIND = "nothing would be known of its groups, and KafkaClusterBlind would page"
# By what stands in the words of librdkafka: the first that matches.
REMEDIES = (
    ("_AUTHENTICATION", "check sasl.mechanism, sasl.username and sasl.password of the cluster"),
    ("_SSL", "check ssl.ca.location, and the certificate that the cluster asks for, if any"),
    ("SSL alert", "check ssl.certificate.location and ssl.key.location of the cluster"),
    ("_RESOLVE", "check the names in bootstrap_servers, and the DNS of this machine"),
    ("Connection refused", "check host and port in bootstrap_servers, and that Kafka runs there"),
)
NO_SHARE = "it would be given no groups to watch, nor take over those of a replica that is away"
UNREACHED = "check bootstrap_servers, security.protocol, and that no firewall stands between"


def of_cluster(
    cluster: Cluster, snapshot: Snapshot, examined: Examination, *, peeks: bool
) -> Iterator[Finding]:
    """Find what there is of *cluster*; *peeks* tells whether records would be looked at."""
    where = f"cluster {cluster.name}"
    if snapshot.error is not None:
        yield _silent(where, snapshot.error, examined.error)
        return
    yield from brokers.of_examination(where, examined)
    yield from _rights(where, cluster, snapshot, examined)
    if peeks:
        yield from _reading(where, cluster, examined)
    yield from _sharing(where, cluster, examined.sharing)
    yield from _groups(where, cluster, snapshot)
    yield from brokers.of_clocks(where, examined)


def _silent(where: str, error: str, other: str | None) -> Finding:
    both = f"{error} {other or ''}"
    do = next((told for mark, told in REMEDIES if mark in both), UNREACHED)
    if other and not any(mark in error for mark, _ in REMEDIES):
        error = other  # which was asked more patiently
    cause = error.rpartition(HEARD)[2]
    return Finding(Level.FAILED, where, f"it did not answer: {cause}", BLIND, do)


def _rights(
    where: str, cluster: Cluster, snapshot: Snapshot, examined: Examination
) -> Iterator[Finding]:
    missing = missing_rights(cluster, snapshot, examined)
    for right in missing:
        level = Level.WARNING if right == UNTOLD else Level.FAILED
        yield Finding(level, where, lack(right), consequence(right), grant(right, cluster))
    if not missing:
        yield Finding(Level.OK, where, "lagmon may DESCRIBE what it is to watch")


def missing_rights(
    cluster: Cluster, snapshot: Snapshot, examined: Examination
) -> tuple[MissingRight, ...]:
    """Give the rights to DESCRIBE that are missing: as they were asked for, and as was refused."""
    found = list(snapshot.missing_rights)
    listed = not cluster.groups.static
    every_group = listed and not cluster.groups.include
    if every_group and examined.describable is False:
        found.append(THE_CLUSTER)
    if every_group and examined.groups_refused and not snapshot.groups:
        found.append(MissingRight(Resource.GROUP, EVERY))
    groups = [one.group for one in snapshot.groups if _says(one.error, GROUP_REFUSED)]
    if len(groups) > 1 and len(groups) == len(snapshot.groups) and listed:
        groups = [EVERY]
    found += [MissingRight(Resource.GROUP, name) for name in groups]
    found += [MissingRight(Resource.TOPIC, name) for name in _refused_topics(snapshot)]
    every = {one.resource for one in found if one.name == EVERY}
    return tuple(
        one for one in dict.fromkeys(found) if one.name in {"", EVERY} or one.resource not in every
    )


def _refused_topics(snapshot: Snapshot) -> list[str]:
    of_groups = (
        at.at.topic
        for group in snapshot.groups
        for at in group.committed
        if _says(at.error, TOPIC_REFUSED)
    )
    of_logs = (one.at.topic for one in snapshot.topics if _says(one.error, TOPIC_REFUSED))
    return sorted({*of_groups, *of_logs})


def _says(error: str | None, mark: str) -> bool:
    return error is not None and mark in error


def _reading(where: str, cluster: Cluster, examined: Examination) -> Iterator[Finding]:
    closed = examined.unreadable
    if not closed:
        return
    names = closed if examined.readable else (EVERY,)
    command = grant(MissingRight(Resource.TOPIC, names[0]), cluster, "Read")
    more = (grant(MissingRight(Resource.TOPIC, one), cluster, "Read") for one in names[1:])
    command += "".join(f" --topic{one.partition(' --topic')[2]}" for one in more)
    yield Finding(
        Level.WARNING,
        where,
        f"lagmon may not READ {counted(len(closed), 'topic')}: {named(closed)}",
        "a page names no trace for the oldest uncommitted record there",
        command,
    )


def _sharing(where: str, cluster: Cluster, needed: tuple[Needed, ...]) -> Iterator[Finding]:
    for one in needed:
        name, may = f"{one.resource} {one.name}", one.operation.upper()
        if one.granted is None:
            what = f"whether lagmon may {may} {name}, to share the groups, nobody told"
            yield Finding(Level.UNKNOWN, where, what)
        elif not one.granted:
            command = grant(MissingRight(one.resource, one.name), cluster, one.operation)
            yield Finding(Level.FAILED, where, f"lagmon may not {may} {name}", NO_SHARE, command)
    if needed and all(one.granted for one in needed):
        yield Finding(Level.OK, where, f"lagmon may share the groups, by group {needed[0].name}")


def _groups(where: str, cluster: Cluster, snapshot: Snapshot) -> Iterator[Finding]:
    groups = snapshot.groups
    broken = [one for one in groups if one.error and not _says(one.error, GROUP_REFUSED)]
    for one in broken[:SHOWN]:
        yield Finding(
            Level.FAILED,
            where,
            f"group {one.group} cannot be read: {one.error}",
            "its lag would be unknown, and KafkaLagUnknown may page",
            "run `lagmon once`; if it says the same, exclude the group or mend it",
        )
    if len(broken) > SHOWN:
        rest = counted(len(broken) - SHOWN, "more group")
        yield Finding(Level.FAILED, where, f"{rest} cannot be read")
    yield from _absent(where, cluster, groups)
    if groups:
        partitions = sum(len(one.committed) for one in groups)
        told = f"{counted(len(groups), 'group')} on {counted(partitions, 'partition')}"
        yield Finding(Level.OK, where, f"{told} would be watched")


def _absent(where: str, cluster: Cluster, groups: tuple[GroupReading, ...]) -> Iterator[Finding]:
    never = sorted(
        one.group
        for one in groups
        if cluster.groups.static and one.error is None and not one.members
        if not any(at.offset is not None or at.error for at in one.committed)
    )
    if never:
        yield Finding(
            Level.WARNING,
            where,
            f"never committed, without members: {named(never)}",
            "a group that is spelt wrong is never missed",
            "compare groups.static with `kafka-consumer-groups --list`",
        )
    if not groups:
        yield Finding(
            Level.WARNING,
            where,
            "no group is seen",
            "nothing would be watched",
            "check groups.include and groups.exclude, and that lagmon may see groups",
        )
