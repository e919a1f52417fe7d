"""Write numbers, times and reasons for people: one way for alerts and for the status page.

Pure. Times are seconds since the epoch and are written in UTC, because those who read a page at
night are seldom where the server stands.
"""

from __future__ import annotations

from datetime import UTC, datetime

from lagmon.labels import safe

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_PARTS = 12  # of a reason: three rights that are missing, or a dozen brokers


def number(value: float) -> str:
    """Write a count of messages, such as ``1,203``."""
    return f"{value:,.0f}"


def counted(count: int, noun: str) -> str:
    """Write *count* with its *noun*: ``1 member``, ``2 members``."""
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"


def member(client_id: str, host: str) -> str:
    """Name a member, safely: ``worker-1 at 10.0.0.7``. Kafka writes a slash before the address."""
    return f"{safe(client_id)} at {safe(host.removeprefix('/'))}"


def reason(detail: str) -> str:
    """Write what a cluster said, made safe part by part.

    As a whole it may be longer than a name may be, and a command at its end would be cut off.
    """
    parts = detail.split("; ")
    told = [safe(part) for part in parts[:_PARTS]]
    return "; ".join(told if len(parts) <= _PARTS else [*told, f"and {len(parts) - _PARTS} more"])


def duration(seconds: float) -> str:
    """Write a length of time by its two largest units: ``42s``, ``3m 20s``, ``2h 5m``, ``3d 4h``.

    Less than nothing, which only a clock that was set can cause, is ``0s``.
    """
    whole = max(0, int(seconds))
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return _two(whole, _MINUTE, "m", 1, "s")
    if whole < _DAY:
        return _two(whole, _HOUR, "h", _MINUTE, "m")
    return _two(whole, _DAY, "d", _HOUR, "h")


def moment(at: float) -> str:
    """Write a time as RFC 3339 with milliseconds: ``2025-11-24T16:00:00.000Z``."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def clock(at: float) -> str:
    """Write the time of day: ``16:00:00 UTC``."""
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S} UTC"


def _two(whole: int, large: int, large_sign: str, small: int, small_sign: str) -> str:
    first, rest = divmod(whole, large)
    second = rest // small
    return f"{first}{large_sign} {second}{small_sign}" if second else f"{first}{large_sign}"
