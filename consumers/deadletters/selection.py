"""Which dead letters somebody means: by time, exception, key, origin, trace, group, or one by one.

Pure: values and texts in, `Selection` or `ValueError` out, with the sentence that says what would
be right.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from consumers.configuration.fields import parse_duration
from consumers.deadletters.letters import Place, number

if TYPE_CHECKING:
    from consumers.deadletters.letters import Letter

UNITS = frozenset("smhd")  # the last letters of a duration
DAYS = re.compile(r"(\d{1,5})d")
TRACE = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Selection:
    """All of what is set must fit; what is ``None`` or empty fits everything.

    *since_ms* and *until_ms* bound the time of the death, the first included, the second not.
    *error* is the full name of an exception or its last part. *topic* and *partition* are those of
    the original record.
    """

    since_ms: int | None = None
    until_ms: int | None = None
    error: str = ""
    key: bytes | None = None
    topic: str = ""
    partition: int | None = None
    trace_id: str = ""
    group: str = ""
    places: frozenset[Place] = frozenset()

    def takes(self, letter: Letter) -> bool:
        """Say whether *letter* is meant."""
        return (
            self._in_time(letter)
            and self._from_there(letter)
            and (not self.error or self.error in _names(letter.error_type))
            and (self.key is None or self.key == letter.key)
            and (not self.trace_id or self.trace_id == letter.trace_id)
            and (not self.group or self.group == letter.group)
            and (not self.places or letter.place in self.places)
        )

    def _in_time(self, letter: Letter) -> bool:
        if self.since_ms is None and self.until_ms is None:
            return True
        at = letter.written_ms
        if at is None:
            return False
        return (self.since_ms or 0) <= at and (self.until_ms is None or at < self.until_ms)

    def _from_there(self, letter: Letter) -> bool:
        origin = letter.origin
        if not self.topic:
            return True
        if origin is None or origin.topic != self.topic:
            return False
        return self.partition is None or self.partition == origin.partition


def moment(text: str, now: datetime) -> int:
    """Read a time, or how long ago it was, as milliseconds since the epoch."""
    try:
        at = _earlier(text, now) if text[-1:] in UNITS else datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise ValueError(
            "write a time such as 2025-11-24T16:00:00Z, or how long ago it was: 15m, 2h, 7d"
        ) from None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return round(at.timestamp() * 1000)


def place(text: str) -> Place:
    """Read ``PARTITION:OFFSET``."""
    partition, _, offset = text.partition(":")
    found = number(partition), number(offset)
    if found[0] is None or found[1] is None:
        raise ValueError("write a letter as PARTITION:OFFSET, such as 0:17")
    return Place(found[0], found[1])


def topic_partition(text: str) -> tuple[str, int | None]:
    """Read ``TOPIC`` or ``TOPIC:PARTITION``."""
    topic, colon, partition = text.partition(":")
    found = number(partition)
    if not topic or (colon and found is None):
        raise ValueError("write TOPIC or TOPIC:PARTITION, such as plays:3")
    return topic, found


def trace_id(text: str) -> str:
    """Read a trace id."""
    if TRACE.fullmatch(text.lower()) is None:
        raise ValueError("a trace id is 32 hex digits")
    return text.lower()


def _names(error_type: str) -> tuple[str, str]:
    return error_type, error_type.rpartition(".")[2]


def _earlier(text: str, now: datetime) -> datetime:
    if match := DAYS.fullmatch(text):
        return now - timedelta(days=int(match[1]))
    ago = parse_duration(text)
    assert isinstance(ago, timedelta)
    return now - ago
