"""What the runtime of consumers costs on a real broker, against the bare client and FastStream.

A real broker and a real PostgreSQL of its own run here, without Docker or beside it, as the tests
start them. ``ROWS=noop,memory`` runs some rows alone, ``ROUNDS=1`` is for a quick look,
``RECORDS=100000`` shortens the row that looks for growth.

Every figure of a row comes from processes of their own that take turns, and is the median of the
rounds; a ratio is one of two such medians of one run.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import consumers_live as live
import harness
from harness import Goal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROUNDS: Final = int(os.environ.get("ROUNDS", "5"))
RECORDS: Final = int(os.environ.get("RECORDS", "1000000"))
PLAYS_A_SECOND, PLAYS_SECONDS = 200, 30

Claim = tuple[str, str, float]

# Row: what it claims, and the limits. A row that is judged by several figures gives them in order.
WANTED: Final[Mapping[str, tuple[Claim, ...]]] = {
    "noop": (
        ("no-op handler, unsampled, records/s against a bare loop that stores offsets", ">=", 0.25),
        ("the same by CPU, which other work on the machine changes less", ">=", 0.25),
        ("no-op handler, unsampled, records/s against FastStream with its telemetry", ">=", 5),
    ),
    "recorded": (
        ("no-op handler, recorded and exported by OTLP, records/s against FastStream", ">=", 3),
    ),
    "postgres": (
        ("Postgres 5 ms away, plays/s, 8 lanes against 1", ">=", 5),
        ("the same in batches of 100 against one by one", ">=", 10),
    ),
    "memory": ((f"growth of memory over {RECORDS:,} records, %", "<=", 5),),
    "latency": (
        (f"request accepted to committed write, p99 at {PLAYS_A_SECOND} plays/s, ms", "<=", 100),
        ("/healthz, /readyz and /status of the worker meanwhile, p99, ms", "<=", 5),
    ),
}

# What takes turns in a row, and how many records each handles in a round: some seconds each.
UNSAMPLED: Final = {"bare": 400_000, "ours": 200_000, "faststream": 10_000}
RECORDED: Final = {"ours": 100_000, "faststream": 6_000}
POSTGRES: Final = {"one": 100, "lanes": 800, "batch": 8_000}

Figures = list[float]


def main() -> None:
    """Measure, print, judge."""
    began = time.monotonic()
    chosen = os.environ.get("ROWS", ",".join(WANTED)).split(",")
    if unknown := set(chosen) - set(WANTED):
        sys.exit(f"ROWS: there is no {min(unknown)!r}; there are {', '.join(WANTED)}")
    goals: list[Goal] = []
    loads: dict[str, float] = {}
    figures: dict[str, Any] = {}
    with ExitStack() as stack:
        bench = live.Bench(stack)
        for row in WANTED:
            loads[row] = round(os.getloadavg()[0], 1)
            goals += measured(row, bench, figures) if row in chosen else []
    seconds = round(time.monotonic() - began)
    harness.report(
        "consumers", goals, rounds=ROUNDS, figures=figures, load_before=loads, seconds=seconds
    )


def measured(row: str, bench: live.Bench, figures: dict[str, Any]) -> list[Goal]:
    """Run one *row*; where it fails, say why there is no figure. Add to *figures*."""
    print(f"\n{row}:", flush=True)
    began = time.monotonic()
    got: list[float | None]
    try:
        got, why = [*ROWS[row](bench, figures)], ""
    except Exception as error:  # noqa: BLE001 - the other rows go on
        got, why = [None] * len(WANTED[row]), f"{type(error).__name__}: {error}"
        print(why)
    print(f"{time.monotonic() - began:.0f} s in all", flush=True)
    return [
        Goal(name, ">=" if want == ">=" else "<=", limit, one, why)
        for (name, want, limit), one in zip(WANTED[row], got, strict=True)
    ]


def turns(
    row: str, counts: Mapping[str, int], measure: Callable[[str, int], Mapping[str, float]]
) -> dict[str, dict[str, float]]:
    """Let variants take turns, every other round in reverse; print and give their medians."""
    found: dict[str, list[Mapping[str, float]]] = {variant: [] for variant in counts}
    for number in range(ROUNDS):
        for variant in counts if number % 2 == 0 else reversed(counts):
            found[variant].append(measure(variant, counts[variant]))
    rows = [("variant", "records/s", "range", "CPU µs a record")]
    for variant, all_of_it in found.items():
        rates = [one["rate"] for one in all_of_it]
        span = f"{min(rates):,.0f} - {max(rates):,.0f}"
        cpu = f"{statistics.median(one['cpu_us'] for one in all_of_it):.1f}"
        rows.append((f"{row} {variant}", f"{statistics.median(rates):,.0f}", span, cpu))
    print(harness.table(rows), flush=True)
    return {
        variant: {key: statistics.median(one[key] for one in all_of_it) for key in all_of_it[0]}
        for variant, all_of_it in found.items()
    }


def noop(bench: live.Bench, figures: dict[str, Any]) -> Figures:
    """Compare a handler that does nothing with a loop that has none, and with FastStream."""
    topic = bench.records(sampled=False, count=max(UNSAMPLED.values()) * 5 // 4)
    got = turns("noop", UNSAMPLED, lambda one, count: bench.noop(one, topic, count))
    figures["noop"] = got
    rate = {variant: figure["rate"] for variant, figure in got.items()}
    by_cpu = got["bare"]["cpu_us"] / got["ours"]["cpu_us"]
    return [rate["ours"] / rate["bare"], by_cpu, rate["ours"] / rate["faststream"]]


def recorded(bench: live.Bench, figures: dict[str, Any]) -> Figures:
    """Compare the same with FastStream when every record gives a span that is sent."""
    topic = bench.records(sampled=True, count=max(RECORDED.values()) * 5 // 4)
    got = turns("recorded", RECORDED, lambda one, count: bench.recorded(one, topic, count))
    figures["recorded"] = got
    return [got["ours"]["rate"] / got["faststream"]["rate"]]


def postgres(bench: live.Bench, figures: dict[str, Any]) -> Figures:
    """Compare lanes and batches with one play at a time, where a round trip takes long."""
    topic = bench.plays(max(POSTGRES.values()) * 3 // 2)
    got = turns("postgres", POSTGRES, lambda one, count: bench.postgres(one, topic, count))
    figures["postgres"] = got
    rate = {variant: figure["rate"] for variant, figure in got.items()}
    return [rate["lanes"] / rate["one"], rate["batch"] / rate["one"]]


def memory(bench: live.Bench, figures: dict[str, Any]) -> Figures:
    """Look for growth while many records are handled."""
    # More than are handled: what the client has fetched ahead is as much at the end.
    topic = bench.records(sampled=False, count=RECORDS * 7 // 4)
    got = figures["memory"] = live.work("memory", bench.servers, topic, str(RECORDS))
    print(f"{got['first_mb']:.1f} MB at first, {got['last_mb']:.1f} at the end", flush=True)
    return [(got["last_mb"] / got["first_mb"] - 1) * 100]


def latency(bench: live.Bench, figures: dict[str, Any]) -> Figures:
    """Send plays to the real API and look when the real worker's writes were committed."""
    got = figures["latency"] = bench.latency(PLAYS_A_SECOND, PLAYS_SECONDS)
    print(*(f"{name} {value:.4g}" for name, value in got.items()), sep=", ", flush=True)
    return [got["p99_ms"], got["probe_p99_ms"]]


ROWS: Final[Mapping[str, Callable[[live.Bench, dict[str, Any]], Figures]]] = {
    "noop": noop,
    "recorded": recorded,
    "postgres": postgres,
    "memory": memory,
    "latency": latency,
}


if __name__ == "__main__":
    main()
