"""What it costs to write lagmon's page and to be scraped, while cycles run and Kafka stands still.

And how long a thousand pages take, for which ``pages`` needs a real Alertmanager. For ``partners``
a real broker is started, and the exporters that ``KMINION_BIN`` and ``KAFKA_EXPORTER_BIN`` name.
All else needs nothing but this machine: what a collector would have read is made, as the benchmark
of collecting makes it. ``ROWS=render,scrape`` runs some rows alone, ``SCRAPED=5`` seconds are for a
quick look, ``WATCHED=50`` groups for a small one. All of it takes about eight minutes.
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
import lagmon_serve_live as live
from harness import Goal

from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lagmon_collect_live import Figure

WORK: Final = Path(__file__).with_name("lagmon_serve_work.py")
CROWD: Final = Path(__file__).with_name("lagmon_serve_crowd.py")
PAGES: Final = Path(__file__).with_name("lagmon_serve_pages.py")
SECONDS: Final = float(os.environ.get("SCRAPED", "60"))
GROUPS: Final = int(os.environ.get("WATCHED", "2000"))  # of 10 partitions each
SERIES: Final = int(os.environ.get("SERIES", "100000"))
INCIDENTS: Final = int(os.environ.get("INCIDENTS", "1000"))
SCRAPERS, INTERVAL_SECONDS, CYCLE_SECONDS = 10, 1.0, 5
WARM_SECONDS: Final = min(15.0, SECONDS)  # the first cycles make every label
LIMIT_SECONDS: Final = 600

IDLE, SLOW = 500, 50  # connections that only take room

# Row: what it claims and the limits. A row that is judged by several figures gives them in order.
WANTED: Final = {
    "render": ((f"rendering {SERIES:,} series against prometheus_client's generate_latest", 0.08),),
    "scrape": (
        (f"scrape (gzip) p99, {GROUPS * 10:,} partition rows, cycles, {SCRAPERS} scrapers, ms", 25),
    ),
    "stopped": (("the same with Kafka stopped, ms", 25),),
    "partners": (
        ("scrape p99 of a real cluster, 2,000 groups, against one of kafka_exporter", 0.1),
        ("the same against one of kminion", 0.1),
    ),
    "crowd": ((f"scrape p99 with {IDLE} idle and {SLOW} slow connections, against without", 2),),
    "pages": ((f"{INCIDENTS:,} incidents opened at once: all at Alertmanager, s", 10),),
}


def main() -> None:
    """Measure, print, judge."""
    chosen = os.environ.get("ROWS", ",".join(WANTED)).split(",")
    if unknown := set(chosen) - set(WANTED):
        sys.exit(f"ROWS: there is no {min(unknown)!r}; there are {', '.join(WANTED)}")
    goals: list[Goal] = []
    loads: dict[str, float] = {}
    for row in WANTED:
        if row in chosen:
            print(f"\n{row}:", flush=True)
            loads[row] = round(os.getloadavg()[0], 1)
            goals += measured(row)
    harness.report("lagmon_serve", goals, seconds=SECONDS, scrapers=SCRAPERS, load_before=loads)


def measured(row: str) -> list[Goal]:
    """Run one *row*; where it fails, say why there is no figure."""
    try:
        figures = ROWS[row]()
    except Exception as error:  # noqa: BLE001 - the other rows go on
        figures = [f"{type(error).__name__}: {error}"] * len(WANTED[row])
    return [
        Goal(name, "<=", limit, None, got) if isinstance(got, str) else Goal(name, "<=", limit, got)
        for (name, limit), got in zip(WANTED[row], figures, strict=True)
    ]


def rendered() -> list[Figure]:
    """Write pages by both."""
    return [work("render", str(SERIES))["ratio"]]


def scraped(*, stopped: bool = False) -> list[Figure]:
    """Scrape a lagmon whose cycles run; with Kafka *stopped*, from before the scrapes on."""
    with serving(SECONDS) as (address, service):
        warm_up(address)
        if stopped:
            assert service.stdin
            service.stdin.write("stopped\n")
            service.stdin.flush()
            until(lambda: is_up(address, 0), timeout=60, what="a cycle without Kafka")
        return [scrape(address)]


def warm_up(address: str) -> None:
    """Wait for the first cycle at *address*, and have each form of the page made."""
    until(lambda: is_up(address, 1), timeout=60, what="the first cycle")
    work("scrape", address, str(SCRAPERS), str(WARM_SECONDS), str(INTERVAL_SECONDS))


def scrape(address: str) -> float:
    """Scrape *address*; give the 99th percentile in milliseconds."""
    found = work("scrape", address, str(SCRAPERS), str(SECONDS), str(INTERVAL_SECONDS))
    return float(found["p99_ms"])


def crowded() -> list[Figure]:
    """Scrape without and with a crowd of connections, one after the other."""
    with serving(2 * SECONDS) as (address, _):
        warm_up(address)
        alone = scrape(address)
        with process(CROWD, address, str(IDLE), str(SLOW)) as crowd:
            assert crowd.stdout
            show(json.loads(crowd.stdout.readline()))
            among = scrape(address)
            show(json.loads(crowd.communicate(timeout=60)[0]))
    return [among / alone]


def beside_partners() -> list[Figure]:
    """Scrape lagmon and other exporters of the same real cluster."""
    with live.watched() as (address, partners):
        warm_up(address)
        ours = scrape(address)
        return [
            one if isinstance(one, str) else ours / 1000 / live.median_seconds(name, one)
            for name, one in partners.items()
        ]


def is_up(address: str, value: int) -> bool:
    """Tell whether the page at *address* has that *value* of ``lagmon_up``."""
    page = httpx.get(f"{address}/metrics", timeout=30).text
    return f'lagmon_up{{kafka_cluster="bench"}} {value}.0\n' in page


@contextmanager
def serving(seconds: float) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Give the address of a lagmon that has cycles for so many *seconds*, and its process."""
    with tempfile.TemporaryDirectory() as folder:
        port_file = Path(folder) / "address"
        cycles = str(int((seconds + WARM_SECONDS) / CYCLE_SECONDS) + 1)
        with process(WORK, "serve", str(GROUPS), cycles, str(port_file)) as service:
            # A file is there before it is written.
            address = until(
                lambda: port_file.exists() and port_file.read_text(),
                timeout=300,
                what="lagmon to serve",
            )
            yield address, service
            out, _ = service.communicate(timeout=60)
            show(json.loads(out.splitlines()[-1]))


@contextmanager
def process(script: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run *script* beside us; it ends with its stdin, or with us."""
    # -P: beside the work lies propagation.py, which must not be taken for the package of its name.
    command, pipe = [sys.executable, "-P", str(script), *arguments], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def paged() -> list[Figure]:
    """Open incidents, and wait until a real Alertmanager has them."""
    return [work(str(INCIDENTS), script=PAGES)["seconds"]]


def work(*arguments: str, script: Path = WORK) -> dict[str, Any]:
    """Have one measurement made in a process of its own; give its figures."""
    command = [sys.executable, "-P", str(script), *arguments]  # -P: see `process`
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


ROWS: Final[dict[str, Callable[[], list[Figure]]]] = {
    "render": rendered,
    "scrape": scraped,
    "stopped": lambda: scraped(stopped=True),
    "partners": beside_partners,
    "crowd": crowded,
    "pages": paged,
}


if __name__ == "__main__":
    main()
