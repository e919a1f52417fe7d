"""Dead letters as a person reads them, in a table or one by one, and as a program does: JSON. Pure.

What comes from a record is shown with control characters, line ends and whatever else a terminal
would act upon written as escapes.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from consumers.deadletters.envelope import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from confluent_kafka import Message

    from consumers.deadletters.letters import Letter

UNKNOWN = "-"
ERROR_WIDTH = 48  # characters of the exception in the table
HEAD = ("LETTER", "TIME", "ORIGIN", "ATTEMPTS", "REPLAYS", "ERROR", "TRACE")
RIGHT = frozenset({"ATTEMPTS", "REPLAYS"})


def table(letters: Iterable[Letter]) -> str:
    """Write *letters*, a line each under a line of headings."""
    rows = [HEAD, *(_row(letter) for letter in letters)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [
        "  ".join(
            cell.rjust(width) if name in RIGHT else cell.ljust(width)
            for cell, width, name in zip(row, widths, HEAD, strict=True)
        )
        for row in rows
    ]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def as_json(letter: Letter, *, replayed: bool) -> str:
    """Write *letter* as one JSON object on one line."""
    return _one_line(_facts(letter, replayed=replayed))


def as_json_replay(letter: Letter, *, replayed: bool, left_out: str | None) -> str:
    """Write what a replay did to *letter*, or why it left it, as one JSON object on one line."""
    return _one_line({**_facts(letter, replayed=replayed), "left_out": left_out})


def card(letter: Letter, message: Message, *, replayed: bool, payload: bool) -> str:
    """Write all of one *letter*: what is known of it, its headers, and with *payload* its value."""
    facts = (
        ("letter", str(letter.place)),
        ("id", letter.id or UNKNOWN),
        ("died", moment(letter.written_ms) or UNKNOWN),
        ("origin", str(letter.origin or UNKNOWN)),
        ("written", moment(letter.origin_ms) or UNKNOWN),
        ("group", letter.group or UNKNOWN),
        ("attempts", _known(letter.attempts)),
        ("replays", str(letter.replays)),
        ("replayed", "yes" if replayed else "no"),
        ("error", letter.error_type or UNKNOWN),
        ("message", letter.error_message or UNKNOWN),
        ("trace", letter.trace_id or UNKNOWN),
        ("key", _quoted(letter.key)),
        ("value", "none" if letter.size is None else f"{letter.size} bytes"),
    )
    lines = [f"{name:<9} {safe(value)}" for name, value in facts]
    others = [(n, v) for n, v in _headers(message) if not n.startswith(PREFIX)]
    lines += ["", "headers", *(f"  {safe(name)}: {_quoted(value)}" for name, value in others)]
    if payload:
        lines += ["", safe(text(message.value()) or "", keep="\n\t")]
    return "".join(f"{line}\n" for line in lines)


def as_json_card(letter: Letter, message: Message, *, replayed: bool, payload: bool) -> str:
    """Write all of one *letter* as one JSON object; bytes that are no text as base64."""
    whole: dict[str, Any] = json.loads(as_json(letter, replayed=replayed))
    whole["headers"] = [
        {"name": name, **_content(value)}
        for name, value in _headers(message)
        if not name.startswith(PREFIX)
    ]
    if payload:
        whole["payload"] = _content(message.value())
    return json.dumps(whole, ensure_ascii=False)


def moment(at_ms: int | None) -> str | None:
    """Write a time as RFC 3339 with seconds; ``None`` for none, or one beyond all calendars."""
    if at_ms is None:
        return None
    try:
        return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (OverflowError, ValueError, OSError):
        return None


def counted(number: int, noun: str) -> str:
    """Write *number* with *noun*, in the plural unless there is one."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def text(value: bytes | None) -> str | None:
    """Read *value* as UTF-8; bytes that are none become escapes."""
    return None if value is None else value.decode("utf-8", "backslashreplace")


def safe(shown: str, keep: str = "") -> str:
    r"""Write what a terminal would act upon as escapes: ``\x1b``, but not what is in *keep*."""
    return "".join(
        one if one.isprintable() or one in keep else one.encode("unicode_escape").decode()
        for one in shown
    )


def _row(letter: Letter) -> Sequence[str]:
    kind = letter.error_type.rpartition(".")[2]
    said = f"{kind}: {letter.error_message}" if letter.error_message else kind
    error = safe(said)
    return (
        str(letter.place),
        moment(letter.written_ms) or UNKNOWN,
        safe(str(letter.origin or UNKNOWN)),
        _known(letter.attempts),
        str(letter.replays),
        (error if len(error) <= ERROR_WIDTH else f"{error[: ERROR_WIDTH - 1]}…") or UNKNOWN,
        letter.trace_id or UNKNOWN,
    )


def _known(number: int | None) -> str:
    return UNKNOWN if number is None else str(number)


def _quoted(value: bytes | None) -> str:
    return "none" if value is None else f'"{safe(text(value) or "")}"'


def _content(value: bytes | None) -> dict[str, str | None]:
    """Give *value* as text, or as base64 where it is none."""
    if value is None:
        return {"text": None}
    try:
        return {"text": value.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def _headers(message: Message) -> list[tuple[str, bytes | None]]:
    headers = message.headers()
    if not isinstance(headers, list):
        return []
    return [(name, _bytes(value)) for name, value in headers]


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


def _facts(letter: Letter, *, replayed: bool) -> dict[str, Any]:
    origin = letter.origin
    return {
        "letter": str(letter.place),
        "id": letter.id,
        "time": moment(letter.written_ms),
        "origin": {
            "topic": origin.topic,
            "partition": origin.partition,
            "offset": origin.offset,
            "time": moment(letter.origin_ms),
        }
        if origin
        else None,
        "group": letter.group,
        "attempts": letter.attempts,
        "error": {"type": letter.error_type, "message": letter.error_message},
        "replays": letter.replays,
        "replayed": replayed,
        "trace_id": letter.trace_id,
        "key": text(letter.key),
        "size": letter.size,
    }


def _one_line(facts: dict[str, Any]) -> str:
    return json.dumps(facts, ensure_ascii=False)
