"""Requests are counted, timed and seen in flight by route, once, and slow ones are warned of."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics import export as metrics_export
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from propagation.integrations.asgi import traced
from propagation.integrations.http_metrics import ACTIVE, BUCKETS, DURATION
from tests.propagation.integrations.serving import application, call, scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from tests.propagation.integrations.conftest import Log

    Points = list[Any]


class Meters:
    """A meter provider that keeps what it measures in memory."""

    def __init__(self) -> None:
        self._reader = metrics_export.InMemoryMetricReader()
        self.provider = MeterProvider([self._reader], exemplar_filter=AlwaysOffExemplarFilter())

    def metrics(self) -> dict[str, Any]:
        """Give every metric by its name; a name that is there twice would be a mistake."""
        data = self._reader.get_metrics_data()  # ``None`` before anything was measured
        found = [
            metric
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
        ]
        assert len({metric.name for metric in found}) == len(found)
        return {metric.name: metric for metric in found}

    def points(self, name: str) -> Points:
        """Give the points of the metric *name*."""
        return list(self.metrics()[name].data.data_points)

    def point(self, name: str) -> Any:
        """Give its only point."""
        [point] = self.points(name)
        return point


@pytest.fixture
def meters() -> Iterator[Meters]:
    """Give a provider of the test's own."""
    made = Meters()
    yield made
    made.provider.shutdown()


@pytest.mark.parametrize(
    ("request_line", "route", "status"),
    [
        ("GET /game/plays/17", "/game/plays/{id}", 200),
        ("POST /game/slots/play", "/game/slots/play", 200),
        ("GET /nothing/here", None, 404),
        ("GET /game/slots/play", "/game/slots/play", 405),
        ("GET /stream", "/stream", 200),
    ],
)
def test_a_request_is_counted_by_route_and_status(
    meters: Meters, request_line: str, route: str | None, status: int
) -> None:
    """One point with the stable conventions' attributes, the route as it is declared."""
    method, path = request_line.split()

    call(traced(application(), meter_provider=meters.provider), method, path)

    point = meters.point(DURATION)
    assert point.count == 1
    assert point.sum > 0
    assert dict(point.attributes) == {
        "http.request.method": method,
        "http.response.status_code": status,
        "network.protocol.version": "1.1",
        "url.scheme": "http",
    } | ({"http.route": route} if route else {})


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [("/fail", 500, "RuntimeError"), ("/own-failure", 500, "500"), ("/fail-later", 200, None)],
)
def test_a_failure_says_why(meters: Meters, path: str, status: int, error: str | None) -> None:
    """A failed request has the exception's type or, on purpose, its status as error.type."""
    call(traced(application(), meter_provider=meters.provider), "GET", path)

    attributes = meters.point(DURATION).attributes
    assert attributes["http.response.status_code"] == status
    assert attributes.get("error.type") == error


def test_a_client_that_left_got_no_status(meters: Meters) -> None:
    """The log's 499 was never sent, so the metrics do not show it as a status."""
    app = traced(application(), meter_provider=meters.provider)

    call(app, "POST", "/body", gone=True)

    attributes = meters.point(DURATION).attributes
    assert "http.response.status_code" not in attributes
    assert attributes["error.type"] == "client_disconnected"


def test_a_client_cannot_make_series(meters: Meters) -> None:
    """Made-up methods, schemes and paths end in one series each."""
    app = traced(application(), meter_provider=meters.provider)

    async def behind_a_proxy(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "scheme": scope["path"]}, receive, send)

    for number in range(5):
        call(behind_a_proxy, f"BREW{number}", f"/made-up/{number}")

    assert meters.point(DURATION).count == 5
    assert meters.point(DURATION).attributes["http.request.method"] == "_OTHER"


def test_a_request_is_in_flight_until_it_is_served(meters: Meters) -> None:
    """The gauge is one inside the handler, by route, and zero afterwards."""
    seen: list[tuple[int, str]] = []

    async def look(_: Request) -> Response:
        point = meters.point(ACTIVE)
        seen.append((point.value, point.attributes["http.route"]))
        return PlainTextResponse("ok")

    inner = Starlette(routes=[Mount("/game", routes=[Route("/{id}", look)])])
    call(traced(CORSMiddleware(inner), meter_provider=meters.provider), "GET", "/game/1")

    assert seen == [(1, "/game/{id}")]
    assert meters.point(ACTIVE).value == 0


def test_a_route_that_only_the_answer_shows_is_in_the_histogram(meters: Meters) -> None:
    """Behind a function as middleware the route is known once it is served, not in flight."""
    inner = application()

    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        await inner(scope, receive, send)

    call(traced(middleware, meter_provider=meters.provider), "GET", "/game/plays/17")

    assert "http.route" not in meters.point(ACTIVE).attributes
    assert meters.point(DURATION).attributes["http.route"] == "/game/plays/{id}"


def failing(app: ASGIApp) -> None:
    """Ask for what raises."""
    call(app, "GET", "/fail")


def leaving(app: ASGIApp) -> None:
    """Hang up before the body is sent."""
    call(app, "POST", "/body", gone=True)


def cut(app: ASGIApp) -> None:
    """Be cut off by a server that stops."""

    async def run() -> None:
        async def never() -> Any:
            await asyncio.Event().wait()

        async def send(_: Any) -> None:
            raise AssertionError

        async def serve() -> None:
            await app(scope("POST", "/body", {}), never, send)

        task = asyncio.create_task(serve())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    asyncio.run(run())


@pytest.mark.parametrize("end", [failing, leaving, cut])
def test_nothing_stays_in_flight(meters: Meters, end: Callable[[ASGIApp], None]) -> None:
    """However a request ends, it is counted as done."""
    end(traced(application(), meter_provider=meters.provider))

    assert meters.point(ACTIVE).value == 0
    assert meters.point(DURATION).count == 1


def test_a_probe_is_not_measured(meters: Meters) -> None:
    """Probes and scrapes do not hide in the latency of the routes that users ask for."""
    app = traced(application(), meter_provider=meters.provider)

    call(app, "GET", "/healthz")

    assert meters.metrics() == {}


def test_the_metrics_are_those_of_the_conventions(meters: Meters) -> None:
    """There are two instruments, counted once, with the conventions' units and buckets."""
    call(traced(application(), meter_provider=meters.provider), "GET", "/stream")

    found = meters.metrics()
    assert {name: metric.unit for name, metric in found.items()} == {
        DURATION: "s",
        ACTIVE: "{request}",
    }
    assert tuple(meters.point(DURATION).explicit_bounds) == BUCKETS


def test_a_request_is_counted_once_under_the_global_provider() -> None:
    """The instrumentation below, which knows no route, does not count the same requests again."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(GLOBALLY)],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": "."},
    )

    assert done.stdout.split() == [ACTIVE, DURATION, "1"], done.stderr


GLOBALLY = """
    from opentelemetry import metrics
    from propagation.integrations.asgi import traced
    from tests.propagation.integrations.serving import application, call
    from tests.propagation.integrations.test_http_metrics import DURATION, Meters
    app = traced(application())  # before there is a provider: it may come later
    meters = Meters()
    metrics.set_meter_provider(meters.provider)
    call(app, "GET", "/game/plays/17")
    found = meters.metrics()
    print(*sorted(found), found[DURATION].data.data_points[0].count)
"""


@pytest.mark.parametrize("path", ["/game/plays/17", "/healthz", "/fail"])
def test_a_slow_request_is_warned_of(log: Log, path: str) -> None:
    """Beyond the bound, one WARNING tells what was slow under its trace, probes too."""
    reply = call(traced(application(), slow_seconds=0), "GET", path)

    line = log.line("request_slow")
    assert line["level"] == "warning"
    assert line["trace_id"] == reply.header("x-trace-id")
    assert (line["method"], line["path"], line["status"]) == ("GET", path, reply.status)
    assert line["latency_ms"] > line["slow_ms"] == 0
    assert line["latency_ms"] == log.line("request_served")["latency_ms"]


@pytest.mark.parametrize("bound", [None, 60])
def test_a_request_within_its_bound_is_not_warned_of(log: Log, bound: float | None) -> None:
    """Without a bound, which is the default, and below it there is no warning."""
    call(traced(application(), slow_seconds=bound), "GET", "/stream")

    assert log.lines("request_slow") == []


def test_a_bound_is_a_number() -> None:
    """A bound that cannot be compared is refused at once, not at the first request."""
    with pytest.raises(TypeError):
        traced(application(), slow_seconds=timedelta(seconds=1))  # type: ignore[arg-type]
