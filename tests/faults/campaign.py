"""Play many rows side by side: a process and a stack for each series, because rows mostly wait."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.rows import Report
from tests.faults.table import ROWS
from tests.infra.process import Service
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

ROOT = Path(__file__).parent.parent.parent
STOP_SECONDS = 60
AT_ONCE = 3  # series: more of them on two cores keep each other from the processor


class Campaign:
    """Play *rows* under *plays* plays each. A context manager: begins; ends what is not done."""

    def __init__(self, rows: Iterable[str], plays: int) -> None:
        series: dict[str, list[str]] = {}
        for name in rows:
            series.setdefault(ROWS[name].series, []).append(name)
        command = [sys.executable, "-m", "tests.faults", f"--plays={plays}"]
        self._played = {
            row: service
            for name, own in series.items()
            for service in [Service([*command, *own], name=f"faults of {name}", cwd=ROOT)]
            for row in own
        }

        self._waiting = list(dict.fromkeys(self._played.values()))
        self._started: list[Service] = []

    def __enter__(self) -> Self:
        self._go_on()
        return self

    def __exit__(self, *_: object) -> None:
        for service in self._started:
            if service.running:
                service.stop(STOP_SECONDS)
            service.close()

    def _go_on(self) -> None:
        while self._waiting and sum(one.running for one in self._started) < AT_ONCE:
            self._started.append(self._waiting.pop(0))
            self._started[-1].start()

    def report(self, row: str, timeout: float) -> Report:
        """Wait for what *row* came to."""
        service = self._played[row]

        def found() -> Report | None:
            self._go_on()
            running = service.running or service in self._waiting
            for line in service.lines():
                report = Report.read(json.loads(line))
                if report.row == row:
                    return report
            if not running:
                raise RuntimeError(f"{service.name} ended before {row}\n{service.tail()}")
            return None

        return until(found, timeout=timeout, every=0.2, what=f"the row {row}")
