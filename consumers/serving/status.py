"""What ``/status`` shows: the service, its breakers, and what its runtime tells, for a person.

One JSON object, of which no field is a payload. Times of day are ISO 8601 in UTC. It is made once
in `FRESH_SECONDS` at most, however often it is asked for: the runtime's own status is no newer.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from consumers.guard import BreakerStatus, Guard
    from consumers.runtime.status import Failure, InWork, PartitionStatus, RuntimeStatus

FRESH_SECONDS = 1.0


class Status:
    """The status of the service *name*, as bytes to send.

    *guards* are its breakers, of which more may come, and *runtime* tells of its loop, if it has
    one. *wall* gives the seconds since the epoch.
    """

    def __init__(
        self,
        name: str,
        version: str,
        *,
        guards: Iterable[Guard] = (),
        runtime: Callable[[], RuntimeStatus] | None = None,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._guards, self._runtime = guards, runtime
        self._wall, self._clock = wall, clock
        self._service = {"service": name, "version": version, "started_at": _time(wall())}
        self._kept = b""
        self._stale_at = clock()

    def __call__(self) -> bytes:
        """Give the status, `FRESH_SECONDS` old at most."""
        now = self._clock()
        if not self._kept or now >= self._stale_at:
            self._kept = json.dumps(self._made()).encode()
            self._stale_at = now + FRESH_SECONDS
        return self._kept

    def _made(self) -> dict[str, Any]:
        made: dict[str, Any] = {
            **self._service,
            "at": _time(self._wall()),
            "breakers": [_breaker(guard.status()) for guard in list(self._guards)],
        }
        return made | {"runtime": _loop(self._runtime())} if self._runtime else made


def _loop(status: RuntimeStatus) -> dict[str, Any]:
    return {
        "turned_seconds_ago": round(status.turned_seconds, 3),
        "last_success": _time(status.last_success),
        "queued_records": status.queued_records,
        "queued_bytes": status.queued_bytes,
        "full": status.full,
        "assignment": [_partition(one) for one in status.assignment],
        "in_work": [_in_work(one) for one in status.in_work],
        "last_errors": [_failure(one) for one in status.last_errors],
    }


def _partition(one: PartitionStatus) -> dict[str, Any]:
    return {
        "topic": one.topic,
        "partition": one.partition,
        "position": one.position,
        "committed": one.committed,
        "in_flight": one.in_flight,
        "waiting_until": _time(one.waiting_until),
        "tries": one.tries,
    }


def _in_work(one: InWork) -> dict[str, Any]:
    return {
        "topic": one.topic,
        "partition": one.partition,
        "offset": one.offset,
        "seconds": round(one.seconds, 3),
    }


def _failure(one: Failure) -> dict[str, Any]:
    return {
        "at": _time(one.at),
        "topic": one.topic,
        "partition": one.partition,
        "offset": one.offset,
        "error": one.error,
        "reaction": one.reaction,
        "trace_id": one.trace_id,
    }


def _breaker(status: BreakerStatus) -> dict[str, Any]:
    fault = status.fault
    return {
        "name": status.name,
        "state": status.state,
        "since": _time(status.since),
        "opened_by": fault
        and {"error": fault.error, "reason": fault.reason, "trace_id": fault.trace_id},
    }


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
