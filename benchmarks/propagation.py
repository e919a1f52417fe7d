"""What propagation costs, against the raw client and against the published instrumentation.

Added µs a message. Every figure comes from processes of their own that take turns, five rounds by
default, and is the median of the rounds; a goal is a ratio of two such medians of one run. Broker:
librdkafka's mock cluster. ``ROUNDS=1`` is for a quick look.
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harness import Goal, report, table

if TYPE_CHECKING:
    from collections.abc import Iterator

WORK: Final = Path(__file__).with_name("propagation_work.py")
ROUNDS: Final = int(os.environ.get("ROUNDS", "5"))
LIMIT_SECONDS: Final = 300

Key = tuple[str, str]

# Scenario: variants that take turns in it.
MEASURED: Final = {
    "produce": (
        "raw",
        "contrib_recorded",
        "ours_recorded",
        "contrib_unsampled",
        "ours_unsampled",
        "ddtrace",
    ),
    "poll": (
        "raw",
        "contrib_recorded",
        "ours_recorded",
        "contrib_unsampled",
        "ours_unsampled",
        "ddtrace",
    ),
    "consume": ("raw", "contrib_recorded", "ours_recorded"),
    "cpu": ("raw", "contrib_encoded", "ours_encoded"),
    "memory": ("raw", "contrib_recorded", "ours_recorded", "sdk_recorded"),
    "async": ("raw", "ours_unsampled", "ours_recorded"),
    "log": ("raw", "ours"),
    "export": ("contrib_encoded", "ours_encoded"),
}
UNIT: Final = {"memory": "bytes", "async": "a second", "export": "a second"}


def main() -> None:
    """Measure, print, judge."""
    figures: dict[Key, list[float]] = {}
    whys: dict[Key, str] = {}
    for round_number in range(ROUNDS):
        for key in steps(round_number):
            if key not in whys:
                measure(key, figures, whys)
    medians = {key: statistics.median(values) for key, values in figures.items()}
    show(figures, whys)
    logs = medians.get(("log", "ours"))
    report(
        "propagation",
        goals(medians, whys),
        rounds=ROUNDS,
        figures={f"{s} {v}": round(figure, 3) for (s, v), figure in medians.items()},
        spans_exported_a_second=medians.get(("export", "ours_encoded")),
        log_lines_a_second=logs and 1e6 / logs,
    )


def steps(round_number: int) -> Iterator[Key]:
    """Give what a round measures; every other round in reverse, so that nobody always leads."""
    for scenario, variants in MEASURED.items():
        for variant in variants if round_number % 2 == 0 else reversed(variants):
            yield scenario, variant


def measure(key: Key, figures: dict[Key, list[float]], whys: dict[Key, str]) -> None:
    """Run one measurement; keep its figure, or why there is none."""
    scenario, variant = key
    if variant == "ddtrace" and importlib.util.find_spec("ddtrace") is None:
        whys[key] = "ddtrace is not installed here"
        return
    # -P: beside the work lies this file, which must not be taken for the package of its name.
    command = [sys.executable, "-P", str(WORK), variant, scenario]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS
        )
    except subprocess.TimeoutExpired:
        whys[key] = f"took longer than {LIMIT_SECONDS} s"
        return
    if done.returncode != 0:
        whys[key] = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return
    figures.setdefault(key, []).append(json.loads(done.stdout.splitlines()[-1])["figure"])


def show(figures: dict[Key, list[float]], whys: dict[Key, str]) -> None:
    """Print median and range of every measurement."""
    rows = [("scenario", "variant", "median", "range", "unit")]
    for scenario, variants in MEASURED.items():
        for variant in variants:
            values = figures.get((scenario, variant))
            unit = UNIT.get(scenario, "µs")
            if values is None:
                rows.append((scenario, variant, "-", whys[scenario, variant], ""))
                continue
            span = f"{min(values):.3g} - {max(values):.3g}"
            rows.append((scenario, variant, f"{statistics.median(values):.4g}", span, unit))
    print(table(rows))


def goals(medians: dict[Key, float], whys: dict[Key, str]) -> list[Goal]:
    """Compare with what is wanted."""

    def missing(*keys: Key) -> str:
        return "; ".join(
            f"{s} {v}: {whys.get((s, v), 'no figure')}" for s, v in keys if (s, v) not in medians
        )

    def added(scenario: str, kind: str, limit: float, name: str) -> Goal:
        raw, ours, theirs = (
            (scenario, variant) for variant in ("raw", f"ours_{kind}", f"contrib_{kind}")
        )
        if why := missing(raw, ours, theirs):
            return Goal(name, "<=", limit, None, why)
        ratio = (medians[ours] - medians[raw]) / (medians[theirs] - medians[raw])
        return Goal(name, "<=", limit, ratio)

    def ratio(ours: Key, theirs: Key, want: str, limit: float, name: str) -> Goal:
        why = missing(ours, theirs)
        got = None if why else medians[ours] / medians[theirs]
        return Goal(name, ">=" if want == ">=" else "<=", limit, got, why)

    logged = missing(("log", "ours"), ("log", "raw"))
    consume = medians.get(("consume", "ours_recorded"))
    return [
        added("produce", "recorded", 0.25, "produce with callback, recorded, against contrib"),
        added("produce", "unsampled", 0.2, "produce with callback, unsampled, against contrib"),
        added("poll", "recorded", 0.12, "poll + processing, recorded, against contrib"),
        added("poll", "unsampled", 0.2, "poll + processing, unsampled, against contrib"),
        added("cpu", "encoded", 0.12, "CPU of the process with OTLP encoding, against contrib"),
        Goal(
            "consume(500) without scopes, µs a message",
            "<=",
            1,
            consume,
            missing(("consume", "ours_recorded")),
        ),
        ratio(
            ("async", "ours_unsampled"),
            ("async", "raw"),
            ">=",
            0.6,
            "async producer, headers, unsampled, throughput against the real one without headers",
        ),
        ratio(
            ("async", "ours_recorded"),
            ("async", "raw"),
            ">=",
            0.3,
            "async producer, headers, recorded, throughput against the real one without headers",
        ),
        Goal(
            "log line with ids against structlog's plain JSON line, added µs",
            "<=",
            2,
            None if logged else medians["log", "ours"] - medians["log", "raw"],
            logged,
        ),
        ratio(
            ("memory", "ours_recorded"),
            ("memory", "contrib_recorded"),
            "<=",
            0.4,
            "a million messages in flight, bytes a message against contrib's",
        ),
        ratio(
            ("memory", "ours_recorded"),
            ("memory", "sdk_recorded"),
            "<=",
            0.4,
            "the same against the SDK's span that ends at delivery, as ours does",
        ),
    ]


if __name__ == "__main__":
    main()
