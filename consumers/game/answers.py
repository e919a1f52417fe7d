"""What an answer of the fintech partner means: a settlement, or the reaction to its absence. Pure.

======================  =====================================================================
200, 201                the settlement's id; `Retryable` if there is none to be read
408, 425, 429, 5xx      `Unavailable`: it cannot now, and may say when in ``Retry-After``
3xx, 401, 403, 404,     `Unavailable`: the address or our rights are wrong. Every play would
405, 407                meet that alike, so they wait until somebody has mended it
409, 422                `Refused`, a `Poison`: this order will never be taken under this key
any other 4xx           `Poison`: it is about this order
anything else           `Retryable`: no answer that we know
======================  =====================================================================

No message repeats what the partner said: it ends up in logs and dead letters.
"""

from __future__ import annotations

import json
import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from consumers.errors import Poison, Retryable, Unavailable

if TYPE_CHECKING:
    from datetime import datetime

SETTLED = frozenset({200, 201})
LATER = frozenset({408, 425, 429})
MISCONFIGURED = frozenset({401, 403, 404, 405, 407})
REFUSED = frozenset({409, 422})
SETTLEMENT_ID = re.compile(r"[!-~]{1,128}")
SERVER_ERROR, CLIENT_ERROR, REDIRECT = 500, 400, 300

# However long the partner asks us to stay away: a slip in a date must not stop us for a year.
MOST_SECONDS = 600.0


class Refused(Poison):
    """The partner will not take this order under its key, or has settled another one under it."""


def is_down(status: int) -> bool:
    """Say whether *status* tells of a partner that does not work, whatever it is asked."""
    return status >= SERVER_ERROR


def settlement_id(status: int, body: bytes) -> str:
    """Give the id of the settlement in *body*; raise what an answer with *status* calls for."""
    if status in SETTLED:
        return _id(status, body)
    words = f"fintech answered {status}"
    if is_down(status) or status in LATER:
        raise Unavailable(words)
    if status in MISCONFIGURED or REDIRECT <= status < CLIENT_ERROR:
        raise Unavailable(f"{words}: check fintech_url, and our rights there")
    if status in REFUSED:
        raise Refused(f"{words}: it will not settle this play")
    if status >= CLIENT_ERROR:
        raise Poison(f"{words}: it does not understand this play")
    raise Retryable(words)


def retry_after_seconds(text: str | None, now: datetime) -> float:
    """Read the header ``Retry-After`` (RFC 9110, section 10.2.3): seconds, or a date.

    0 when there is none or it cannot be read; never more than `MOST_SECONDS`.
    """
    if not text:
        return 0.0
    if text.isascii() and text.isdigit():
        return min(float(text), MOST_SECONDS)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return min(max((date - now).total_seconds(), 0.0), MOST_SECONDS)


def _id(status: int, body: bytes) -> str:
    try:
        found = json.loads(body.decode())["settlement_id"]
    except (ValueError, LookupError, TypeError, RecursionError):
        found = None  # not chained: the decoder's error holds the whole body
    if not isinstance(found, str) or SETTLEMENT_ID.fullmatch(found) is None:
        raise Retryable(f"fintech answered {status} without a settlement_id")
    return found
