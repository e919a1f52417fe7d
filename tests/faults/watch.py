"""Watch what the group commits while a fault lasts: no commit may pass a record that is unfinished.

A thread of its own reads every record of the topic, and again and again the committed offsets; what
a commit has passed must at that moment be in Postgres, or be a dead letter. It goes around every
proxy. While Kafka or Postgres is away it waits, and looks at what was committed when both are back.

A client that gets no answer for long is replaced: librdkafka may lose every broker for good when it
hears of none (confluentinc/librdkafka#5301), which is no fault of what is watched.
"""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING

import psycopg
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from tests.faults.account import Letter, Place

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    from confluent_kafka import Message

LOOK_SECONDS = 0.1
ANSWER_SECONDS = 2.0
START_SECONDS = 60.0
SILENT_SECONDS = 20.0  # then another client is asked
AT_ONCE = 2000  # records
# A dead letter is read some time after it was written; then it is missing.
LETTER_LOOKS = 50
WRITTEN = "SELECT play_id FROM plays WHERE play_id = ANY(%s)"


class Watch:
    """Watch *group* on *topic* and its dead letters, and the plays in *database*.

    A context manager: begins and ends. What it found may be read at any time.
    """

    def __init__(
        self, servers: str, group: str, topic: str, partitions: int, database: str
    ) -> None:
        self._topic, self._dlq, self._database = topic, f"{topic}.dlq", database
        self._own = [TopicPartition(topic, number) for number in range(partitions)]
        self._settings = {
            "bootstrap.servers": servers,
            "group.id": group,  # to ask what it has committed; never a member
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "log_level": 0,
        }
        self._consumer = Consumer(self._settings)
        self._answered_at = time.monotonic()
        self._failure: BaseException | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watch")
        self._connection: psycopg.Connection | None = None
        self._looks: dict[Place, int] = {}
        self._held: dict[int, int] = {}
        self.records: dict[Place, str | None] = {}
        self.letters: list[Letter] = []
        self.committed: dict[int, int] = {}
        self.passed: list[Place] = []
        self.moved = 0  # commits that were seen and held against the truth

    def __enter__(self) -> Self:
        of_dlq = self._consumer.list_topics(self._dlq, START_SECONDS).topics[self._dlq]
        letters = [TopicPartition(self._dlq, number) for number in of_dlq.partitions]
        from_start = [
            TopicPartition(one.topic, one.partition, OFFSET_BEGINNING)
            for one in (*self._own, *letters)
        ]
        self._consumer.assign(from_start)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._disconnect()
        self._consumer.close()

    def also(self, topic: str) -> None:
        """Read dead letters from partition 0 of *topic*, too."""
        self._consumer.incremental_assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])

    def check(self) -> None:
        """Raise what has ended the watch, if anything has."""
        if self._failure is not None:
            raise RuntimeError("the watch has ended") from self._failure

    def _watch(self) -> None:
        try:
            self._look_on()
        except BaseException as failure:
            self._failure = failure
            raise

    def _look_on(self) -> None:
        while not self._over.is_set():
            committed = self._commits()
            for message in self._consumer.consume(AT_ONCE, LOOK_SECONDS):
                if message.error() is None:
                    self._read(message)
            if committed:
                self._hold(committed)

    def _commits(self) -> dict[int, int]:
        try:
            answer = self._consumer.committed(self._own, ANSWER_SECONDS)
        except KafkaException:
            if time.monotonic() - self._answered_at > SILENT_SECONDS:
                self._renew()
            return {}
        self._answered_at = time.monotonic()
        return {one.partition: one.offset for one in answer if not one.error and one.offset >= 0}

    def _renew(self) -> None:
        """Go on with another client where this one is."""
        old, self._consumer = self._consumer, Consumer(self._settings)
        places = old.position(old.assignment())
        for place in places:
            place.offset = place.offset if place.offset >= 0 else OFFSET_BEGINNING
        self._consumer.assign(places)
        self._answered_at = time.monotonic()
        threading.Thread(target=old.close, daemon=True).start()

    def _read(self, message: Message) -> None:
        partition, offset = message.partition(), message.offset()
        assert partition is not None
        assert offset is not None
        if message.topic() == self._topic:
            self.records[Place(partition, offset)] = play_in(message.value())
        else:
            self.letters.append(letter_of(message))

    def _hold(self, committed: dict[int, int]) -> None:
        """Hold *committed* against what is finished, once for each record that it has passed."""
        passed = [
            Place(partition, offset)
            for partition, end in committed.items()
            for offset in range(self._held.get(partition, 0), end)
        ]
        if not all(place in self.records for place in passed):
            return  # not read yet: the next look will
        try:
            written = self._written(passed)
        except psycopg.OperationalError:
            return
        kept = {letter.origin for letter in self.letters}
        missing = [p for p in passed if self.records[p] not in written and p not in kept]
        if any(self._still_to_come(place) for place in missing):
            return
        self.passed += missing
        self.moved += self._held != committed
        self._held |= committed
        self.committed = dict(committed)

    def _still_to_come(self, place: Place) -> bool:
        """Say whether a dead letter of *place* may only not have been read yet."""
        if self.records[place] is not None:
            return False
        self._looks[place] = self._looks.get(place, 0) + 1
        return self._looks[place] < LETTER_LOOKS

    def _written(self, places: Iterable[Place]) -> set[str]:
        plays = [play for place in places if (play := self.records[place])]
        if not plays:
            return set()
        try:
            if self._connection is None:
                # Kept: for a new one the server starts a process, ten times a second.
                self._connection = psycopg.connect(
                    self._database, connect_timeout=2, autocommit=True
                )
            return {row[0] for row in self._connection.execute(WRITTEN, [plays])}
        except psycopg.OperationalError:
            self._disconnect()
            raise

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def play_in(value: str | bytes | None) -> str | None:
    """Give the id of the play in a record's *value*, ``None`` if there is none to be read."""
    try:
        play_id = json.loads(value or b"")["play_id"]
    except (ValueError, TypeError, KeyError):
        return None
    return play_id if isinstance(play_id, str) else None


def letter_of(message: Message) -> Letter:
    """Read where a dead letter comes from."""
    headers = message.headers()
    assert isinstance(headers, list)
    own = {name: value for name, value in headers if isinstance(value, bytes)}
    origin = Place(int(own["dlq.origin.partition"]), int(own["dlq.origin.offset"]))
    return Letter(own["dlq.id"].decode(), origin)
