"""How long is it from the 1001st unread message until somebody is paged?

The whole stack on this host, as tests/deploy/live.py starts it: real Kafka and Postgres, the
shipped lagmon, Prometheus and Alertmanager with other addresses, and a stand-in for PagerDuty. The
worker is stopped and 1001 messages are written; the clock runs from the acknowledgement of the last
one. ``lagmon``: as shipped, both notice and Prometheus's copy is held back. ``prometheus``: lagmon
tells nobody, so that the copy pages alone. ``ROUNDS=3`` starts of everything for each;
a round takes about a minute, most of which is waiting.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

import harness  # first: see there
from harness import Goal

from tests.deploy.live import Live
from tests.infra.wait import until

ROUNDS: Final = int(os.environ.get("ROUNDS", "3"))
PAGE_SECONDS: Final = 180
LIMIT_SECONDS: Final = 30
CODE: Final = "KAFKA_CONSUMER_LAG"
ROWS: Final = {
    "lagmon": ("page by lagmon, its copy held back", True),
    "prometheus": ("page by Prometheus's copy alone", False),
}


def main() -> None:
    """Measure both ways in turn, print, judge the slowest of each."""
    took: dict[str, list[float]] = {name: [] for name in ROWS}
    for n in range(ROUNDS):
        for name, (_, telling) in ROWS.items():
            took[name].append(paged(telling=telling))
            print(f"round {n + 1}, {name}: {took[name][-1]:.1f} s", flush=True)
    goals = [
        Goal(
            f"1001st unread message to the {what}: slowest, s", "<=", LIMIT_SECONDS, max(took[name])
        )
        for name, (what, _) in ROWS.items()
    ]
    medians = {name: round(statistics.median(each), 1) for name, each in took.items()}
    harness.report("paging", goals, rounds=ROUNDS, median_seconds=medians)


def paged(*, telling: bool) -> float:
    """Start everything, let the worker fall behind; give the seconds until PagerDuty knows."""
    with tempfile.TemporaryDirectory() as folder, Live(Path(folder), telling=telling) as live:
        live.wait_until_up()
        live.fall_behind()
        began = time.monotonic()
        events = live.paging.pagerduty.taken
        until(
            lambda: any(each["payload"].get("class") == CODE for each in list(events)),
            timeout=PAGE_SECONDS,
            what="a page about the lag",
        )
        return time.monotonic() - began


if __name__ == "__main__":
    main()
