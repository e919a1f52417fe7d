"""Run a few lines as a service: OpenTelemetry allows one tracer provider in a process."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap


def run(script: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run *script* as a service with the variables *environ*."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": ".", **environ},
        timeout=60,
    )


def succeed(script: str, **environ: str) -> str:
    """Run *script*, which must neither fail nor write to standard error; give what it printed."""
    done = run(script, **environ)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def started(script: str, **environ: str) -> subprocess.Popen[bytes]:
    """Start *script* as a service that lives until its standard input ends. A context manager."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        stdin=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": ".", **environ},
    )
