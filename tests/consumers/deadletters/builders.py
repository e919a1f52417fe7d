"""Messages and letters of a dead-letter topic, with defaults for all that a test leaves unsaid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consumers.deadletters.envelope import envelope
from consumers.deadletters.letters import letter_of
from consumers.errors import Poison
from propagation.testing import message
from tests.builders import record

if TYPE_CHECKING:
    from confluent_kafka import Message

    from consumers.deadletters.letters import Letter

DIED_MS = 1_700_000_500_000
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACED = [("traceparent", f"00-{TRACE_ID}-b7ad6b7169203331-01".encode())]


def dead(
    offset: int = 0,
    *,
    partition: int = 0,
    error: BaseException | None = None,
    group: str = "game",
    attempts: int = 4,
    died_ms: int | None = DIED_MS,
    **original: Any,
) -> Message:
    """Make the message that the dead letter of a record is, at *partition* and *offset*.

    *original* is what the record was, as for `tests.builders.record`.
    """
    original.setdefault("headers", [("kind", b"play"), *TRACED])
    one = record(original.pop("at", 7), **original)
    return message(
        topic="plays.dlq",
        partition=partition,
        offset=offset,
        key=one.key,
        value=one.value,
        headers=envelope(one, error or Poison("no play"), group=group, attempts=attempts),
        timestamp=died_ms,
    )


def letter(offset: int = 0, **more: Any) -> Letter:
    """Make a letter as it is read; the arguments are those of `dead`."""
    return letter_of(dead(offset, **more))
