"""``python -m tests.faults.soak --seconds N --seed S``: random faults on one stack, for a time.

The rows are those of the matrix in their long form, with outages of 60 s, in an order that the seed
decides; the seed is printed, so that what went wrong can be played again. Exit code 1 then, and
the soak ends there: the stack is what is to be looked at. The last row is played to its end.
"""

from __future__ import annotations

import argparse
import json
import random
import secrets
import sys
import time
from typing import TYPE_CHECKING

from tests.faults.rows import play
from tests.faults.settings import LONG_PLAYS, PRODUCTION
from tests.faults.stack import Stack
from tests.faults.table import CLUSTER, ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator

# Those of one broker: the stack has that.
SOAKED = {name: row for name, row in ROWS.items() if row.series != CLUSTER}
# Played once on a stack: they make topics by fixed names.
ONCE = frozenset({"100 poison records in a row"})


def main() -> int:
    """Play until the time is over."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32))
    parser.add_argument("--plays", type=int, default=LONG_PLAYS, help="of each row, at least")
    chosen = parser.parse_args()
    sys.stdout.write(f"seed {chosen.seed}\n")
    deadline = time.monotonic() + chosen.seconds
    plays = rows = 0
    with Stack(PRODUCTION) as stack:
        for name in order(chosen.seed):
            if time.monotonic() >= deadline:
                break
            report = play(SOAKED[name], stack, chosen.plays)
            plays, rows = plays + report.acknowledged, rows + 1
            sys.stdout.write(json.dumps(report.fields()) + "\n")
            sys.stdout.flush()
            if report.wrong:
                return 1
    sys.stdout.write(f"{rows} rows, {plays} acknowledged plays, nothing lost, nothing twice\n")
    return 0


def order(seed: int) -> Iterator[str]:
    """Give names of rows without an end, the same ones for the same *seed*."""
    chance = random.Random(seed)  # noqa: S311 - a rehearsal, no secret
    left = sorted(SOAKED)
    while True:
        name = chance.choice(left)
        if name in ONCE:
            left.remove(name)
        yield name


if __name__ == "__main__":
    sys.exit(main())
