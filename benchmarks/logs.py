"""What does a log line with trace ids and masked secrets cost, against structlog's plain JSON line?

Both write the same call, an event with four fields, to a file in memory, in processes of their own
that take turns. "Plain" is structlog's documented set-up for production: level, ISO timestamp,
JSON, loggers put together once. Ours puts them together at each call, so that they follow a changed
set-up, and adds service, version, environment, logger, the three ids, and masks. Prints the added
µs of CPU a line, and lines a second.
"""

from __future__ import annotations

import io
import logging
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import Goal, report, table

if TYPE_CHECKING:
    from collections.abc import Callable

# benchmarks/propagation.py, which lies beside this script, would hide the package of that name.
sys.path[:] = [path for path in sys.path if Path(path).resolve() != Path(__file__).resolve().parent]

ROUNDS, CHUNKS, LINES = 7, 15, 2000
VARIANTS = (
    "structlog, plain",
    "ours, structlog",
    "ours, structlog, a secret on each line",
    "ours, structlog, not masked",
    "stdlib, plain text",
    "ours, stdlib",
)
FIELDS = {"play_id": "4d9f2c11", "topic": "game.slots.plays", "partition": 3, "offset": 1_203_441}


def plain_structlog() -> Callable[[], Any]:
    """Set up structlog as its documentation does for production."""
    import structlog  # noqa: PLC0415 - each process imports what it measures

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=io.StringIO()),
        cache_logger_on_first_use=True,
    )
    log = structlog.get_logger("game")
    return lambda: log.info("play_settled", **FIELDS)


def plain_stdlib() -> Callable[[], Any]:
    """Set up the standard library with its usual format."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", stream=io.StringIO())
    log = logging.getLogger("game")
    log.setLevel(logging.INFO)
    return lambda: log.info("play_settled", extra=FIELDS)


def ours(variant: str) -> Callable[[], Any]:
    """Set up our logging inside a span."""
    import structlog  # noqa: PLC0415 - the same
    from opentelemetry import trace  # noqa: PLC0415
    from opentelemetry.context import attach  # noqa: PLC0415
    from opentelemetry.trace import NonRecordingSpan, SpanContext  # noqa: PLC0415

    from propagation.integrations import logs  # noqa: PLC0415

    masks = None if "not masked" in variant else logs.DEFAULT_MASKS
    logs.configure("game-api", version="1.2", environment="test", stream=io.StringIO(), masks=masks)
    context = SpanContext(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, is_remote=True)
    attach(trace.set_span_in_context(NonRecordingSpan(context)))
    fields = FIELDS | ({"player": "joe@example.com"} if "secret" in variant else {})
    if "stdlib" in variant:
        stdlib = logging.getLogger("game")
        return lambda: stdlib.info("play_settled", extra=fields)
    log = structlog.get_logger("game")
    return lambda: log.info("play_settled", **fields)


def measure(variant: str) -> float:
    """Give µs of CPU a line, the median of chunks."""
    plain = {"structlog, plain": plain_structlog, "stdlib, plain text": plain_stdlib}.get(variant)
    write = plain() if plain else ours(variant)
    times = []
    for _ in range(CHUNKS):
        began = time.thread_time()
        for _ in range(LINES):
            write()
        times.append((time.thread_time() - began) / LINES * 1e6)
    return statistics.median(times[2:])


def main() -> None:
    """Run every variant in turn and report."""
    got: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    for _ in range(ROUNDS):
        for variant in VARIANTS:
            command = [sys.executable, __file__, variant]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            got[variant].append(float(done.stdout))
    medians = {variant: statistics.median(times) for variant, times in got.items()}
    rows = [("line", "µs", "range", "lines a second")]
    rows += [
        (v, f"{m:.2f}", f"{min(got[v]):.2f}-{max(got[v]):.2f}", f"{1e6 / m:,.0f}")
        for v, m in medians.items()
    ]
    print(table(rows))
    base = medians["structlog, plain"]
    added = medians["ours, structlog"] - base
    report(
        "logs",
        [
            Goal("added µs of a line with ids and masks, to structlog's plain", "<=", 2, added),
            Goal("lines a second", ">=", 10_000, 1e6 / medians["ours, structlog"]),
        ],
        microseconds={variant: round(median, 3) for variant, median in medians.items()},
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(measure(sys.argv[1]))
    else:
        main()
