"""``python -m tests.faults [ROW…] [--plays N] [--long]``: play rows one after the other on a stack.

The long form has 5,000 plays a row, production's session and poll interval, and outages of 60 s.
Each row ends with a line of JSON, its `tests.faults.rows.Report`. After a row that went wrong the
next one gets a new stack. Without names every row is played. Exit code 1 if anything was wrong.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
import traceback
from contextlib import ExitStack

from tests.faults.rows import Report, play
from tests.faults.settings import LONG_PLAYS, PRODUCTION, SHORT, SHORT_PLAYS
from tests.faults.stack import Stack
from tests.faults.table import CLUSTER, ROWS
from tests.infra.require import Missing


def main() -> int:
    """Play the rows that were named."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--plays", type=int, help="of each row, at least")
    parser.add_argument("--long", action="store_true", help="the long form: outages of 60 s")
    chosen = parser.parse_args()
    times, plays = (PRODUCTION, LONG_PLAYS) if chosen.long else (SHORT, SHORT_PLAYS)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # and so takes everything along
    if unknown := set(chosen.rows) - ROWS.keys():
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    bad = 0
    with ExitStack() as holder:
        stack: Stack | None = None
        for name in chosen.rows or ROWS:
            began = time.monotonic()
            try:
                of_cluster = ROWS[name].series == CLUSTER
                if stack and stack.of_cluster != of_cluster:
                    holder.close()
                    stack = None
                stack = stack or holder.enter_context(Stack(times, of_cluster=of_cluster))
                report = play(ROWS[name], stack, chosen.plays or plays)
            except Missing as lacking:
                report = Report(name, "", (), 0, missing=str(lacking))
            except Exception:  # noqa: BLE001 - the other rows are to be played all the same
                seconds = round(time.monotonic() - began, 1)
                report = Report(name, "", (traceback.format_exc(),), seconds)
            sys.stdout.write(json.dumps(report.fields()) + "\n")
            sys.stdout.flush()
            bad += bool(report.wrong)
            if report.wrong or report.missing:
                holder.close()
                stack = None
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
