"""What /status shows of a service: its breakers, its loop, and no more often than it changes."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from consumers.breaker import BreakerPolicy
from consumers.errors import Unavailable
from consumers.guard import Guard
from consumers.metrics import Metrics
from consumers.runtime.status import Failure, InWork, PartitionStatus, RuntimeStatus
from consumers.serving.status import FRESH_SECONDS, Status
from tests.fakes import FakeClock

AT = 1_764_000_000.0  # 2025-11-24T16:00:00Z
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
RUNTIME = RuntimeStatus(
    turned_seconds=0.1234,
    assignment=(
        PartitionStatus("plays", 0, 12, 11, 1, waiting_until=AT + 4, tries=2),
        PartitionStatus("plays", 1, None, None, 0),
    ),
    in_work=(InWork("plays", 0, 11, 2.5),),
    last_success=AT - 1,
    last_errors=(Failure(AT - 0.5, "plays", 0, 11, "Unavailable", "wait", TRACE_ID),),
    queued_records=1,
    queued_bytes=180,
    started=True,
)


def shown(**more: Any) -> dict[str, Any]:
    """Show the status of a service at `AT`."""
    found: dict[str, Any] = json.loads(Status("game", "1.0", wall=lambda: AT, **more)())
    return found


def test_a_service_without_a_loop_shows_itself() -> None:
    """Name, version, since when; times are ISO 8601 in UTC."""
    assert shown() == {
        "service": "game",
        "version": "1.0",
        "started_at": "2025-11-24T16:00:00.000+00:00",
        "at": "2025-11-24T16:00:00.000+00:00",
        "breakers": [],
    }


def test_everything_that_the_runtime_tells_is_shown() -> None:
    """Assignment with positions, what waits, what is in work, heartbeat, success and errors."""
    assert shown(runtime=lambda: RUNTIME)["runtime"] == {
        "turned_seconds_ago": 0.123,
        "last_success": "2025-11-24T15:59:59.000+00:00",
        "queued_records": 1,
        "queued_bytes": 180,
        "full": False,
        "assignment": [
            {
                "topic": "plays",
                "partition": 0,
                "position": 12,
                "committed": 11,
                "in_flight": 1,
                "waiting_until": "2025-11-24T16:00:04.000+00:00",
                "tries": 2,
            },
            {
                "topic": "plays",
                "partition": 1,
                "position": None,
                "committed": None,
                "in_flight": 0,
                "waiting_until": None,
                "tries": 0,
            },
        ],
        "in_work": [{"topic": "plays", "partition": 0, "offset": 11, "seconds": 2.5}],
        "last_errors": [
            {
                "at": "2025-11-24T15:59:59.500+00:00",
                "topic": "plays",
                "partition": 0,
                "offset": 11,
                "error": "Unavailable",
                "reaction": "wait",
                "trace_id": TRACE_ID,
            }
        ],
    }


def test_breakers_are_shown_with_what_opened_them() -> None:
    """One that never opened names nothing."""
    policy, metrics = BreakerPolicy(failures=1), Metrics()
    guards = [Guard(name, metrics, policy, wall=lambda: AT) for name in ("postgres", "fintech")]
    with suppress(Unavailable), guards[1]:
        raise Unavailable("fintech answered 503")

    postgres, fintech = shown(guards=guards)["breakers"]

    assert postgres == {
        "name": "postgres",
        "state": "closed",
        "since": "2025-11-24T16:00:00.000+00:00",
        "opened_by": None,
    }
    assert (fintech["name"], fintech["state"]) == ("fintech", "open")
    assert fintech["opened_by"] == {
        "error": "Unavailable",
        "reason": "fintech answered 503",
        "trace_id": None,
    }


def test_it_is_made_once_a_second_however_often_it_is_asked_for() -> None:
    """A hundred questions cost one answer; a second later there is a new one."""
    clock, asked = FakeClock(), []

    def runtime() -> RuntimeStatus:
        asked.append(1)
        return RUNTIME

    status = Status("game", "1.0", runtime=runtime, clock=clock)
    answers = {status() for _ in range(100)}
    clock.advance(FRESH_SECONDS)
    status()

    assert len(answers) == 1
    assert len(asked) == 2
