"""Watch the lag of Kafka consumer groups, judge it, page before somebody notices.

A service, not a library: it is used by the command ``lagmon``, its pages and its metrics.
"""

from __future__ import annotations

__all__: list[str] = []
