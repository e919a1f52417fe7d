"""Run a few lines as a service: OpenTelemetry allows one tracer provider in a process."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

FORK = """
    import os, sys
    from opentelemetry import trace
    from propagation.sdk import telemetry
    running = telemetry("game-api")
    tracer = trace.get_tracer("test")
    tracer.start_span("before").end()
    assert running.flush(50)                # a connection is open now
    tracer.start_span("queued").end()       # the parent's, still in its queue
    if (child := os.fork()) == 0:
        for _ in range(3):
            tracer.start_span("child").end()
            assert running.flush(50)
        tracer.start_span("child, last").end()
        sys.exit(0)                         # stopped by its exit, as any process
    for _ in range(3):
        tracer.start_span("parent").end()
        assert running.flush(50)
    print(os.waitpid(child, 0)[1])
"""
FORKED_SPANS = sorted(["before", "queued", *["child"] * 3, "child, last", *["parent"] * 3])
"""What parent and child of `FORK` send between them."""

FORKS_UNDER_LOAD = """
    import os, sys
    from threading import Thread
    from opentelemetry import trace
    from propagation.sdk import quiet, telemetry
    quiet.FORK_SECONDS = 30.0  # as long as a call takes on a busy machine
    running = telemetry("game-api")
    tracer = trace.get_tracer("test")
    going = True
    def load():
        while going:
            tracer.start_span("load").end()
    thread = Thread(target=load)
    thread.start()
    children = []
    for _ in range(10):
        if (child := os.fork()) == 0:
            tracer.start_span("child").end()
            sys.exit(0)
        children.append(child)
    going = False
    thread.join()
    print(sum(os.waitpid(child, 0)[1] for child in children))
"""


PATIENT = """
from propagation.sdk.telemetry import Telemetry
Telemetry.shutdown.__defaults__ = (50.0,)
"""


def run(script: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run *script* as a service with the variables *environ*."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": ".", **environ},
        timeout=120,
    )


def run_patiently(script: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run *script* and let it take its time to send what it has when it ends.

    On a busy machine that can be more than the few seconds that a service has.
    """
    return run(PATIENT + textwrap.dedent(script), **environ)


def succeed(script: str, **environ: str) -> str:
    """Run *script*, which must neither fail nor write to standard error; give what it printed."""
    done = run_patiently(script, **environ)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def started(script: str, **environ: str) -> subprocess.Popen[bytes]:
    """Start *script* as a service that lives until its standard input ends. A context manager."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        stdin=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": ".", **environ},
    )
