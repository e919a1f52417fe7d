"""An examination by a process of its own: it always ends, and always gives one."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from lagmon.configuration.settings import Cluster, CollectorSettings
from lagmon.doctor.asking import examine
from lagmon.doctor.examination import Broker, Examination, Glance

SETTINGS = CollectorSettings(
    cluster=Cluster(name="x", bootstrap_servers="kafka:9092", client={"sasl.password": "hunter2"}),
    cycle_deadline=1.0,
)


def examined(program: str, *, grace_seconds: float = 30) -> Examination:
    """Examine by *program*, a few lines of Python."""
    command = (sys.executable, "-c", program)
    return asyncio.run(examine(SETTINGS, command=command, grace_seconds=grace_seconds))


def test_settings_go_in_and_an_examination_comes_out() -> None:
    """By the pipe, where no list of processes shows a password."""
    found = Examination(
        brokers=(Broker(id=1, address="kafka:9092", speaks={"ListOffsets": (1, 11)}),),
        glances=(Glance(asked=1.0, answered=2.0, newest={0: (1, None), 1: (1, 0.5)}),),
    )
    program = f"""
import sys
told = sys.stdin.readline()
secret = "hunter" + "2"
assert secret in told and secret not in " ".join(sys.orig_argv)
print({found.model_dump_json()!r})
"""

    assert examined(program) == found


@pytest.mark.parametrize(
    "program", ["import os; os.abort()", "print('no examination')", "raise SystemExit(1)"]
)
def test_a_process_that_ends_without_an_answer_is_said(program: str) -> None:
    """As librdkafka may have it do."""
    assert "ended without an answer" in str(examined(program).error)


def test_a_process_that_hangs_is_killed_in_time(tmp_path: Path) -> None:
    """Nobody waits for it longer than for a cycle."""
    noted = tmp_path / "pid"
    program = f"""
import os, pathlib, signal
pathlib.Path({str(noted)!r}).write_text(str(os.getpid()))
signal.pause()
"""

    for seconds in (1.5, 10, 60):  # in which it comes to hang, on a busy machine late
        found = examined(program, grace_seconds=seconds - 1)
        assert found.error == f"it was not examined within {seconds:g} s"
        if noted.exists() and noted.read_text():
            break

    assert not Path(f"/proc/{noted.read_text()}").exists()


def test_a_program_that_cannot_be_started_is_said() -> None:
    """With the system's words."""
    found = asyncio.run(examine(SETTINGS, command=("/nowhere/python",)))

    assert "could not be examined" in str(found.error)
