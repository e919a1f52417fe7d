"""What becomes of a topic while a group reads it: deleted and made again, larger, too old."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from confluent_kafka import TopicPartition
from confluent_kafka.cimpl import NewPartitions

from tests.faults.asking import ANSWER_SECONDS, committed_offset
from tests.faults.patience import awaited
from tests.faults.told import Told
from tests.faults.writing import Written, a_play

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.load import Load
    from tests.faults.stack import Stack
    from tests.infra.process import Service

PLAYS = 20
LOST = "consumers_records_lost_total"


@dataclass(slots=True)
class Own:
    """A topic of its own with a group of its own: the plays' is read by the watch."""

    stack: Stack
    topic: str

    def worker(self) -> Service:
        """Start a worker on the topic."""
        return self.stack.worker(CONSUMERS_TOPIC=self.topic, CONSUMERS_GROUP=self.topic)

    def play(self, number: int = PLAYS, partition: int = 0) -> list[str]:
        """Write *number* plays to *partition*, and expect each to be settled."""
        plays = [Written(a_play(one), partition=partition) for one in range(number)]
        return self.stack.good(*plays, topic=self.topic)

    def settled(self, plays: list[str]) -> None:
        """Wait until *plays* are in Postgres."""
        awaited(
            lambda: not self.stack.truth.unsettled(plays),
            what=f"the plays of {self.topic}",
        )

    def committed(self, offset: int) -> None:
        """Wait until the group has committed *offset* of the first partition."""
        awaited(
            lambda: committed_offset(self.stack.kafka, self.topic, self.topic) == offset,
            what=f"the commit of {offset}",
        )


@contextmanager
def own(stack: Stack, name: str) -> Iterator[Own]:
    """Make a topic and its dead-letter topic; the name is another one each time."""
    topic = f"{name}-{secrets.token_hex(4)}"
    stack.kafka.create_topic(topic)
    stack.kafka.create_topic(f"{topic}.dlq")
    yield Own(stack, topic)


def recreated(stack: Stack, load: Load) -> str:
    """Delete the topic of a worker at work, and make it again under its name."""
    with own(stack, "recreated") as one:
        worker = one.worker()
        one.settled(one.play())
        one.committed(PLAYS)
        told = Told(worker).here()
        stack.broker.delete_topic(one.topic)
        missed = told.wait("kafka_error", error_name="UNKNOWN_TOPIC_OR_PART")
        stack.kafka.create_topic(one.topic)
        one.settled(one.play(2 * PLAYS))
        load.more(20)
        assert worker.running
        assert stack.stop(worker) == 0
    return (
        f"{missed['error_name']} with {PLAYS} plays committed; all {2 * PLAYS} of the new topic"
        " were settled"
    )


def partitions_added(stack: Stack, load: Load) -> str:
    """Add partitions to the topic of a worker at work, and write to them at once."""
    with own(stack, "grown") as one:
        worker = one.worker()
        one.settled(one.play())
        admin, told = stack.kafka.admin(), Told(worker).here()
        admin.create_partitions([NewPartitions(one.topic, 3)])[one.topic].result(ANSWER_SECONDS)
        new = [play for number in (1, 2) for play in one.play(partition=number)]
        one.settled(new)
        added = told.wait("partitions_assigned")
        load.more(20)
        assert stack.stop(worker) == 0
    return f"{len(added['partitions'])} partitions came to one; {len(new)} plays in them settled"


def too_old(stack: Stack, load: Load) -> str:
    """Delete records that a group has not come to: it goes on, and says which it will not see."""
    with own(stack, "too-old") as one:
        worker = one.worker()
        one.settled(one.play())
        one.committed(PLAYS)
        assert stack.stop(worker) == 0
        stack.write(*(Written(a_play(number)) for number in range(PLAYS)), topic=one.topic)
        kept = one.play()
        admin = stack.kafka.admin()
        deleted = admin.delete_records([TopicPartition(one.topic, 0, 2 * PLAYS)])
        for done in deleted.values():
            done.result(ANSWER_SECONDS)
        worker = one.worker()
        one.settled(kept)
        lost = Told(worker).wait("records_lost")
        assert stack.metric(worker, LOST) == PLAYS
        assert (lost["first"], lost["last"]) == (PLAYS, 2 * PLAYS - 1), lost
        load.more(20)
        assert stack.stop(worker) == 0
    return (
        f"{lost['records']} records were gone, counted and named: offsets {lost['first']} to"
        f" {lost['last']}; the {len(kept)} after them were settled"
    )
