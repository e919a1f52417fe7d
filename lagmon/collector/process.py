"""The collector as a process: ``python -m lagmon.collector.process``. Its parent is `supervise`.

Comes in on stdin: the configuration of one cluster as one line of JSON, secrets and all, then one
plan a line. Goes out on stdout: one snapshot a line, in the order of the plans, as `wire` writes
them. stderr has its log lines. It owns the Kafka clients and nothing that would have to be saved,
so it ends at once: when stdin ends, also in the middle of a blocked call, and on SIGTERM. Only a
share of the groups that it has among other replicas is handed back first, if that takes a moment.
An exception that is not foreseen ends it too; its parent starts another.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from importlib.metadata import version
from queue import SimpleQueue
from threading import Event, Thread
from typing import IO, NoReturn

import structlog

from lagmon import garbage
from lagmon.collector.cycle import Cycle
from lagmon.configuration.settings import CollectorSettings
from lagmon.recording.lines import plan_from_json
from lagmon.wire import Writer
from propagation.integrations import logs

STDOUT, STDERR = 1, 2
LEAVE_SECONDS = 1.0  # less than what its parent waits before it uses force

log = structlog.get_logger(__name__)


def main() -> None:
    """Answer plans until stdin ends; never returns."""
    # A Ctrl-C in the terminal is the parent's to answer: it ends us by closing stdin.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    garbage.give_back()
    answers = take_stdout()
    try:
        answer(sys.stdin.buffer, answers)
    except Exception as error:
        log.exception("collector_failed")
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.stderr.flush()
        os._exit(1)


def answer(lines: IO[bytes], answers: IO[bytes]) -> NoReturn:
    """Write to *answers* one snapshot for each plan of *lines*, of which the first is no plan."""
    settings = CollectorSettings.model_validate_json(lines.readline() or b"{}")
    logs.configure(
        "lagmon",
        version=version("lagmon"),
        environment=settings.environment,
        level=settings.log_level,
        stream=sys.stderr,
    )
    garbage.look_seldom()
    plans: SimpleQueue[bytes | None] = SimpleQueue()
    left = Event()
    if settings.replica is None:
        left.set()  # there is nobody to leave
    Thread(target=listen, args=(lines, plans, left), name="stdin", daemon=True).start()
    cycle, writer = Cycle(settings), Writer()
    while (line := plans.get()) is not None:
        snapshot = cycle.run(plan_from_json(line))
        with contextlib.suppress(BrokenPipeError):  # nobody is left; stdin is about to say so
            answers.write(writer.line(snapshot).encode() + b"\n")
            answers.flush()
        garbage.sweep()  # beside the parent's judging
    cycle.leave()
    left.set()
    while True:
        signal.pause()  # until the other thread has ended it all


def take_stdout() -> IO[bytes]:
    """Keep stdout for the answers: whatever else prints there goes to stderr from now on."""
    answers = os.fdopen(os.dup(STDOUT), "wb")
    os.dup2(STDERR, STDOUT)
    return answers


def listen(lines: IO[bytes], plans: SimpleQueue[bytes | None], left: Event) -> None:
    """Hand each of *lines* on; when they end, so does the process, at most a moment later.

    From a thread of its own, and waiting for nobody but until *left* is set: a call into librdkafka
    may block for long, and a client that waits for its own end may too.
    """
    for line in lines:
        plans.put(line)
    plans.put(None)
    left.wait(LEAVE_SECONDS)
    os._exit(0)


if __name__ == "__main__":
    main()
