"""Make names that strangers chose safe to publish: label values, alerts, pages. Pure.

Group, client and member ids are arbitrary strings. One lone surrogate in one of them would cost
the whole page, a control or bidirectional character could make it lie to its reader, and a long one
would bring down what reads it. In: any string. Out: one that is printable, encodable and bounded;
two that differ still differ, and one that was harmless is untouched.
"""

from __future__ import annotations

import hashlib
import re

# Kafka's own bound for a topic is 249; a group id has none.
LONGEST = 256

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# 128 bits, so that nobody can search for two names that end up the same.
_HASH_DIGITS = 32
_MARK = re.compile(rf"~[0-9a-f]{{{_HASH_DIGITS}}}\Z")


def safe(value: str) -> str:
    """Give *value*, or a printable stand-in of at most `LONGEST` characters ending in its hash.

    Characters that Unicode calls *other* or *separator* (controls, format and bidirectional marks,
    surrogates, unassigned ones, line separators), the space excepted, become U+FFFD. A value that
    looks like a stand-in gets a hash of its own, or it could pass for another's.
    """
    if value.isprintable() and len(value) <= LONGEST and not _MARK.search(value):
        return value
    shown = "".join(c if c.isprintable() else _REPLACEMENT for c in value[:LONGEST])
    digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_DIGITS]
    return f"{shown[: LONGEST - _HASH_DIGITS - 1]}~{digest}"
