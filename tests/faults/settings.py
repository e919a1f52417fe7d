"""How long things last in a row, and how the broker and the game's services are told so.

`SHORT` is for rows that are played one after the other in minutes. `PRODUCTION` has the session and
the poll interval that a deployment has by default, and outages that outlast them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

TOPIC, GROUP, PARTITIONS = "plays", "game-consumer", 4
LETTER_BYTES = 1_200_000  # room for a megabyte and where it came from
HANDLERS = "tests.faults.handlers"


class Kind(Enum):
    """What kind of workers there are: the game's own, or those that are called otherwise."""

    GAME = "game"
    BATCH = f"{HANDLERS}:Batch"
    AWAITED = f"{HANDLERS}:Awaited"
    PROTOCOL = "consumer"  # the game's own with the group protocol of that name


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds. After *session_seconds* a silent worker's partitions are given to another.

    One that does not poll for *poll_seconds* is taken for dead. What is gone stays away for
    *gone_seconds*; a worker that is frozen is so for *frozen_seconds* at least, and until its
    partitions are another's.
    """

    session_seconds: float
    poll_seconds: float
    gone_seconds: float
    frozen_seconds: float

    def broker(self) -> dict[str, str]:
        """Give the properties of a broker."""
        session_ms = f"{self.session_seconds * 1000:.0f}"
        return {
            # With the new protocol the broker decides what a client decides with the old one.
            "group.consumer.session.timeout.ms": session_ms,
            "group.consumer.min.session.timeout.ms": "1000",
            "group.consumer.heartbeat.interval.ms": "500",
            "group.consumer.min.heartbeat.interval.ms": "500",
        }

    def member(self) -> dict[str, str]:
        """Give the properties of a member of the group, with the old protocol."""
        return {
            "session.timeout.ms": f"{self.session_seconds * 1000:.0f}",
            "heartbeat.interval.ms": "500",
        }

    def client(self) -> dict[str, str]:
        """Give the properties of every worker."""
        return {
            "max.poll.interval.ms": f"{self.poll_seconds * 1000:.0f}",
            "reconnect.backoff.ms": "100",
            "reconnect.backoff.max.ms": "1000",
            "topic.metadata.refresh.interval.ms": "1000",  # to see soon what happens to a topic
        }


SHORT = Times(session_seconds=3, poll_seconds=6, gone_seconds=7.5, frozen_seconds=0)
PRODUCTION = Times(session_seconds=45, poll_seconds=300, gone_seconds=60, frozen_seconds=60)

SHORT_PLAYS, LONG_PLAYS = 500, 5000  # of a row, at least

PACE = {
    "CONSUMERS_TOPIC": TOPIC,
    "CONSUMERS_LANES": "4",
    "CONSUMERS_BACKOFF_INITIAL": "100ms",
    "CONSUMERS_BACKOFF_MAX": "1s",
    # So many that no row's passing fault spends them: what is given up is what was sent for it.
    "CONSUMERS_RETRIES": "100",
    "CONSUMERS_BREAKER_OPEN": "1s",
    "CONSUMERS_PRODUCE_TIMEOUT": "3s",
    "CONSUMERS_FINTECH_TIMEOUT": "2s",
    "CONSUMERS_SHUTDOWN_TIMEOUT": "8s",
    "CONSUMERS_OFFSET_RESET": "earliest",
}
