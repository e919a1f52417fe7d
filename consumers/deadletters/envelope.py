"""What is written onto a record that was given up: where it came from, and why. Pure.

Key, value and headers are those of the original; headers that start with ``dlq.`` are added, all
UTF-8 text. `envelope` writes them, `consumers.deadletters.letters` reads them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from propagation import forwarded

if TYPE_CHECKING:
    from consumers.types import Headers, Record

PREFIX: Final = "dlq."
REPLAYS: Final = "dlq.replays"  # written by a replay; how often this record was given another go
# Characters of an exception's message that are kept: enough to recognise it, too few to matter
# for max.message.bytes as a rule.
MESSAGE_CHARACTERS: Final = 1000


def envelope(
    record: Record,
    error: BaseException,
    *,
    group: str,
    attempts: int,
    characters: int = MESSAGE_CHARACTERS,
) -> Headers:
    """Give the headers of the dead letter of *record*, which *error* ended after *attempts* tries.

    The original's come first, in order and with duplicates, and when it was sent first: its
    end-to-end time goes on. Those of an earlier death are left out: what they said is about another
    record, the one that was replayed. How often it was replayed stays. Of the exception's message
    the first *characters* are kept.
    """
    timestamp = "" if record.timestamp_ms is None else str(record.timestamp_ms)
    own = {
        "id": dedup_id(record, group),
        "origin.topic": record.topic,
        "origin.partition": str(record.partition),
        "origin.offset": str(record.offset),
        "origin.timestamp_ms": timestamp,
        "group": group,
        "attempts": str(attempts),
        "error.type": f"{type(error).__module__}.{type(error).__qualname__}",
        "error.message": said(error)[:characters],
    }
    return [
        *(pair for pair in forwarded(record.message) if stays(pair[0])),
        *((PREFIX + name, text.encode(errors="replace")) for name, text in own.items()),
    ]


def stays(name: str) -> bool:
    """Say whether the header *name* of a record goes with it into the dead letter."""
    return not name.startswith(PREFIX) or name == REPLAYS


def dedup_id(record: Record, group: str) -> str:
    """Name the death of *record* in *group*: the same however often it is written.

    The timestamp is part of it, because a topic that is deleted and made again counts from 0 again.
    """
    return f"{group}/{record.topic}/{record.partition}/{record.offset}/{record.timestamp_ms}"


def said(error: BaseException) -> str:
    """Give what *error* says; one that cannot even say that must not keep its record from us."""
    try:
        return str(error)
    except Exception as broken:  # noqa: BLE001 - a stranger's __str__ may raise anything
        return f"its message cannot be read: {type(broken).__name__}"
