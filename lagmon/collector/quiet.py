"""Thin what librdkafka writes: of lines that say the same, one a minute. Asks Kafka nothing.

Comes in: its lines, as records of `logging`. Goes out: the first of each text, and after a minute
the next, with how many were left out between them. While a broker is down every client writes the
same few lines again and again, which differ in nothing but times and the client's number.
"""

from __future__ import annotations

import logging
import re
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

QUIET_SECONDS = 60.0
TEXTS_KEPT = 1000  # brokers, times what can be wrong with them; beyond it a line may come twice
# "(after 3ms in state CONNECT, 2 identical error(s) suppressed)", "3/5 brokers", "1204ms", and the
# client's own name: what changes while nothing does. Addresses and ports stay.
PASSING = re.compile(
    r"\(after \d+ms.*\)|\b\d+ identical error\(s\) suppressed|\b\d+/\d+ brokers|\b\d+ ?ms\b"
    r"|\[[^\]]*#(?:producer|consumer)-\d+\]"
)


class Thinned(logging.Filter):
    """Lets one line of each text through in `QUIET_SECONDS` of *clock*."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._texts: dict[str, tuple[float, int]] = {}  # until when to be quiet, how many were

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether *record* is written; add to its text how many were not."""
        now, said = self._clock(), record.getMessage()
        text = PASSING.sub("", said)
        until, left_out = self._texts.get(text, (now, 0))
        if now < until:
            self._texts[text] = (until, left_out + 1)
            return False
        if text not in self._texts and len(self._texts) >= TEXTS_KEPT:
            self._texts.clear()
        self._texts[text] = (now + QUIET_SECONDS, 0)
        if left_out:
            record.msg, record.args = "%s; %d more like it were left out", (said, left_out)
        return True
