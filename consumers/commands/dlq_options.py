"""What can be typed behind ``consumers dlq``: its commands, their options, which letters are meant.

Nothing is done here: see `consumers.commands.dlq`.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from consumers.commands.service import add_settings
from consumers.configuration import fields
from consumers.deadletters import selection
from consumers.deadletters.planning import MAX_REPLAYS
from consumers.deadletters.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT = 50  # letters that ``list`` shows unless it is told how many

T = TypeVar("T")


def add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
) -> dict[str, argparse.ArgumentParser]:
    """Add ``dlq`` to *commands*; give the parser of each of its own commands by its name."""
    whole = commands.add_parser("dlq", help="list, show and replay dead letters")
    actions = whole.add_subparsers(dest="action", required=True, metavar="ACTION")

    listing = actions.add_parser("list", help="list dead letters, the newest last")
    _add_filters(listing)
    listing.add_argument("--all", action="store_true", help="those too that were replayed")
    listing.add_argument(
        "--limit",
        type=_natural,
        metavar="N",
        help=f"the last N alone ({LIMIT}; with --json all)",
    )

    showing = actions.add_parser("show", help="show one dead letter with its headers")
    showing.add_argument("letter", type=_told(selection.place), metavar="LETTER", help="as listed")
    showing.add_argument("--payload", action="store_true", help="the record's value too")

    replaying = actions.add_parser("replay", help="send dead letters back to where they came from")
    replaying.add_argument(
        "letters", type=_told(selection.place), nargs="*", metavar="LETTER", help="these alone"
    )
    _add_filters(replaying)
    replaying.add_argument("--yes", action="store_true", help="do it, instead of saying what")
    replaying.add_argument(
        "--max-replays",
        type=_natural,
        default=MAX_REPLAYS,
        metavar="N",
        help=f"leave out what has died after N replays ({MAX_REPLAYS})",
    )
    parsers = {"list": listing, "show": showing, "replay": replaying}
    for parser in parsers.values():
        _add_common(parser)
    return parsers


def _add_common(parser: argparse.ArgumentParser) -> None:
    add_settings(parser)
    parser.add_argument(
        "--dlq-topic", type=_told(fields.topic), metavar="TOPIC", help="instead of the setting"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def selection_of(chosen: argparse.Namespace) -> Selection:
    """Give the letters that *chosen*, of ``list`` or ``replay``, means."""
    topic, partition = chosen.topic_partition or ("", None)
    return Selection(
        since_ms=chosen.since,
        until_ms=chosen.until,
        error=chosen.error,
        key=None if chosen.key is None else chosen.key.encode(),
        topic=topic,
        partition=partition,
        trace_id=chosen.trace or "",
        group=chosen.group,
        places=frozenset(getattr(chosen, "letters", ())),
    )


def _add_filters(parser: argparse.ArgumentParser) -> None:
    now = datetime.now(UTC)
    time = _told(lambda text: selection.moment(text, now))
    when = "2h, 7d or 2025-11-24T16:00:00Z"
    those = parser.add_argument_group("which", "all of what is given must fit")
    those.add_argument("--since", type=time, metavar="TIME", help=f"that died since then: {when}")
    those.add_argument("--until", type=time, metavar="TIME", help="that died before then")
    those.add_argument("--error", default="", metavar="TYPE", help="of this exception")
    those.add_argument("--key", metavar="TEXT", help="with this key")
    those.add_argument(
        "--topic-partition",
        type=_told(selection.topic_partition),
        metavar="TOPIC[:PARTITION]",
        help="that came from there",
    )
    those.add_argument(
        "--trace", type=_told(selection.trace_id), metavar="ID", help="of this trace"
    )
    those.add_argument("--group", default="", metavar="GROUP", help="that this group gave up")


def _told(parse: Callable[[str], T]) -> Callable[[str], T]:
    """Let argparse say what *parse* has to say."""

    def parsed(text: str) -> T:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parsed


@_told
def _natural(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 10**9):
        raise ValueError("write a number from 1 on")
    return int(text)
