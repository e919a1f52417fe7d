"""However a process ends, its last spans are sent, in bounded time."""

from __future__ import annotations

import signal
import socket
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from propagation.sdk.telemetry import STOP_SECONDS
from tests.propagation.sdk.scripts import (
    FORK,
    FORKED_SPANS,
    FORKS_UNDER_LOAD,
    run,
    run_patiently,
    succeed,
)

if TYPE_CHECKING:
    from tests.infra.otlp import OtlpReceiver

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
INTERPRETER_SECONDS = 25.0  # to start and end Python on a busy machine

TERMINATED = """
    import os, signal
    from opentelemetry import trace
    from propagation.sdk import telemetry
    running = telemetry("game-api")
    trace.get_tracer("test").start_span("play").end()
    os.kill(os.getpid(), signal.SIGTERM)
    signal.pause()
"""


def test_sigterm_sends_what_has_ended(otlp: OtlpReceiver) -> None:
    """A process that SIGTERM ends has sent its spans, and still ends by SIGTERM."""
    done = run_patiently(TERMINATED, OTEL_EXPORTER_OTLP_ENDPOINT=otlp.endpoint)

    assert (done.returncode, done.stderr) == (-signal.SIGTERM, "")
    assert [span.name for span in otlp.spans()] == ["play"]


def test_sigterm_is_bounded() -> None:
    """A receiver that hangs does not hold the process's end up."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=64)) as server:
        began = time.monotonic()
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        unbounded = {"OTEL_EXPORTER_OTLP_TIMEOUT": "50000"}  # milliseconds
        done = run(TERMINATED, OTEL_EXPORTER_OTLP_ENDPOINT=address, **unbounded)

    assert done.returncode == -signal.SIGTERM
    assert time.monotonic() - began < STOP_SECONDS + INTERPRETER_SECONDS


@pytest.mark.parametrize("when", ["before", "after"])
def test_who_listens_to_sigterm_keeps_it(when: str) -> None:
    """A service's own handler is called alone, set before telemetry or after it."""
    script = f"""
        import os, signal
        from propagation.sdk import telemetry
        def mine(number, frame):
            print("mine")
        if {when == "before"}:
            signal.signal(signal.SIGTERM, mine)
        with telemetry("game-api"):
            if {when == "after"}:
                signal.signal(signal.SIGTERM, mine)
            os.kill(os.getpid(), signal.SIGTERM)
        print(signal.getsignal(signal.SIGTERM) is mine)
    """

    assert succeed(script, OTEL_TRACES_EXPORTER="none").split() == ["mine", "True"]


def test_stopping_gives_sigterm_back() -> None:
    """Once telemetry has stopped, SIGTERM is what it was."""
    script = """
        import signal
        from propagation.sdk import telemetry
        with telemetry("game-api"):
            print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)
        print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)
    """

    assert succeed(script, OTEL_TRACES_EXPORTER="none").split() == ["False", "True"]


def test_another_thread_may_set_up() -> None:
    """Outside of the main thread no signal is touched, and nothing fails."""
    script = """
        import signal
        from threading import Thread
        from propagation.sdk import telemetry
        def work():
            with telemetry("game-api"):
                print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)
        thread = Thread(target=work)
        thread.start()
        thread.join()
    """

    assert succeed(script, OTEL_TRACES_EXPORTER="none").split() == ["True"]


def test_a_forked_child_exports_its_own_spans(otlp: OtlpReceiver) -> None:
    """Parent and child each send what they recorded, at the same time, and nothing twice."""
    assert succeed(FORK, OTEL_EXPORTER_OTLP_ENDPOINT=otlp.endpoint) == "0\n"

    assert sorted(span.name for span in otlp.spans()) == FORKED_SPANS


def test_a_fork_under_load_does_not_hang(otlp: OtlpReceiver) -> None:
    """Forking while the exporting thread is at work leaves every child able to record and end."""
    environ = {ENDPOINT: otlp.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "1"}
    done = run_patiently(FORKS_UNDER_LOAD, **environ)

    assert (done.returncode, done.stdout) == (0, "0\n")
    assert [span.name for span in otlp.spans()].count("child") == 10


def test_a_child_of_multiprocessing_sends_before_it_ends(otlp: OtlpReceiver) -> None:
    """A child that ends without the interpreter's exit handlers sends its spans all the same."""
    script = """
        import multiprocessing
        from opentelemetry import trace
        from propagation.sdk import telemetry
        def work():
            trace.get_tracer("test").start_span("child").end()
        with telemetry("game-api"):
            child = multiprocessing.get_context("fork").Process(target=work)
            child.start()
            child.join(30)
            print(child.exitcode)
    """

    assert succeed(script, OTEL_EXPORTER_OTLP_ENDPOINT=otlp.endpoint) == "0\n"
    assert [span.name for span in otlp.spans()] == ["child"]
