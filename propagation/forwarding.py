"""The headers of a message that is sent on: a retry, a dead letter, a replay. Pure.

A record's own timestamp tells when it was written to its topic. One that goes on to a further topic
carries when it was sent first in a header, so that its end-to-end time counts from there:
`forwarded` writes that header, `first_sent_ms` reads it. A message that was never sent on has none,
and costs nothing.

(Sending on with the old *timestamp* would tell as much, until a topic has LogAppendTime; and what
is old when it is written may be deleted by retention.ms before it is read.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from propagation.headers import found, replaced

if TYPE_CHECKING:
    from confluent_kafka import Message

    from propagation.headers import Headers

FIRST_SENT: Final = "propagation-first-sent-ms"  # since the epoch, in decimal digits

_NAMES: Final = frozenset((FIRST_SENT,))
_NO_TIMESTAMP: Final = 0  # Message.timestamp()'s type where the record has none
_MAX_DIGITS: Final = 15  # until the year 33658


def forwarded(message: Message) -> Headers:
    """Give the headers to send *message* on with: its own, and when it was sent first.

    A new list, for ``produce`` to a retry topic, to dead letters, or back again. The trace headers
    are still in it; a `Producer` replaces them by the send span's.
    """
    headers = message.headers()
    kind, written_ms = message.timestamp()
    first = first_sent_ms(headers, None if kind == _NO_TIMESTAMP else written_ms)
    return replaced(headers, _NAMES, () if first is None else ((FIRST_SENT, b"%d" % first),))


def first_sent_ms(headers: object, written_ms: int | None) -> int | None:
    """Tell when a message was sent first, in ms since the epoch; None where nothing tells.

    *headers* as ``Message.headers()`` gives them, *written_ms* is the record's timestamp. A header
    that is later than that, or no number, does not count.
    """
    for _, text in found(headers, _NAMES):
        if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS:
            first = int(text)
            return first if written_ms is None else min(first, written_ms)
    return written_ms
