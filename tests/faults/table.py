"""The fault matrix: every row by its name, in the series that are played side by side."""

from __future__ import annotations

from tests.faults import on_workers
from tests.faults.rows import Row

ROWS = {
    row.name: row
    for row in (
        Row("no fault", "workers", on_workers.nothing),
        Row("kill -9", "workers", on_workers.kill_9),
        Row("zombie", "workers", on_workers.zombie),
        Row("rebalance in mid-record", "workers", on_workers.rebalance_in_record),
    )
}
