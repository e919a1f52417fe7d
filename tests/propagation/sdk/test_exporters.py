"""Each exporter that OTEL_TRACES_EXPORTER names reaches a receiver of its protocol."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.infra.endpoint import Endpoint, Request, Response
from tests.infra.ports import free_port
from tests.infra.wait import until
from tests.propagation.sdk.collecting import collector
from tests.propagation.sdk.scripts import (
    FORK,
    FORKED_SPANS,
    FORKS_UNDER_LOAD,
    run,
    run_patiently,
    started,
    succeed,
)

if TYPE_CHECKING:
    from tests.infra.otlp import OtlpReceiver

PLAY = """
    from opentelemetry import trace
    from propagation.sdk import telemetry
    with telemetry("game-api") as running:
        trace.get_tracer("test").start_span("play", attributes={"offset": 7}).end()
        print(running.flush(60))
"""


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_spans_go_by_grpc(compression: str) -> None:
    """With OTEL_EXPORTER_OTLP_PROTOCOL=grpc spans and headers arrive by gRPC."""
    with collector() as (taker, address):
        out = succeed(
            PLAY,
            OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
            OTEL_EXPORTER_OTLP_ENDPOINT=address,
            OTEL_EXPORTER_OTLP_HEADERS="X-Tenant=a%20b",
            OTEL_EXPORTER_OTLP_COMPRESSION=compression,
        )

    [span] = taker.spans
    assert out == "True\n"
    assert (span.name, span.service, span.attributes) == ("play", "game-api", {"offset": 7})
    assert taker.metadata["x-tenant"] == "a b"


def test_a_forked_child_exports_its_own_spans_by_grpc() -> None:
    """Parent and child each go on with a channel of their own, and nothing is sent twice."""
    with collector() as (taker, address):
        environ = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": address}
        assert succeed(FORK, **environ) == "0\n"

    assert sorted(span.name for span in taker.spans) == FORKED_SPANS


def test_a_fork_in_the_middle_of_a_grpc_call_waits_for_it() -> None:
    """Every child can record and send, and gRPC has nothing to complain of."""
    with collector() as (taker, address):
        done = run_patiently(
            FORKS_UNDER_LOAD,
            OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
            OTEL_EXPORTER_OTLP_ENDPOINT=address,
            OTEL_BSP_SCHEDULE_DELAY="1",
        )

    assert (done.returncode, done.stdout) == (0, "0\n")
    assert "fork" not in done.stderr
    assert [span.name for span in taker.spans].count("child") == 10


def test_spans_go_to_zipkin() -> None:
    """With OTEL_TRACES_EXPORTER=zipkin spans arrive as Zipkin's JSON."""
    taken: list[Request] = []

    def take(request: Request) -> Response:
        taken.append(request)
        return Response(202)

    with Endpoint(take) as server:
        out = succeed(
            PLAY,
            OTEL_TRACES_EXPORTER="zipkin",
            OTEL_EXPORTER_ZIPKIN_ENDPOINT=f"{server.address}/api/v2/spans",
        )

    [request] = taken
    [span] = json.loads(request.body)
    assert out == "True\n"
    assert (span["name"], span["localEndpoint"]["serviceName"]) == ("play", "game-api")


def test_several_exporters_get_every_span(otlp: OtlpReceiver) -> None:
    """Exporters with a comma between them all get what is recorded."""
    out = succeed(
        PLAY, OTEL_TRACES_EXPORTER="console,otlp", OTEL_EXPORTER_OTLP_ENDPOINT=otlp.endpoint
    )

    assert json.loads(out.splitlines()[0])["name"] == "play"
    assert [span.name for span in otlp.spans()] == ["play"]


@pytest.mark.parametrize(
    "environ",
    [
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TIMEOUT": "1500"},
        {"OTEL_TRACES_EXPORTER": "zipkin", "OTEL_EXPORTER_ZIPKIN_TIMEOUT": "1500"},
    ],
    ids=["grpc", "zipkin"],
)
def test_a_dead_receiver_is_one_line(environ: dict[str, str]) -> None:
    """No exporter speaks for itself: what did not arrive is one line with target and number."""
    port = free_port()
    script = f"""
    from propagation.integrations import logs
    logs.configure("game-api")
    {PLAY}"""
    environ |= {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_EXPORTER_ZIPKIN_ENDPOINT": f"http://127.0.0.1:{port}/api/v2/spans",
    }
    done = run(script, **environ)

    line, answer = done.stdout.splitlines()
    told = json.loads(line)
    assert (done.stderr, answer) == ("", "False")
    assert (told["event"], told["spans"]) == ("spans_not_exported", 1)
    assert f":{port}" in told["target"]
    assert told["reason"]


def test_spans_that_no_queue_takes_are_counted(otlp: OtlpReceiver) -> None:
    """More spans at once than the queue holds are counted, and told once."""
    script = """
        import threading
        from opentelemetry import trace
        from propagation.integrations import logs
        from propagation.sdk import telemetry
        from propagation.sdk.otlp import FastOTLPSpanExporter
        go, busy = threading.Event(), threading.Event()
        stock = FastOTLPSpanExporter.export
        def export(self, spans):
            busy.set()
            go.wait(60)
            return stock(self, spans)
        FastOTLPSpanExporter.export = export    # a receiver that takes its time
        logs.configure("game-api")
        running = telemetry("game-api")
        tracer = trace.get_tracer("test")
        for n in range(110):
            tracer.start_span("play").end()
            if n == 9:
                busy.wait(60)                   # a batch of ten is being sent; twenty may wait
        go.set()
        print(running.flush(60), running.shutdown(60), running.dropped)
    """
    out = succeed(
        script,
        OTEL_EXPORTER_OTLP_ENDPOINT=otlp.endpoint,
        OTEL_BSP_SCHEDULE_DELAY="60000",  # or a slow start would send fewer than ten first
        OTEL_BSP_MAX_QUEUE_SIZE="20",
        OTEL_BSP_MAX_EXPORT_BATCH_SIZE="10",
    )

    line, answer = out.splitlines()
    assert json.loads(line).items() >= {"event": "Queue full, dropping Span.", "spans": 1}.items()
    assert answer == "True True 80"
    assert len(otlp.spans()) == 30


def test_a_batch_is_no_larger_than_asked_for() -> None:
    """With OTEL_BSP_MAX_EXPORT_BATCH_SIZE many spans are several requests."""
    script = """
        from opentelemetry import trace
        from propagation.sdk import telemetry
        with telemetry("game-api"):
            for n in range(25):
                trace.get_tracer("test").start_span("play").end()
    """
    with collector() as (taker, address):
        succeed(
            script,
            OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
            OTEL_EXPORTER_OTLP_ENDPOINT=address,
            OTEL_BSP_SCHEDULE_DELAY="60000",
            OTEL_BSP_MAX_EXPORT_BATCH_SIZE="10",
        )

    sizes = [len(request.resource_spans[0].scope_spans[0].spans) for request in taker.requests]
    assert sizes == [10, 10, 5]


def test_a_span_waits_no_longer_than_the_delay(otlp: OtlpReceiver) -> None:
    """With OTEL_BSP_SCHEDULE_DELAY spans are sent while the service goes on."""
    script = """
        import sys
        from opentelemetry import trace
        from propagation.sdk import telemetry
        with telemetry("game-api"):
            trace.get_tracer("test").start_span("play").end()
            sys.stdin.read()
    """
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": otlp.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "1"}

    with started(script, **environ) as service:
        until(otlp.spans, what="the span of a service that still runs")
        assert service.poll() is None
        service.communicate()
