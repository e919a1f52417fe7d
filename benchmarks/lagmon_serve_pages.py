"""How long until 1,000 incidents that open at once are all at a real Alertmanager: ``INCIDENTS``.

lagmon's own loop reads one snapshot in which no group is behind, and then one in which all are, of
10 partitions each. Seconds count from the moment at which the second one is asked for until
Alertmanager has taken every alert; it must list them all then. Prints one JSON line, with the part
of the seconds that had passed when the first request began.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lagmon import loop
from lagmon.alerts.rules import KAFKA_CONSUMER_LAG
from lagmon.board import Board
from lagmon.judge.judging import Policy
from lagmon.notify import Alertmanager, Mailbox, Outcome
from lagmon.recording.lines import snapshot_from_json
from lagmon.report import Links, Reach
from tests.infra.alertmanager import Alertmanager as RealAlertmanager
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lagmon.readings import Plan, Snapshot
    from lagmon.report import Notice

PARTITIONS, END = 10, 5000
LIMIT_SECONDS = 120
LINKS = Links("http://jaeger", "https://wiki/{rule}", "http://lagmon", (Reach("bench", "kafka:1"),))


class Collector:
    """Takes a collector's place: *groups* keep up in the first snapshot, and lag from then on."""

    cluster, restarts, is_fresh = "bench", 0, False

    def __init__(self, groups: int) -> None:
        self._lines = [line(groups, END), line(groups, 0)]
        self.began = 0.0

    async def start(self) -> None:
        """Begin: nothing to do."""

    async def stop(self) -> None:
        """End: nothing to do."""

    async def collect(self, plan: Plan, now: float) -> Snapshot:  # noqa: ARG002 - nothing is asked
        """Give what the cluster says *now*."""
        if len(self._lines) > 1:
            return replace(snapshot_from_json(self._lines.pop(0)), at=now)
        self.began = self.began or time.monotonic()
        return replace(snapshot_from_json(self._lines[0]), at=now)


class Counted(Alertmanager):
    """An Alertmanager of which the requests and what they brought are counted."""

    requests = taken = 0
    began = 0.0

    async def send(self, notices: Sequence[Notice]) -> Outcome:
        """Send, and count."""
        self.began = self.began or time.monotonic()
        self.requests += 1
        outcome = await super().send(notices)
        self.taken += len(notices) if outcome is Outcome.SENT else 0
        return outcome


def line(groups: int, committed: int) -> str:
    """Write a snapshot in which all of *groups* have *committed* that offset."""
    ends = {str(at): {"start": 0, "high": END, "stable": END} for at in range(PARTITIONS)}
    commits = {"plays": {str(at): committed for at in range(PARTITIONS)}}
    group = {"state": "stable", "type": "classic", "members": 1, "committed": commits}
    told = {f"group-{number:05}": group for number in range(groups)}
    whole = {"v": 1, "at": 0.0, "cluster": "bench", "topics": {"plays": ends}, "groups": told}
    return json.dumps(whole)


async def paging(incidents: int, alertmanager: RealAlertmanager) -> dict[str, Any]:
    """Run the loop until *alertmanager* has all of *incidents*."""
    stop, collector = asyncio.Event(), Collector(incidents)
    notifier = Counted(alertmanager.url, LINKS, holds_seconds=240)
    rule = replace(KAFKA_CONSUMER_LAG, for_seconds=0.0)
    policy, board = Policy((rule,), 1.0, 0), Board("0", ["bench"])
    mailbox, clock = Mailbox(notifier), loop.SystemClock()
    running = loop.run([collector], policy, board, [mailbox], clock=clock, until=stop)
    task = asyncio.create_task(running)
    try:
        await asyncio.to_thread(
            until,
            lambda: notifier.taken >= incidents,
            timeout=LIMIT_SECONDS,
            what="every alert",
        )
        took = time.monotonic() - collector.began
    finally:
        stop.set()
        await task
    return {
        "seconds": took,
        "before_sending_seconds": notifier.began - collector.began,
        "requests": notifier.requests,
        "listed": len(alertmanager.alerts()),
    }


def main(incidents: str) -> None:
    """Measure with as many *incidents*."""
    with RealAlertmanager() as alertmanager:
        print(json.dumps(asyncio.run(paging(int(incidents), alertmanager))))


if __name__ == "__main__":
    main(*sys.argv[1:])
