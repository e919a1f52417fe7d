"""Send dead letters back to the topics they came from: once each, and never in a circle.

A record goes back as it came: key, value, headers, partition, in its own trace, with the one header
``dlq.replays`` more, which counts. Beside it a note is written into the dead-letter topic, that its
letter was replayed. Both stand in one transaction, so that either both are there or none: whoever
replays again finds the note and leaves the letter out. The transactional id belongs to the
dead-letter topic: who begins a replay ends any other that is under way, before he reads the notes.

Which letters go is decided in `consumers.deadletters.planning`. `Replayer` sends them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

from confluent_kafka import KafkaError, KafkaException

from consumers.deadletters.envelope import PREFIX, REPLAYS
from consumers.deadletters.letters import REPLAYED, letter_of, place_of
from consumers.deadletters.queue import PROPERTIES
from consumers.deadletters.words import LastWords, in_words
from consumers.errors import Fatal
from consumers.kafka.properties import producer_properties
from propagation import Producer, forwarded, processing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from confluent_kafka import Message

    from consumers.configuration.common import KafkaSettings
    from consumers.deadletters.letters import Letter, Place
    from consumers.types import Headers

    DeliveryCallback = Callable[[KafkaError | None, Message], None]

BATCH_RECORDS = 100
BATCH_BYTES = 8_000_000
ANSWER_SECONDS = 30.0
ANY_PARTITION = -1
# What is said about one record, not about the cluster.
OF_RECORDS: Final = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD})
# What follows from a refusal: the numbers of what stood behind the record were given out already.
OF_ORDER: Final = frozenset({KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER})
ATTEMPTS = 3  # to write one record while the client finds its order again
FENCED: Final = frozenset(
    {
        KafkaError._FENCED,  # noqa: SLF001 - its public name
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.PRODUCER_FENCED,
    }
)


def transactional_id(dlq_topic: str) -> str:
    """Name what a replay of *dlq_topic* writes as; a user needs the right to WRITE under it."""
    return f"consumers-dlq-replay.{dlq_topic}"


def returned(message: Message, replays: int) -> Headers:
    """Give the headers of the record that the dead letter *message* was, replayed *replays* times.

    They are the original's, and when it was sent first.
    """
    kept = [(name, value) for name, value in forwarded(message) if not name.startswith(PREFIX)]
    return [*kept, (REPLAYS, str(replays).encode())]


def make_producer(settings: KafkaSettings) -> Producer:
    """Make the producer of a replay, and end any other replay of the same topic.

    Raises `Fatal` when that cannot be done.
    """
    heard = LastWords()
    properties = {
        **producer_properties(settings),
        **PROPERTIES,
        **heard.callbacks(),
        "transactional.id": transactional_id(settings.dlq_topic),
    }
    try:
        producer = Producer(properties)
        producer.init_transactions(ANSWER_SECONDS)
    except (KafkaException, ValueError, TypeError) as error:
        raise Fatal(f"no replay can be begun: {heard.reason(error)}") from error
    return producer


class Replayer:
    """Writes the records of one dead-letter topic back; *partitions* counts those of each topic.

    The *producer* is the caller's, made with `transactional_id`. A letter that cannot be written
    back, because it is too large for its topic, is left as it is and told in `failures`. `done` are
    the places of those that were.
    """

    def __init__(self, producer: Producer, dlq_topic: str, partitions: Mapping[str, int]) -> None:
        self._producer = producer
        self._topic = dlq_topic
        self._partitions = partitions
        self.done: set[Place] = set()
        self.failures: list[tuple[Letter, str]] = []

    def replay(self, messages: Iterable[Message]) -> Iterator[int]:
        """Replay *messages*; give their number so far after each transaction.

        Raises `Fatal` when the rest cannot be replayed either; what was given stands.
        """
        for batch in batches(messages):
            try:
                self._together(batch)
            except _RefusedError:
                for message in batch:
                    self._alone(message)
            yield len(self.done)

    def _alone(self, message: Message) -> None:
        for _ in range(ATTEMPTS):
            try:
                return self._together([message])
            except _UpsetError as error:
                upset = error
            except _RefusedError as refused:
                return self.failures.append((letter_of(message), str(refused)))
        raise Fatal(str(upset))

    def _together(self, messages: list[Message]) -> None:
        """Replay *messages* in one transaction; `_RefusedError` if it had to be given up."""
        refusals: list[KafkaError] = []

        def on_delivery(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                refusals.append(error)

        try:
            self._producer.begin_transaction()
            for message in messages:
                with processing(message):
                    self._write(message, on_delivery)
            self._producer.commit_transaction(ANSWER_SECONDS)
        except (KafkaException, BufferError) as error:
            self._give_up(error.args[0], refusals, _origins(messages))
        self.done.update(map(place_of, messages))

    def _write(self, message: Message, on_delivery: DeliveryCallback) -> None:
        letter = letter_of(message)
        assert letter.origin is not None, "refused before"
        topic, partition, _ = letter.origin
        there = partition < self._partitions[topic]
        self._producer.produce(
            topic,
            message.value(),
            message.key(),
            partition if there else ANY_PARTITION,
            headers=[*returned(message, letter.replays + 1)],
            on_delivery=on_delivery,
        )
        self._producer.produce(
            self._topic,
            partition=letter.place.partition,
            headers=[(REPLAYED, letter.id.encode())],
            on_delivery=on_delivery,
        )
        self._producer.poll(0)

    def _give_up(self, error: object, refusals: list[KafkaError], topics: str) -> NoReturn:
        """Undo a transaction; raise `_RefusedError` over a record, `Fatal` over anything else.

        *error* may be what followed from the refusal of a record, which is reported in *refusals*
        at the latest while the transaction is undone. So is what was queued behind, as purged.
        *topics* are told: a right that is missing to one of them ends the producer for good.
        """
        first = [error] if isinstance(error, KafkaError) else []
        words = in_words(first[0]) if first else str(error)
        if any(one.code() in FENCED for one in [*first, *refusals]):
            raise Fatal(f"another replay of {self._topic} has begun: this one stops")
        if any(one.fatal() for one in [*first, *refusals]):
            raise Fatal(f"the replay to {topics} cannot go on: {words}")
        try:
            self._producer.abort_transaction(ANSWER_SECONDS)
        except KafkaException as broken:
            raise Fatal(f"the replay to {topics} cannot go on: {words}") from broken
        of_record = next((one for one in [*first, *refusals] if one.code() in OF_RECORDS), None)
        if of_record is not None:
            raise _RefusedError(f"its topic refuses it: {of_record.name()}")
        words = f"the replay to {topics} cannot go on: {words}"
        raise _UpsetError(words) if first and first[0].code() in OF_ORDER else Fatal(words)


class _RefusedError(Exception):
    """A transaction was undone because of one of its records."""


class _UpsetError(_RefusedError):
    """A transaction was undone because of what a refusal, in it or before it, left behind."""


def batches(messages: Iterable[Message]) -> Iterator[list[Message]]:
    """Cut *messages* into lists that one transaction takes."""
    batch: list[Message] = []
    size = 0
    for message in messages:
        batch.append(message)
        size += len(message.value() or b"")
        if len(batch) >= BATCH_RECORDS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _origins(messages: Iterable[Message]) -> str:
    origins = [letter_of(message).origin for message in messages]
    return ", ".join(sorted({origin.topic for origin in origins if origin}))
