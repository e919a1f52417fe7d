"""An application is served from a thread, on an address that is known, and stops in time."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from consumers.errors import BindError
from consumers.metrics import Metrics
from consumers.serving.web import Server, measured
from tests.infra.wait import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request
    from starlette.types import ASGIApp


async def hello(_: Request) -> PlainTextResponse:
    """Answer at once."""
    return PlainTextResponse("hello")


async def broken(_: Request) -> PlainTextResponse:
    """Fail."""
    raise RuntimeError("a bug")


ASKED_IN_VAIN = threading.Event()


async def endless(_: Request) -> PlainTextResponse:
    """Never answer."""
    ASKED_IN_VAIN.set()
    await anyio.sleep_forever()
    return PlainTextResponse("never")


APP = Starlette(
    routes=[Route("/hello/{name}", hello), Route("/broken", broken), Route("/endless", endless)]
)


@contextmanager
def serving(app: ASGIApp) -> Iterator[tuple[Server, str]]:
    """Serve *app* on a free port; give the server and its address."""
    server = Server(app, host="127.0.0.1", port=0)
    address = server.start()
    yield server, address
    assert server.stop(PATIENCE_SECONDS)


def test_a_started_server_answers() -> None:
    """When start has come back the address is real and requests are answered."""
    with serving(APP) as (_, address):
        answer = httpx.get(f"{address}/hello/you", timeout=30)

    assert answer.text == "hello"
    assert "server" not in answer.headers


def test_an_answer_does_not_wait_for_an_acknowledgement() -> None:
    """On one connection the quick ones take less than the 40 ms that each would wait for Nagle."""
    took: list[float] = []
    with serving(APP) as (_, address), httpx.Client(trust_env=False, timeout=30) as client:
        for _ in range(100):
            began = time.monotonic()
            client.get(f"{address}/hello/you")
            took.append(time.monotonic() - began)

    # Others may have waited for a processor. With Nagle a few come early, the rest after 43 ms.
    assert sorted(took)[10] < 0.040


def test_a_stopped_server_is_gone() -> None:
    """After stop nothing listens any more."""
    with serving(APP) as (server, address):
        assert server.running() is None

        assert server.stop(PATIENCE_SECONDS)

    assert server.running() == "the web server has ended"
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}/hello/you", timeout=30)


def test_an_address_that_is_taken_is_one_clear_error() -> None:
    """The error names the address; nothing is left running."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = Server(APP, host="127.0.0.1", port=port)

        with pytest.raises(BindError, match=rf"cannot listen on 127\.0\.0\.1:{port}: "):
            server.start()

    assert server.stop(1)


def test_an_application_that_does_not_start_is_an_error() -> None:
    """A failing start-up of the application ends start with an error, not with a hanging server."""

    @asynccontextmanager
    async def failing(_: Starlette) -> AsyncIterator[None]:
        raise RuntimeError("no database")
        yield

    app = Starlette(lifespan=failing)
    with pytest.raises(BindError, match="did not start"):
        Server(app, host="127.0.0.1", port=0).start()


def test_stopping_does_not_wait_for_ever() -> None:
    """A request that never ends is cut, and stop comes back in the time it was given."""
    with serving(APP) as (server, address):
        asking = threading.Thread(target=ask_until_cut, args=(address,))
        asking.start()
        assert ASKED_IN_VAIN.wait(PATIENCE_SECONDS)
        began = time.monotonic()

        server.stop(2)

        assert time.monotonic() - began < 20
        asking.join(20)
        assert not asking.is_alive()


def test_an_application_that_does_not_stop_is_left_behind() -> None:
    """A shutdown that hangs is told by False; the thread does not keep the process from ending."""
    gate = threading.Event()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await anyio.to_thread.run_sync(gate.wait)

    with serving(Starlette(lifespan=lifespan)) as (server, _):
        assert not server.stop(1)

        gate.set()


def ask_until_cut(address: str) -> None:
    """Ask what is never answered."""
    try:
        httpx.get(f"{address}/endless", timeout=PATIENCE_SECONDS)
    except httpx.HTTPError:
        return


@pytest.mark.parametrize(
    ("method", "path", "labels"),
    [
        ("GET", "/hello/you", ("GET", "/hello/{name}", "200")),
        ("POST", "/hello/you", ("POST", "/hello/{name}", "405")),
        ("GET", "/nowhere/at/all", ("GET", "(none)", "404")),
        ("BREW", "/hello/you", ("other", "/hello/{name}", "405")),
        ("GET", "/broken", ("GET", "/broken", "500")),
    ],
)
def test_requests_are_counted_by_route(
    method: str, path: str, labels: tuple[str, str, str]
) -> None:
    """The labels are the declared route and known methods, so that no client can make new ones."""
    metrics = Metrics()
    with serving(measured(APP, metrics)) as (_, address):
        httpx.request(method, f"{address}{path}", timeout=30)

    names = ("method", "route", "status")
    of = metrics.registry.get_sample_value
    assert of("consumers_http_requests_total", dict(zip(names, labels, strict=True))) == 1
    timed = dict(zip(names[:2], labels[:2], strict=True))
    assert of("consumers_http_request_duration_seconds_count", timed) == 1


def test_a_request_is_in_flight_until_it_is_answered() -> None:
    """The gauge is one inside the handler, and zero after an answer and after a failure."""
    metrics = Metrics()
    seen: list[float | None] = []

    async def look(_: Request) -> PlainTextResponse:
        seen.append(metrics.registry.get_sample_value("consumers_http_in_flight_requests"))
        raise RuntimeError

    app = Starlette(routes=[Route("/", look)])
    with serving(measured(app, metrics)) as (_, address):
        httpx.get(address, timeout=30)
        httpx.get(address, timeout=30)

    assert seen == [1, 1]
    assert metrics.registry.get_sample_value("consumers_http_in_flight_requests") == 0
