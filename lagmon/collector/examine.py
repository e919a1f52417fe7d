"""Look at a cluster as a doctor does, as a process: ``python -m lagmon.collector.examine``.

Comes in on stdin: the configuration of one cluster as one line of JSON, secrets and all. Goes out
on stdout: one `Examination` as JSON, within the cycle's deadline. Nothing is written to the cluster
and nothing is read of any record. It is a process because librdkafka can abort the one that it
lives in; what it leaves behind on stderr is nobody's to read.
"""

from __future__ import annotations

import os
import sys
import time
from threading import Thread
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined] # documented to be there
    AclOperation,
    AdminClient,
    OffsetSpec,
)

from lagmon.collector.answers import REFUSED, Failure, failure
from lagmon.collector.calls import Deadline
from lagmon.collector.client import CALM, configuration
from lagmon.collector.grants import STRANGER
from lagmon.collector.heard import LISTENING, Heard
from lagmon.collector.process import take_stdout
from lagmon.configuration.settings import CollectorSettings
from lagmon.doctor.clocks import are_known
from lagmon.doctor.examination import Broker, Examination, Glance, Needed
from lagmon.readings import Resource
from lagmon.sharding.ownership import OFFSETS_TOPIC as COMMITS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future

    from confluent_kafka.admin import ClusterMetadata  # type: ignore[attr-defined] # the same

    from lagmon.configuration.settings import Cluster
    from lagmon.configuration.sharing import Replica

TELLING = ("Metadata", 8)  # from which on brokers tell what may be done to the cluster
POLL_SECONDS = 0.1
GLANCE_SECONDS = 1.0  # between two glances at the clocks
CLOCKS_SECONDS = 7.0  # a consumer commits every five seconds unless it is told otherwise
CONNECT_SECONDS = 3.0  # beyond which a broker counts as not reached
TOPICS_AT_MOST = 1000
UNSEEN = f"lagmon sees no topic {COMMITS}: nothing was ever committed, or it may not DESCRIBE it"
NEWEST = OffsetSpec.max_timestamp()  # type: ignore[no-untyped-call] # documented
EMPTY = -1  # Kafka's answer for a partition without a record; what is lower was not answered


def main() -> None:
    """Answer once, and end at once: a client that waits for its own end may block."""
    answers = take_stdout()
    settings = CollectorSettings.model_validate_json(sys.stdin.buffer.readline() or b"{}")
    answers.write(examine(settings).model_dump_json().encode() + b"\n")
    answers.flush()
    os._exit(0)


def examine(settings: CollectorSettings) -> Examination:
    """Look at the cluster of *settings*."""
    until = Deadline(settings.cycle_deadline)
    heard = Heard()
    config = {**CALM, **configuration(settings.cluster), **LISTENING, **heard.callbacks}
    try:
        admin = AdminClient(config, logger=heard.logger)
        Thread(target=_listen, args=(admin,), name="poll", daemon=True).start()
        metadata = admin.list_topics(timeout=until.left(settings.request_timeout))
    except KafkaException as error:
        return Examination(error=heard.telling or failure(error).words)
    describable = _describable(admin, heard, until.left(settings.request_timeout))
    groups_refused = _are_groups_refused(admin, until.left(settings.request_timeout))
    seconds = until.left(settings.request_timeout)
    readable, unreadable = _rights(admin, settings.cluster, metadata, seconds)
    sharing = _sharing(admin, settings.replica, until.left(settings.request_timeout))
    glances, untold = _clocks(admin, metadata, until)
    _await_brokers(heard, metadata, until)
    return Examination(
        brokers=_brokers(heard, metadata),
        describable=describable,
        groups_refused=groups_refused,
        readable=readable,
        unreadable=unreadable,
        sharing=sharing,
        glances=glances,
        clocks_untold=untold,
    )


def _listen(admin: AdminClient) -> None:
    """Have librdkafka say what it has to say, and fetch its tokens, while others wait."""
    while True:
        admin.poll(POLL_SECONDS)


def _answer(future: Future[Any], seconds: float) -> Any | Failure:
    try:
        return future.result(seconds)
    except (KafkaException, TimeoutError) as error:
        return failure(error)


def _describable(admin: AdminClient, heard: Heard, seconds: float) -> bool | None:
    """Tell whether the cluster may be described, None if nobody tells.

    The client gives None for nothing, and where brokers do not tell: those of before 2.3.
    """
    asked = admin.describe_cluster(include_authorized_operations=True, request_timeout=seconds)
    told = _answer(asked, seconds)
    if isinstance(told, Failure):
        return None
    if told.authorized_operations is None:
        return False if heard.one_speaks(*TELLING) else None
    return AclOperation.DESCRIBE in told.authorized_operations


def _are_groups_refused(admin: AdminClient, seconds: float) -> bool:
    """Tell whether a group that there is not is refused, as each would be that nobody granted."""
    asked = admin.describe_consumer_groups([STRANGER], request_timeout=seconds)
    told = _answer(asked[STRANGER], seconds)
    return isinstance(told, Failure) and told.words.startswith(REFUSED)


def _rights(
    admin: AdminClient, cluster: Cluster, metadata: ClusterMetadata, seconds: float
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give the topics that may be read, and those that may not; one nobody tells of is neither."""
    names = sorted(n for n in metadata.topics if cluster.topics.accepts(n) and n != COMMITS)
    if not names:
        return (), ()
    asked = TopicCollection(names[:TOPICS_AT_MOST])
    told = admin.describe_topics(asked, include_authorized_operations=True, request_timeout=seconds)
    may: dict[bool, list[str]] = {True: [], False: []}
    for name, future in told.items():
        answer = _answer(future, seconds)
        if not isinstance(answer, Failure) and answer.authorized_operations is not None:
            may[AclOperation.READ in answer.authorized_operations].append(name)
    return tuple(may[True]), tuple(may[False])


def _sharing(admin: AdminClient, replica: Replica | None, seconds: float) -> tuple[Needed, ...]:
    """Tell whether *replica* may be a member of its group, without being one.

    Kafka tells what may be done with a group that there is not yet, too.
    """
    if replica is None or not replica.group:
        return ()
    group = admin.describe_consumer_groups(
        [replica.group], include_authorized_operations=True, request_timeout=seconds
    )
    topic = admin.describe_topics(TopicCollection([COMMITS]), request_timeout=seconds)
    return (
        _needed(Resource.GROUP, replica.group, _answer(group[replica.group], seconds)),
        _visible(COMMITS, _answer(topic[COMMITS], seconds)),
    )


def _visible(topic: str, answer: Any | Failure) -> Needed:
    """Tell whether *topic*, of which a replica reads nothing, may be seen."""
    refused = isinstance(answer, Failure) and answer.words.startswith(REFUSED)
    granted = None if isinstance(answer, Failure) and not refused else not refused
    return Needed(resource=Resource.TOPIC, name=topic, operation="Describe", granted=granted)


def _needed(resource: Resource, name: str, answer: Any | Failure) -> Needed:
    if isinstance(answer, Failure):  # what may be READ may be DESCRIBED
        granted = False if answer.words.startswith(REFUSED) else None
    elif answer.authorized_operations is None:
        granted = None
    else:
        granted = AclOperation.READ in answer.authorized_operations
    return Needed(resource=resource, name=name, granted=granted)


def _clocks(
    admin: AdminClient, metadata: ClusterMetadata, until: Deadline
) -> tuple[tuple[Glance, ...], str | None]:
    """Glance at the newest commits until each broker's clock is known, or the time is over."""
    if COMMITS not in metadata.topics:
        return (), UNSEEN
    leaders = {n: one.leader for n, one in metadata.topics[COMMITS].partitions.items()}
    until = until.shorter(CLOCKS_SECONDS)
    glances: list[Glance] = []
    while until.left():
        found = _glance(admin, leaders, until)
        if isinstance(found, Failure):
            return tuple(glances), None if glances else found.words
        glances.append(found)
        if are_known(glances):
            break
        time.sleep(until.left(GLANCE_SECONDS))
    return tuple(glances), None


def _glance(admin: AdminClient, leaders: dict[int, int], until: Deadline) -> Glance | Failure:
    asked = {TopicPartition(COMMITS, n): NEWEST for n in leaders}
    seconds = max(GLANCE_SECONDS, until.left())
    began = time.time()
    futures = admin.list_offsets(asked, request_timeout=seconds)
    told = {at.partition: _answer(one, seconds) for at, one in futures.items()}
    ended = time.time()
    known = {n: one for n, one in told.items() if not isinstance(one, Failure)}
    if not known:
        return next(one for one in told.values() if isinstance(one, Failure))
    newest = {
        n: (leaders[n], one.timestamp / 1000 if one.offset >= 0 else None)
        for n, one in known.items()
        if one.offset >= EMPTY
    }
    return Glance(asked=began, answered=ended, newest=newest)


def _await_brokers(heard: Heard, metadata: ClusterMetadata, until: Deadline) -> None:
    """Wait until every broker is reached, for as long as connecting may take."""
    until = until.shorter(CONNECT_SECONDS)
    while until.left() and not heard.up.issuperset(metadata.brokers):
        time.sleep(POLL_SECONDS)


def _brokers(heard: Heard, metadata: ClusterMetadata) -> tuple[Broker, ...]:
    return tuple(_broker(heard, n, f"{one.host}:{one.port}") for n, one in _by_id(metadata))


def _by_id(metadata: ClusterMetadata) -> Iterable[tuple[int, Any]]:
    return sorted(metadata.brokers.items())


def _broker(heard: Heard, number: int, address: str) -> Broker:
    reached = number in heard.up
    return Broker(
        id=number,
        address=address,
        reached=reached,
        error=None if reached else heard.error_of(address),
        speaks=heard.speaks(address),
    )


if __name__ == "__main__":
    main()
