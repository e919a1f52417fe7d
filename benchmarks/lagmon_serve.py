"""What it costs to write lagmon's page and to be scraped, while cycles run and Kafka stands still.

And how long a thousand pages take, for which ``pages`` needs a real Alertmanager. All else needs
nothing but this machine: what a collector would have read is made, as the benchmark of
collecting makes it. ``ROWS=render,scrape`` runs some rows alone, ``SCRAPED=5`` seconds are for a
quick look, ``WATCHED=50`` groups for a small one. All of it takes about four minutes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import harness  # first: see there
import httpx
from harness import Goal

from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WORK: Final = Path(__file__).with_name("lagmon_serve_work.py")
PAGES: Final = Path(__file__).with_name("lagmon_serve_pages.py")
SECONDS: Final = float(os.environ.get("SCRAPED", "60"))
GROUPS: Final = int(os.environ.get("WATCHED", "2000"))  # of 10 partitions each
SERIES: Final = int(os.environ.get("SERIES", "100000"))
INCIDENTS: Final = int(os.environ.get("INCIDENTS", "1000"))
SCRAPERS, INTERVAL_SECONDS, CYCLE_SECONDS = 10, 1.0, 5
WARM_SECONDS: Final = min(15.0, SECONDS)  # the first cycles make every label
LIMIT_SECONDS: Final = 600

# Row: what it claims, and the limit.
WANTED: Final = {
    "render": (f"rendering {SERIES:,} series against prometheus_client's generate_latest", 0.08),
    "scrape": (
        f"scrape (gzip) p99, {GROUPS * 10:,} partition rows, cycles, {SCRAPERS} scrapers, ms",
        25,
    ),
    "stopped": ("the same with Kafka stopped, ms", 25),
    "pages": (f"{INCIDENTS:,} incidents opened at once: all at Alertmanager, s", 10),
}


def main() -> None:
    """Measure, print, judge."""
    chosen = os.environ.get("ROWS", ",".join(WANTED)).split(",")
    if unknown := set(chosen) - set(WANTED):
        sys.exit(f"ROWS: there is no {min(unknown)!r}; there are {', '.join(WANTED)}")
    goals = []
    for row, (name, limit) in WANTED.items():
        if row in chosen:
            print(f"\n{row}:", flush=True)
            goals.append(measured(row, name, limit))
    harness.report("lagmon_serve", goals, seconds=SECONDS, scrapers=SCRAPERS)


def measured(row: str, name: str, limit: float) -> Goal:
    """Run one *row*; where it fails, say why there is no figure."""
    try:
        return Goal(name, "<=", limit, ROWS[row]())
    except Exception as error:  # noqa: BLE001 - the other rows go on
        return Goal(name, "<=", limit, None, f"{type(error).__name__}: {error}")


def rendered() -> float:
    """Write pages by both."""
    found = work("render", str(SERIES))
    return float(found["ratio"])


def scraped(*, stopped: bool = False) -> float:
    """Scrape a lagmon whose cycles run; with Kafka *stopped*, from before the scrapes on."""
    with serving() as (address, service):
        numbers = (str(SCRAPERS), str(WARM_SECONDS), str(INTERVAL_SECONDS))
        until(lambda: is_up(address, 1), timeout=60, what="the first cycle")
        work("scrape", address, *numbers)
        if stopped:
            assert service.stdin
            service.stdin.write("stopped\n")
            service.stdin.flush()
            until(lambda: is_up(address, 0), timeout=60, what="a cycle without Kafka")
        found = work("scrape", address, str(SCRAPERS), str(SECONDS), str(INTERVAL_SECONDS))
    return float(found["p99_ms"])


def is_up(address: str, value: int) -> bool:
    """Tell whether the page at *address* has that *value* of ``lagmon_up``."""
    page = httpx.get(f"{address}/metrics", timeout=30).text
    return f'lagmon_up{{kafka_cluster="bench"}} {value}.0\n' in page


@contextmanager
def serving() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Give the address of a lagmon that serves, and its process."""
    with tempfile.TemporaryDirectory() as folder:
        port_file = Path(folder) / "address"
        cycles = str(int((SECONDS + WARM_SECONDS) / CYCLE_SECONDS) + 1)
        command = [sys.executable, "-P", str(WORK), "serve", str(GROUPS), cycles, str(port_file)]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as service:
            try:
                until(port_file.exists, timeout=300, what="lagmon to serve")
                yield port_file.read_text(), service
                out, _ = service.communicate(timeout=60)
            finally:
                service.kill()
            show(json.loads(out.splitlines()[-1]))


def paged() -> float:
    """Open incidents, and wait until a real Alertmanager has them."""
    return float(work(str(INCIDENTS), script=PAGES)["seconds"])


def work(*arguments: str, script: Path = WORK) -> dict[str, Any]:
    """Have one measurement made in a process of its own; give its figures."""
    # -P: beside the work lies propagation.py, which must not be taken for the package of its name.
    command = [sys.executable, "-P", str(script), *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS
    )
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no output"])[-1])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    show(found)
    return found


def show(found: dict[str, Any]) -> None:
    """Print the figures of one process."""
    print(*(f"{name} {value}" for name, value in found.items()), sep=", ", flush=True)


ROWS: Final[dict[str, Callable[[], float]]] = {
    "render": rendered,
    "scrape": scraped,
    "stopped": lambda: scraped(stopped=True),
    "pages": paged,
}


if __name__ == "__main__":
    main()
