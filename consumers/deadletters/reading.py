"""Read a dead-letter topic from end to end, as often as one likes: nothing is committed.

What is written after the reading began is left for the next one, so that it always ends. Records of
transactions that were not committed are not given: of a replay that broke off nothing is seen.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from consumers.deadletters.letters import Letter, Place, letter_of, replayed_by
from consumers.deadletters.words import LastWords
from consumers.errors import Fatal
from consumers.kafka.properties import reader_properties

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from confluent_kafka import Message

    from consumers.configuration.common import KafkaSettings
    from consumers.deadletters.selection import Selection

ANSWER_SECONDS = 10.0
AT_ONCE = 500  # records that are taken from the client in one call
POLL_SECONDS = 0.5
READER = "consumers-dlq"  # a group that nobody joins; the client wants one
_END = KafkaError._PARTITION_EOF  # noqa: SLF001 - its public name


class Survey:
    """What is in a dead-letter topic: every letter, and the ids of those that were replayed."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.replayed: set[str] = set()

    def add(self, message: Message) -> None:
        """Take one record of the topic."""
        if (note := replayed_by(message)) is not None:
            self.replayed.add(note)
        else:
            self.letters.append(letter_of(message))


class DeadLetterTopic:
    """The dead-letter topic of *settings*. A context manager: closes its client."""

    def __init__(self, settings: KafkaSettings) -> None:
        self.name = settings.dlq_topic
        self._servers = settings.bootstrap_servers
        self._heard = LastWords()
        try:
            self._consumer = Consumer({**_properties(settings), **self._heard.callbacks()})
        except (KafkaException, ValueError, TypeError) as error:
            raise Fatal(f"no consumer can be made: {self._heard.reason(error)}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def partitions(self) -> dict[str, int]:
        """Count the partitions of every topic that can be seen.

        Raises `Fatal` when no broker answers, or the dead-letter topic is missing.
        """
        try:
            listed = self._consumer.list_topics(timeout=ANSWER_SECONDS).topics
        except KafkaException as error:
            raise self._unanswered(error) from error
        counts = {name: len(one.partitions) for name, one in listed.items() if one.error is None}
        if self.name not in counts:
            raise Fatal(f"there is no topic {self.name}, or this user may not see it")
        return counts

    def survey(self, selection: Selection) -> Survey:
        """Read the topic; give the letters that *selection* takes, in the order of their deaths.

        Beginning at its earliest time leaves no note out: a note lies behind its letter, in the
        same partition, whatever clock its writer had.
        """
        survey = Survey()
        for message in self.messages(selection.since_ms):
            survey.add(message)
        survey.letters = sorted(
            (letter for letter in survey.letters if selection.takes(letter)),
            key=lambda letter: (letter.written_ms or 0, letter.place),
        )
        return survey

    def messages(self, since_ms: int | None = None) -> Iterator[Message]:
        """Give every record that is there now, from *since_ms* on if that is given.

        Records of one partition come in their order.
        """
        count = self.partitions()[self.name]
        try:
            starts, ends = self._bounds(count, since_ms)
            yield from self._between(starts, ends)
        except KafkaException as error:
            raise self._unanswered(error) from error

    def message(self, place: Place) -> Message | None:
        """Give the record at *place*, ``None`` if there is none."""
        if place.partition >= self.partitions()[self.name]:
            return None
        start = {place.partition: place.offset}
        try:
            low, high = self._watermarks(place.partition)
            if not low <= place.offset < high:
                return None
            for message in self._between(start, {place.partition: place.offset + 1}):
                return message
        except KafkaException as error:
            raise self._unanswered(error) from error
        return None

    def _bounds(self, count: int, since_ms: int | None) -> tuple[dict[int, int], dict[int, int]]:
        marks = {partition: self._watermarks(partition) for partition in range(count)}
        starts = {partition: low for partition, (low, _) in marks.items()}
        ends = {partition: high for partition, (_, high) in marks.items()}
        if since_ms is not None:
            asked = [TopicPartition(self.name, one, max(since_ms, 0)) for one in marks]
            for at in self._consumer.offsets_for_times(asked, timeout=ANSWER_SECONDS):
                # Less than 0: nothing there is as late as that.
                starts[at.partition] = at.offset if at.offset >= 0 else ends[at.partition]
        return starts, ends

    def _watermarks(self, partition: int) -> tuple[int, int]:
        at = TopicPartition(self.name, partition)
        found = self._consumer.get_watermark_offsets(at, timeout=ANSWER_SECONDS)
        if found is None:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001 - as above
        return found

    def _between(self, starts: dict[int, int], ends: dict[int, int]) -> Iterator[Message]:
        """Read each partition from its start up to, and without, its end."""
        left = {one: end for one, end in ends.items() if one in starts and starts[one] < end}
        self._consumer.assign([TopicPartition(self.name, one, starts[one]) for one in left])
        heard_at = time.monotonic()
        while left:
            messages = self._consumer.consume(AT_ONCE, timeout=POLL_SECONDS)
            for message in messages:
                partition, offset = _position(message)
                if message.error() is None and offset < left.get(partition, 0):
                    yield message
                if message.error() is not None or offset + 1 >= left.get(partition, 0):
                    left.pop(partition, None)
            if messages:
                heard_at = time.monotonic()  # only now: whoever takes them may be slow
            elif time.monotonic() - heard_at > ANSWER_SECONDS:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001 - as above
        self._consumer.unassign()

    def _unanswered(self, error: KafkaException) -> Fatal:
        self._consumer.poll(0)  # callbacks are served from here alone
        why = self._heard.reason(error)
        return Fatal(f"{self.name} at {self._servers} cannot be read: {why}")


def _position(message: Message) -> tuple[int, int]:
    """Say where *message* is: a record, or the end of its partition. Other errors are raised."""
    error = message.error()
    if error is not None and error.code() != _END:
        raise KafkaException(error)
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    return partition, offset


def _properties(settings: KafkaSettings) -> dict[str, Any]:
    """Give the properties of a consumer that joins no group."""
    joining = {"group.instance.id", "group.protocol", "group.remote.assignor"}
    given = reader_properties(settings)
    return {
        **{name: value for name, value in given.items() if name not in joining},
        "client.id": READER,
        "group.id": READER,
        "auto.offset.reset": "earliest",
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
    }
