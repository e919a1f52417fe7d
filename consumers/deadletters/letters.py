"""A record of a dead-letter topic, as far as a person wants to know it: a letter, or a note. Pure.

The counterpart of `consumers.deadletters.envelope`. Whoever may write to the topic may have written
anything: what cannot be read is `None` or empty, and nothing here raises over it. Of a record's
value the size alone is taken.

A *note* is what a replay leaves behind: a record without key and value, with the header
``dlq.replayed``, which holds the ``dlq.id`` of the letter that was replayed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from consumers.deadletters.envelope import PREFIX, REPLAYS
from consumers.traces import trace_id_of

if TYPE_CHECKING:
    from confluent_kafka import Message

REPLAYED: Final = "dlq.replayed"
MOST_DIGITS: Final = 19  # of a number that Kafka knows: 63 bits
_NO_TIMESTAMP: Final = 0  # Message.timestamp()'s type where the record has none


class Place(NamedTuple):
    """Where a letter lies in its dead-letter topic; written ``PARTITION:OFFSET``."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"


class Origin(NamedTuple):
    """Where the record was that was given up; written ``TOPIC[PARTITION]@OFFSET``."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter. Times are in milliseconds since the epoch.

    *written_ms* is when it died, *origin_ms* the time of the original record. *replays* counts how
    often the record had been replayed before this death. *key* is the original's, *size* the bytes
    of its value, ``None`` for a tombstone.
    """

    place: Place
    written_ms: int | None
    id: str
    origin: Origin | None
    origin_ms: int | None
    group: str
    attempts: int | None
    error_type: str
    error_message: str
    replays: int
    trace_id: str | None
    key: bytes | None
    size: int | None


def letter_of(message: Message) -> Letter:
    """Read the dead letter that *message* is."""
    own = _own(message)
    kind, written_ms = message.timestamp()
    value = message.value()
    return Letter(
        place=place_of(message),
        written_ms=None if kind == _NO_TIMESTAMP else written_ms,
        id=own.get("dlq.id", ""),
        origin=_origin(own),
        origin_ms=number(own.get("dlq.origin.timestamp_ms")),
        group=own.get("dlq.group", ""),
        attempts=number(own.get("dlq.attempts")),
        error_type=own.get("dlq.error.type", ""),
        error_message=own.get("dlq.error.message", ""),
        replays=number(own.get(REPLAYS)) or 0,
        trace_id=trace_id_of(message),
        key=message.key(),
        size=None if value is None else len(value),
    )


def place_of(message: Message) -> Place:
    """Say where *message* lies."""
    partition, offset = message.partition(), message.offset()
    assert partition is not None, "a record that was read has a partition"
    assert offset is not None, "a record that was read has an offset"
    return Place(partition, offset)


def replayed_by(message: Message) -> str | None:
    """Give the id of the letter that *message* notes as replayed; ``None`` if it is no note."""
    return _own(message).get(REPLAYED)


def number(text: str | None) -> int | None:
    """Read a number that is not negative; ``None`` for anything else."""
    if text is None or len(text) > MOST_DIGITS or not (text.isascii() and text.isdigit()):
        return None
    return int(text)


def _own(message: Message) -> dict[str, str]:
    """Give the headers that the dead-letter queue has added; the last of each name counts."""
    headers = message.headers()
    return {
        name: value.decode("utf-8", "replace") if isinstance(value, bytes) else (value or "")
        for name, value in (headers if isinstance(headers, list) else ())
        if name.startswith(PREFIX)
    }


def _origin(own: dict[str, str]) -> Origin | None:
    topic = own.get("dlq.origin.topic")
    partition = number(own.get("dlq.origin.partition"))
    offset = number(own.get("dlq.origin.offset"))
    if not topic or partition is None or offset is None:
        return None
    return Origin(topic, partition, offset)
