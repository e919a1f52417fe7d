"""Tracing is set up by the OTEL_* variables, and stops in time. Each case is a process of its own.

OpenTelemetry allows one tracer provider in a process, so each script is one service's life.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from propagation.sdk.telemetry import STOP_SECONDS
from tests.infra.ports import free_port
from tests.propagation.sdk.scripts import run, succeed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.infra.otlp import OtlpReceiver

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
INTERPRETER_SECONDS = 25.0  # to start and end Python on a busy machine
SLACK_SECONDS = 15.0  # until a busy machine lets a thread go on
UNBOUNDED = {"OTEL_EXPORTER_OTLP_TIMEOUT": "50000"}  # what nobody bounds takes fifty seconds

PLAY = """
    from opentelemetry import trace
    from propagation.sdk import telemetry
    with telemetry("game-api", version="1.2", environment="test"):
        with trace.get_tracer("test").start_as_current_span("play"):
            pass
"""


def test_a_span_arrives_with_its_service(otlp: OtlpReceiver) -> None:
    """What was recorded is exported at the end, under the service's name, version, environment."""
    succeed(PLAY, OTEL_EXPORTER_OTLP_ENDPOINT=otlp.endpoint)

    [span] = otlp.spans()
    assert (span.name, span.service) == ("play", "game-api")
    assert span.resource["service.version"] == "1.2"
    assert span.resource["deployment.environment.name"] == "test"


def test_the_environment_wins_over_the_code(otlp: OtlpReceiver) -> None:
    """Variables for the resource replace what the service says of itself, and add to it."""
    succeed(
        PLAY,
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{otlp.endpoint}/v1/traces",
        OTEL_SERVICE_NAME="renamed",
        OTEL_RESOURCE_ATTRIBUTES="service.name=not-this,deployment.environment.name=prod,team=a%20b",
    )

    [span] = otlp.spans()
    assert span.service == "renamed"
    assert span.resource["deployment.environment.name"] == "prod"
    assert span.resource["team"] == "a b"
    assert span.resource["service.version"] == "1.2"


def test_compression_is_applied(otlp: OtlpReceiver) -> None:
    """A batch that is sent compressed arrives."""
    environ = {ENDPOINT: otlp.endpoint, "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}
    succeed(PLAY, **environ)

    assert len(otlp.spans()) == 1


@pytest.mark.parametrize(
    ("sampler", "argument", "parent_flags", "count"),
    [
        ("always_on", "", 0, 1),
        ("always_off", "", 1, 0),
        ("traceidratio", "0", 1, 0),
        ("traceidratio", "1", 0, 1),
        ("parentbased_always_off", "", 1, 1),
        ("parentbased_always_on", "", 0, 0),
        ("parentbased_traceidratio", "0", 1, 1),
        ("propagation_rate_limited", "0", 1, 1),
        ("propagation_rate_limited", "1", 0, 0),
    ],
)
def test_the_sampler_decides(
    otlp: OtlpReceiver,
    sampler: str,
    argument: str,
    parent_flags: int,
    count: int,
) -> None:
    """Each sampler of the specification records what its name says."""
    script = f"""
        from opentelemetry import trace
        from propagation.sdk import telemetry
        from tests.propagation.builders import context, span_context
        with telemetry("game-api"):
            parent = context(span_context(flags={parent_flags}))
            trace.get_tracer("test").start_span("play", parent).end()
    """
    environ = {ENDPOINT: otlp.endpoint, "OTEL_TRACES_SAMPLER": sampler}
    succeed(script, OTEL_TRACES_SAMPLER_ARG=argument, **environ)

    assert len(otlp.spans()) == count


def test_a_rate_bounds_what_begins_here(otlp: OtlpReceiver) -> None:
    """With propagation_rate_limited only so many of the traces that begin at once are recorded."""
    script = """
        from opentelemetry import trace
        from propagation.sdk import telemetry
        with telemetry("game-api"):
            for _ in range(100):
                trace.get_tracer("test").start_span("play").end()
    """
    environ = {ENDPOINT: otlp.endpoint, "OTEL_TRACES_SAMPLER": "propagation_rate_limited"}
    succeed(script, OTEL_TRACES_SAMPLER_ARG="3", **environ)

    assert 3 <= len(otlp.spans()) < 100


def test_the_console_gets_a_line_for_each_span() -> None:
    """The console exporter prints JSON, one line a span, as logs do."""
    out = succeed(PLAY, OTEL_TRACES_EXPORTER="console")

    [line] = out.splitlines()
    assert json.loads(line)["name"] == "play"


def test_no_exporter_still_gives_ids() -> None:
    """With none nothing is sent, and spans are recorded all the same."""
    out = succeed(
        PLAY.replace("pass", "print(trace.get_current_span().is_recording())"),
        OTEL_TRACES_EXPORTER="none",
    )

    assert out == "True\n"


def test_a_disabled_sdk_installs_nothing() -> None:
    """With OTEL_SDK_DISABLED the API stays without a provider, and nothing fails."""
    script = """
        from opentelemetry import trace
        from propagation.sdk import telemetry
        with telemetry("game-api") as running:
            print(type(trace.get_tracer_provider()).__name__, running.flush(1), running.shutdown(1))
    """

    assert succeed(script, OTEL_SDK_DISABLED="true") == "ProxyTracerProvider True True\n"


def test_unusable_variables_stop_the_start() -> None:
    """Every problem is told at the start, and nothing is installed."""
    script = """
        from opentelemetry import trace
        from propagation.sdk import SettingsError, telemetry
        try:
            telemetry("game-api")
        except SettingsError as error:
            print(len(error.problems), type(trace.get_tracer_provider()).__name__)
    """

    out = succeed(script, OTEL_TRACES_SAMPLER="x", OTEL_TRACES_EXPORTER="y")
    assert out == "2 ProxyTracerProvider\n"


def test_a_flush_sends_what_has_ended(otlp: OtlpReceiver) -> None:
    """Flush tells that all arrived, and it is there before the service goes on."""
    script = """
        import sys
        from opentelemetry import trace
        from propagation.sdk import telemetry
        running = telemetry("game-api")
        trace.get_tracer("test").start_span("play").end()
        print(running.flush(50), flush=True)
        sys.stdin.read()
    """
    service = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": ".", ENDPOINT: otlp.endpoint},
    )
    with service:
        assert service.stdout
        flushed = service.stdout.readline()
        spans = otlp.spans()
        service.communicate()

    assert flushed == b"True\n"
    assert len(spans) == 1


def test_a_service_that_forgets_to_stop_loses_nothing(otlp: OtlpReceiver) -> None:
    """At the process's exit what has ended is sent."""
    script = """
        from opentelemetry import trace
        from propagation.sdk import telemetry
        telemetry("game-api")
        trace.get_tracer("test").start_span("play").end()
    """
    succeed(script, OTEL_EXPORTER_OTLP_ENDPOINT=otlp.endpoint)

    assert len(otlp.spans()) == 1


def test_a_provider_that_is_there_stays() -> None:
    """Under a tracer provider of somebody else's, ours steps back and says so."""
    script = """
        import logging
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        from propagation.sdk import telemetry
        theirs = TracerProvider(shutdown_on_exit=False)
        trace.set_tracer_provider(theirs)
        logging.basicConfig(format="%(message)s", handlers=[logging.FileHandler("/dev/stdout")])
        with telemetry("game-api"):
            print(trace.get_tracer_provider() is theirs)
    """

    assert succeed(script).split() == ["tracer_provider_kept", "True"]


@pytest.fixture
def silent() -> Iterator[str]:
    """Give the address of a receiver that accepts connections and never answers."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=64)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def dead() -> str:
    """Give an address that nobody listens at."""
    return f"http://127.0.0.1:{free_port()}"


STOP = """
    import json, logging, time
    from opentelemetry import trace
    from propagation.integrations import logs
    from propagation.sdk import telemetry
    logs.configure("game-api")
    running = telemetry("game-api")
    tracer = trace.get_tracer("test")
    for _ in range(3000):
        tracer.start_span("play").end()
    def timed(call, *given):
        began = time.monotonic()
        return call(*given), time.monotonic() - began
    flushed, flush_seconds = timed(running.flush, 0.5)
    stopped, stop_seconds = timed(running.shutdown, 1.0)
    again, again_seconds = timed(running.shutdown, 1.0)
    logging.info("measured", extra=dict(
        flushed=flushed, flush_seconds=flush_seconds, stopped=stopped, stop_seconds=stop_seconds,
        again=again, again_seconds=again_seconds,
    ))
"""


@pytest.mark.parametrize("receiver", ["silent", "dead"])
def test_a_stop_is_bounded(receiver: str, request: pytest.FixtureRequest) -> None:
    """Whether the receiver hangs or is gone, flush and stop end in time and tell that spans went.

    The process ends with them, and its log has a line for each fact and no traceback.
    """
    began = time.monotonic()
    done = run(STOP, OTEL_EXPORTER_OTLP_ENDPOINT=request.getfixturevalue(receiver), **UNBOUNDED)
    seconds = time.monotonic() - began

    lines: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    [measured] = [line for line in lines if line["event"] == "measured"]
    assert done.stderr == ""
    assert (measured["flushed"], measured["stopped"], measured["again"]) == (False, False, True)
    assert measured["flush_seconds"] < 0.5 + SLACK_SECONDS
    assert measured["stop_seconds"] < 1.0 + SLACK_SECONDS
    assert measured["again_seconds"] < SLACK_SECONDS
    assert seconds < 1.5 + INTERPRETER_SECONDS
    events = [line["event"] for line in lines]
    assert events.count("telemetry_stopped_early") == 1
    assert len(events) == len(set(events))
    assert "error" not in set().union(*lines)


def test_a_dead_receiver_is_told_once() -> None:
    """Many failing batches are one line in the log."""
    script = """
        import random
        from opentelemetry import trace
        from propagation.integrations import logs
        from propagation.sdk import telemetry
        random.uniform = lambda *_: 0.001  # the pauses of the exporter, which it multiplies
        logs.configure("game-api")
        with telemetry("game-api") as running:
            for _ in range(3):
                trace.get_tracer("test").start_span("play").end()
                print(running.flush(50))
    """
    out = succeed(
        script,
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}",
        **UNBOUNDED,
    )

    told, *flushed = out.splitlines()
    line = json.loads(told)
    assert flushed == ["False"] * 3
    assert (line["event"], line["level"]) == ("spans_not_exported", "warning")
    assert "Connection refused" in line["reason"]


def test_spans_that_did_not_arrive_are_admitted(dead: str) -> None:
    """Flush and shutdown tell of a loss also when they end in time."""
    script = """
        from opentelemetry import trace
        from propagation.sdk import telemetry
        running = telemetry("game-api")
        for end in (running.flush, running.shutdown):
            trace.get_tracer("test").start_span("play").end()
            print(end(50))
    """
    done = run(script, OTEL_EXPORTER_OTLP_ENDPOINT=dead, OTEL_EXPORTER_OTLP_TIMEOUT="100")

    assert done.stdout.split() == ["False", "False"]


def test_a_batch_has_its_own_time(silent: str) -> None:
    """The batch processor's timeout bounds an export too: the shorter of both holds."""
    script = """
        from opentelemetry import trace
        from propagation.sdk import telemetry
        running = telemetry("game-api")
        trace.get_tracer("test").start_span("play").end()
        running.flush(30)
    """
    began = time.monotonic()
    run(script, OTEL_EXPORTER_OTLP_ENDPOINT=silent, OTEL_BSP_EXPORT_TIMEOUT="200", **UNBOUNDED)

    assert time.monotonic() - began < 0.2 + INTERPRETER_SECONDS


def test_a_forgotten_stop_is_bounded_too(silent: str) -> None:
    """A process that only ends does not wait for a receiver that hangs."""
    script = """
        from opentelemetry import trace
        from propagation.sdk import telemetry
        telemetry("game-api")
        trace.get_tracer("test").start_span("play").end()
    """
    began = time.monotonic()
    done = run(script, OTEL_EXPORTER_OTLP_ENDPOINT=silent, **UNBOUNDED)

    assert done.returncode == 0
    assert time.monotonic() - began < STOP_SECONDS + INTERPRETER_SECONDS


def test_stopping_leaves_no_filter_behind(otlp: OtlpReceiver) -> None:
    """Once stopped, the exporter's loggers are as they were."""
    script = """
        import logging
        from propagation.sdk import telemetry
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        with telemetry("game-api"):
            print(len(logging.getLogger(OTLPSpanExporter.__module__).filters))
        print(len(logging.getLogger(OTLPSpanExporter.__module__).filters))
    """

    assert succeed(script, OTEL_EXPORTER_OTLP_ENDPOINT=otlp.endpoint).split() == ["1", "0"]


@pytest.mark.parametrize(
    "module", ["opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http"]
)
def test_a_missing_extra_is_named(module: str) -> None:
    """Without its extra the import says what to install."""
    done = run(f"import sys; sys.modules['{module}'] = None; from propagation.sdk import telemetry")

    assert "ImportError: " in done.stderr
    assert "pip install 'lagmon[sdk]'" in done.stderr
