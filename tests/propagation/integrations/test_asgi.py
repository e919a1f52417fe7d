"""Each HTTP request has a span, an answer with its trace id, and one log line."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import SpanKind, StatusCode
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse

from propagation.integrations.asgi import CLIENT_GONE, PATH_CHARACTERS, traced
from tests.propagation.builders import SPAN_ID, TRACE_ID, TRACEPARENT
from tests.propagation.integrations.serving import Reply, application, call, served

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from starlette.requests import Request

    from tests.propagation.integrations.conftest import Log

INCOMING = f"{TRACE_ID:032x}"
APP = traced(application())


def id_of(span: ReadableSpan) -> str:
    """Give the trace id of *span* in hexadecimal."""
    context = span.get_span_context()
    assert context
    return f"{context.trace_id:032x}"


@pytest.mark.parametrize(
    ("request_line", "name", "route", "status"),
    [
        ("GET /game/plays/17", "GET /game/plays/{id}", "/game/plays/{id}", 200),
        ("POST /game/slots/play", "POST /game/slots/play", "/game/slots/play", 200),
        ("GET /nothing/here", "GET", None, 404),
        ("GET /game/nothing", "GET", None, 404),
        ("GET /game/slots/play", "GET /game/slots/play", "/game/slots/play", 405),
        ("BREW /game/slots/play", "HTTP /game/slots/play", "/game/slots/play", 405),
        ("GET /own-failure", "GET /own-failure", "/own-failure", 500),
        ("GET /stream", "GET /stream", "/stream", 200),
    ],
)
def test_a_request_is_one_server_span(
    spans: list[ReadableSpan], request_line: str, name: str, route: str | None, status: int
) -> None:
    """The span is named after the route's template, and the answer carries its trace id."""
    method, path = request_line.split()

    reply = call(APP, method, path)

    [span] = spans
    assert (span.name, span.kind) == (name, SpanKind.SERVER)
    assert (span.attributes or {}).get("http.route") == route
    assert reply.status == status
    assert reply.header("x-trace-id") == id_of(span)


@pytest.mark.parametrize(
    ("path", "route", "status"),
    [("/game/plays/17", "/game/plays/{id}", 200), ("/no", None, 404), ("/stream", "/stream", 200)],
)
def test_a_request_is_one_line(log: Log, path: str, route: str | None, status: int) -> None:
    """The line says what was asked for and what came of it, under the trace id of the answer."""
    reply = call(APP, "GET", path)

    line = log.line("request_served")
    assert (line["method"], line["path"], line["route"]) == ("GET", path, route)
    assert (line["status"], line["level"]) == (status, "info")
    assert line["trace_id"] == reply.header("x-trace-id")
    assert line["latency_ms"] >= 0


def test_a_clients_trace_is_continued(spans: list[ReadableSpan]) -> None:
    """A valid traceparent makes the span a child of the client's."""
    reply = call(APP, "GET", "/game/plays/17", {"traceparent": TRACEPARENT})

    [span] = spans
    assert reply.header("x-trace-id") == INCOMING
    assert span.parent is not None
    assert span.parent.span_id == SPAN_ID


@pytest.mark.parametrize("path", ["/game/plays/17", "/healthz"])
@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "garbage",
        TRACEPARENT[:-1],
        f"ff{TRACEPARENT[2:]}",
        f"00-{'0' * 32}-{'1' * 16}-01",
        b"\xff\\u1",
    ],
)
def test_a_malformed_traceparent_starts_a_new_trace(path: str, traceparent: str | bytes) -> None:
    """Whatever a client sends as traceparent, it is served, under another trace."""
    reply = call(APP, "GET", path, {"traceparent": traceparent})

    assert reply.status == 200
    assert len(reply.header("x-trace-id")) == 32
    assert reply.header("x-trace-id") != INCOMING


@given(
    st.sampled_from(["traceparent", "tracestate", "baggage", "user-agent", "host"]),
    st.binary(),
    st.binary(),
)
def test_no_header_makes_a_request_fail(name: str, value: bytes, query: bytes) -> None:
    """Bytes that are no text in a header or query are no reason to fail."""
    reply = call(APP, "GET", "/game/plays/17", {name: value}, query=query)

    assert (reply.status, reply.body) == (200, b"17")


def test_the_application_sees_the_headers_as_they_came() -> None:
    """What is cleaned for the span's sake is not cleaned for the application."""
    seen: list[Any] = []

    async def look(scope: Any, _receive: Any, send: Any) -> None:
        seen.extend(scope["headers"])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    call(traced(look), "GET", "/", {"user-agent": b"\xff"})

    assert seen == [(b"user-agent", b"\xff")]


def assert_hides_the_failure(reply: Reply, span: ReadableSpan) -> None:
    """Check the answer to an unhandled exception."""
    assert reply.status == 500
    assert reply.header("content-type") == "application/json"
    assert int(reply.header("content-length")) == len(reply.body)
    error = json.loads(reply.body)["error"]
    assert error.keys() == {"code", "message", "trace_id", "retryable"}
    assert (error["code"], error["trace_id"], error["retryable"]) == (
        "internal",
        id_of(span),
        False,
    )
    assert b"hunter2" not in reply.body
    assert b"Runtime" not in reply.body


def test_an_unhandled_exception_is_answered_with_its_trace_id(
    spans: list[ReadableSpan], log: Log
) -> None:
    """The client gets 500 and the trace id; the exception is on the span and in the log once."""
    reply = call(APP, "GET", "/fail")

    [span] = spans
    assert_hides_the_failure(reply, span)
    assert reply.header("x-trace-id") == id_of(span)
    assert [event.name for event in span.events] == ["exception"]
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "RuntimeError"
    line = log.line("request_failed")
    assert (line["level"], line["trace_id"], line["route"]) == ("error", id_of(span), "/fail")
    assert line["error"]["message"] == "hunter2 GET"
    assert log.line("request_served")["status"] == 500


def test_an_application_without_a_framework_is_answered_for(spans: list[ReadableSpan]) -> None:
    """An ASGI application that raises before it answers gets the same 500."""

    async def bare(_scope: Any, _receive: Any, _send: Any) -> None:
        raise RuntimeError("hunter2")

    assert_hides_the_failure(call(traced(bare), "GET", "/"), spans[0])


def test_an_exception_without_a_text_is_answered_as_any_other(spans: list[ReadableSpan]) -> None:
    """One whose own text fails does not take the answer along, nor its place on the span."""

    class Silent(Exception):  # noqa: N818  # what it does
        """An error that cannot tell its own text."""

        def __str__(self) -> str:
            raise LookupError("no text")

    async def fail(*_: object) -> None:
        raise Silent

    reply = call(traced(fail), "GET", "/anything")

    [span] = spans
    assert (reply.status, reply.header("x-trace-id")) == (500, id_of(span))
    assert [event.name for event in span.events] == ["exception"]


def test_the_applications_own_answer_to_an_exception_is_kept(
    spans: list[ReadableSpan], log: Log
) -> None:
    """A handler's answer reaches the client, and the exception still the span and the log."""

    async def handler(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"mine": type(error).__name__}, 500)

    reply = call(traced(application(exception_handlers={Exception: handler})), "GET", "/fail")

    assert json.loads(reply.body) == {"mine": "RuntimeError"}
    assert reply.header("x-trace-id") == id_of(spans[0])
    assert [event.name for event in spans[0].events] == ["exception"]
    assert log.line("request_failed")


def test_a_failure_behind_the_answer_is_logged(log: Log) -> None:
    """An exception after the last byte changes nothing for the client."""
    reply = call(APP, "GET", "/fail-later")

    assert (reply.status, reply.body) == (200, b"done")
    assert log.line("request_failed")["error"]["message"] == "too late"
    assert log.line("request_served")["status"] == 200


def test_a_failure_in_the_middle_cuts_the_answer(spans: list[ReadableSpan], log: Log) -> None:
    """A response that breaks off is seen as broken by the client, the span and the log."""
    with served(APP) as address, pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"http://{address}/stream?fail=1", timeout=60)

    [span] = spans
    assert span.status.status_code is StatusCode.ERROR
    assert [event.name for event in span.events] == ["exception"]
    assert log.line("request_failed")["error"]["message"] == "half-way"
    assert log.line("request_served")["status"] == 200


def test_a_client_that_left_is_no_failure(spans: list[ReadableSpan], log: Log) -> None:
    """A client that hangs up while it sends gets no answer and causes no error."""
    reply = call(APP, "POST", "/body", gone=True)

    assert reply.status is None
    assert log.lines("request_failed") == []
    assert log.line("request_served")["status"] == CLIENT_GONE
    assert spans[0].status.status_code is StatusCode.UNSET


def test_a_trace_id_of_the_applications_own_is_replaced(spans: list[ReadableSpan]) -> None:
    """There is one x-trace-id, and it is the true one."""
    assert call(APP, "GET", "/impersonate").header("x-trace-id") == id_of(spans[0])


def test_a_probe_has_no_span(spans: list[ReadableSpan], log: Log) -> None:
    """A probe is logged at DEBUG under an id that its response shows, and records nothing."""
    reply = call(APP, "GET", "/healthz")

    line = log.line("request_served")
    assert spans == []
    assert line["level"] == "debug"
    assert line["trace_id"] == reply.header("x-trace-id")
    assert line["trace_flags"] == "02"  # random, and not sampled


def test_a_probe_continues_its_clients_trace() -> None:
    """A probe that brings a trace is answered under it."""
    reply = call(APP, "GET", "/healthz", {"traceparent": TRACEPARENT})

    assert reply.header("x-trace-id") == INCOMING


def test_a_failing_probe_is_answered(spans: list[ReadableSpan], log: Log) -> None:
    """An exception in a probe gets the same answer and the same line as any other."""
    reply = call(APP, "GET", "/metrics")

    assert reply.status == 500
    assert json.loads(reply.body)["error"]["trace_id"] == reply.header("x-trace-id")
    assert log.line("request_failed")
    assert spans == []


def test_probes_can_be_named() -> None:
    """Paths of one's own can be probes instead."""
    probing = traced(application(), probes=("/fail",))

    assert call(probing, "GET", "/fail").status == 500
    assert call(probing, "GET", "/healthz").status == 200


def test_a_route_is_found_through_other_middleware(spans: list[ReadableSpan]) -> None:
    """An application that is wrapped already still has its routes named."""
    call(traced(CORSMiddleware(application())), "GET", "/game/plays/17")

    assert spans[0].name == "GET /game/plays/{id}"


def test_a_path_is_logged_short_and_without_its_query(log: Log) -> None:
    """Neither a long path nor a query fills the log."""
    call(APP, "GET", "/" + "x" * 5000, query=b"token=secret")

    assert log.line("request_served")["path"] == "/" + "x" * (PATH_CHARACTERS - 1)
    assert "secret" not in json.dumps(log.line("request_served"))


def test_uvicorn_serves_it(spans: list[ReadableSpan], log: Log) -> None:
    """Over a real connection: answers, errors, streams and lifespan are as they are called."""
    inner = application()
    with (
        served(traced(inner)) as address,
        httpx.Client(base_url=f"http://{address}", timeout=60) as client,
    ):
        replies = [
            client.get(path) for path in ("/game/plays/17", "/no", "/fail", "/stream", "/healthz")
        ]

    assert [reply.status_code for reply in replies] == [200, 404, 500, 200, 200]
    assert replies[3].text == "one,two"
    assert [reply.headers["x-trace-id"] for reply in replies[:4]] == [id_of(span) for span in spans]
    assert len(replies[4].headers.get_list("x-trace-id")) == 1
    assert (inner.state.started, inner.state.stopped) == (True, True)
    assert [line["event"] for line in log.lines("request_failed")] == ["request_failed"]
    assert log.lines("Exception in ASGI application\n") == []


@pytest.mark.parametrize("kind", ["websocket", "lifespan", "webtransport"])
def test_what_is_not_http_passes(kind: str, spans: list[ReadableSpan], log: Log) -> None:
    """Any other kind of scope reaches the application with its own receive and send."""
    seen: list[tuple[Any, ...]] = []

    async def app(*given: Any) -> None:
        seen.append(given)

    given: tuple[Any, ...] = ({"type": kind, "path": "/echo"}, object(), object())

    async def run_it() -> None:
        await traced(app)(*given)

    asyncio.run(run_it())

    assert seen == [given]
    assert spans == []
    assert log.lines("request_served") == []


def run(script: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run *script* in a process of its own: conventions and providers are chosen once in each."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": ".", **environ},
    )


SHOW_ATTRIBUTES = """
    import json
    from propagation.integrations.asgi import traced
    from propagation.testing import captured_spans
    from tests.propagation.integrations.serving import application, call
    with captured_spans() as spans:
        call(traced(application()), "GET", "/game/plays/17", query=b"a=1")
    print(json.dumps(dict(spans[0].attributes)))
"""


def test_a_span_follows_the_stable_conventions() -> None:
    """Without any setting the attributes are those of the stable HTTP conventions alone."""
    attributes = json.loads(run(SHOW_ATTRIBUTES).stdout)

    assert attributes == {
        "client.address": "127.0.0.1",
        "client.port": 1,
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": "/game/plays/{id}",
        "network.protocol.version": "1.1",
        "server.address": "127.0.0.1",
        "server.port": 8080,
        "url.path": "/game/plays/17",
        "url.query": "a=1",
        "url.scheme": "http",
    }


def test_a_users_wish_for_both_conventions_is_kept() -> None:
    """With http/dup the old attribute names are there beside the new ones."""
    attributes = json.loads(run(SHOW_ATTRIBUTES, OTEL_SEMCONV_STABILITY_OPT_IN="http/dup").stdout)

    assert attributes.keys() >= {"http.method", "http.request.method"}


def test_ids_do_not_need_the_sdk() -> None:
    """With no tracer provider a request has a trace id all the same, its client's or a new one."""
    done = run(
        f"""
        from propagation.integrations.asgi import traced
        from tests.propagation.integrations.serving import application, call
        app, incoming = traced(application()), {{"traceparent": "{TRACEPARENT}"}}
        print(call(app, "GET", "/game/plays/17", incoming).header("x-trace-id"))
        print(len(call(app, "GET", "/game/plays/17").header("x-trace-id")))
        """
    )

    assert done.stdout.split() == [INCOMING, "32"]


@pytest.mark.parametrize("module", ["starlette", "opentelemetry.instrumentation.asgi"])
def test_a_missing_extra_is_named(module: str) -> None:
    """Without its extra the import says what to install."""
    done = run(f"import sys; sys.modules['{module}'] = None; import propagation.integrations.asgi")

    assert "ImportError: " in done.stderr
    assert "pip install 'lagmon[asgi]'" in done.stderr
