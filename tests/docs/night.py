"""Make up the recording of a night: what `lagmon record` would have written of one group.

A burst that is worked off in a minute, a deploy of forty seconds, and at last a worker that
stops and stays away. One snapshot each 10 seconds, for half an hour.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

BEGINS = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
STEP_SECONDS = 10
SNAPSHOTS = 180
PER_STEP = 500  # messages that come, and that a worker can do twice as many of
GROUP, TOPIC = "settle", "plays"
BURST_AT, BURST = 30, 4000  # 02:05
DEPLOY = range(60, 64)  # 02:10
STOPPED = range(120, SNAPSHOTS)  # 02:20


def lines() -> Iterator[str]:
    """Give the lines of the recording."""
    high = committed = 100_000
    for number in range(SNAPSHOTS):
        high += PER_STEP + (BURST if number == BURST_AT else 0)
        if number not in DEPLOY and number not in STOPPED:
            committed = min(high, committed + 2 * PER_STEP)
        yield json.dumps(
            {
                "v": 1,
                "at": BEGINS.timestamp() + STEP_SECONDS * number,
                "cluster": "production",
                "topics": {TOPIC: {"0": {"start": 0, "high": high, "stable": high}}},
                "groups": {
                    GROUP: {
                        "state": "empty" if number in STOPPED else "stable",
                        "type": "classic",
                        "members": 0 if number in STOPPED else 2,
                        "committed": {TOPIC: {"0": committed}},
                    }
                },
            }
        )
