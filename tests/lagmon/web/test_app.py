"""The pages over real sockets, as a browser, a probe and Prometheus get them."""

from __future__ import annotations

import asyncio
import html
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import escape

from lagmon.alerts.rules import SHIPPED
from lagmon.board import Board
from lagmon.exposition.page import Renderer
from lagmon.exposition.text import Form, Format
from lagmon.labels import safe
from lagmon.model import Age, IncidentKey, Method
from lagmon.report import Links
from lagmon.web.app import HEADERS, create_app
from lagmon.web.server import WebServer
from tests.infra.ports import free_port
from tests.lagmon.builders import (
    CLUSTER,
    GROUP,
    NOON,
    TRACE,
    cycle,
    group,
    incident,
    lags,
    part,
    record,
)

if TYPE_CHECKING:
    from lagmon.board import Cycle

LONG_SECONDS = 60.0  # that no test waits for


def filled(*cycles: Cycle) -> Board:
    """Give a board after *cycles*, with its page."""
    board = Board("1.0", [CLUSTER])
    for each in cycles:
        board.put(each)
    board.page = Renderer().render(board.report)
    return board


def get(path: str, *cycles: Cycle, method: str = "GET") -> httpx.Response:
    """Ask a real server on a real socket for *path*."""

    async def story() -> httpx.Response:
        app = create_app(filled(*cycles), SHIPPED, Links("http://jaeger:16686"), lambda: NOON + 2)
        server = WebServer(app, "127.0.0.1", 0)
        address = await server.start()
        try:
            async with httpx.AsyncClient(timeout=LONG_SECONDS, trust_env=False) as client:
                return await client.request(method, address + path)
        finally:
            await server.stop(5)

    return asyncio.run(story())


def test_metrics_are_the_bytes_of_the_board() -> None:
    """Nothing is rendered for a scrape, and the type is the one that Prometheus knows."""
    answer = get("/metrics", cycle(lags(group(7))))

    assert (answer.status_code, answer.headers["content-type"]) == (200, Format.TEXT)
    assert answer.content == filled(cycle(lags(group(7)))).page.make(Form())


def test_metrics_answer_while_the_cluster_does_not() -> None:
    """A cluster that is down is a value on the page and not an error of the page."""
    answer = get("/metrics", cycle(lags(error="no broker answers")))

    assert answer.status_code == 200
    assert b'lagmon_up{kafka_cluster="local"} 0.0\n' in answer.content


def test_lagmon_is_healthy_before_it_knows_anything() -> None:
    """Healthy is about lagmon, so that an outage of Kafka restarts nobody."""
    assert get("/-/healthy").status_code == 200


@pytest.mark.parametrize(
    ("cycles", "code"), [([], 503), ([cycle()], 200), ([cycle(lags(error="gone"))], 200)]
)
def test_lagmon_is_ready_when_it_has_asked(cycles: list[Cycle], code: int) -> None:
    """Ready means that every cluster was asked, not that it answered."""
    assert get("/-/ready", *cycles).status_code == code


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready", "/static/lagmon.css"])
def test_head_is_get_without_a_body(path: str) -> None:
    """Probes that ask by HEAD get the same status, type and length."""
    full, head = get(path, cycle()), get(path, cycle(), method="HEAD")

    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-type", "content-length"):
        assert head.headers[name] == full.headers[name]


@pytest.mark.parametrize(
    ("path", "code"), [("/", 200), ("/nothing", 404), ("/static/../app.py", 404), ("/metrics", 200)]
)
def test_every_answer_forbids_scripts_but_our_own(path: str, code: int) -> None:
    """The policy is sent with pages, errors and metrics alike."""
    answer = get(path, cycle())

    assert answer.status_code == code
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert answer.headers["content-security-policy"].startswith(
        "default-src 'none'; style-src 'self'"
    )


def test_nothing_can_be_posted() -> None:
    """The pages only read."""
    assert get("/", cycle(), method="POST").status_code == 405


def page(*cycles: Cycle, path: str = "/") -> str:
    """Give the page at *path* as text, with entities resolved and space collapsed."""
    return " ".join(html.unescape(get(path, *cycles).text).split())


def test_the_pages_show_ages_with_their_bounds() -> None:
    """In the row of the group and in the table of its partitions, on its own page."""
    known = replace(part(0, 7), age=Age(200, Method.HISTORY, 5))
    least = replace(part(1, 5), age=Age(40, Method.TIMESTAMPS, None))

    behind = cycle(lags(group(12, GROUP, known, least)))
    text = page(behind, path=f"/group?name={GROUP}")

    assert "oldest waits at least 3m 15s, by history</div>" in page(behind)
    assert "<dd>at least 3m 15s, by history</dd>" in text
    assert ">3m 20s ± 5s, by history</td>" in text
    assert ">at least 40s, by timestamps</td>" in text


def test_the_status_page_shows_the_incident_of_a_cluster() -> None:
    """A blind cluster has its rule and since when, although it has no group to show."""
    blind = replace(incident(), key=IncidentKey("KafkaClusterBlind", CLUSTER))

    text = page(cycle(lags(error="no broker answers"), incidents=(blind,)))

    assert "<strong>KafkaClusterBlind</strong>: cluster cannot be seen, since 16:00:00 UTC" in text


def test_the_status_page_shows_the_incident_and_its_record() -> None:
    """Group, lag, rule, record and the link to the trace are on the page."""
    text = page(
        cycle(
            lags(group(1203, members=1)),
            incidents=(incident(),),
            records=(("settle", replace(record(), size=120, headers=(("tenant", "blue"),))),),
        )
    )

    for words in ("1 incident open", "1,203", "1 member", "KafkaConsumerLag", "at offset"):
        assert words in text
    assert f'<a href="http://jaeger:16686/trace/{TRACE}"' in text
    assert 'tenant <span class="id">blue</span>' in text
    assert "120 bytes" in text


def test_the_status_page_takes_nothing_from_outside() -> None:
    """No script and no style in the page itself, and no resource of another host."""
    text = page(cycle())

    assert (
        text.count("<script") == text.count('<script src="static/lagmon.js" defer></script>') == 1
    )
    assert "<style" not in text
    assert "style=" not in text
    assert "//" not in text.replace("<!doctype html>", "")


def test_the_page_refreshes_only_when_asked_to() -> None:
    """Whoever reads is not thrown back, whoever watches can have it fresh."""
    assert "refresh" not in get("/", cycle()).headers
    assert get("/?refresh=on", cycle()).headers["refresh"] == "5"
    assert "refresh" not in get("/?refresh=0;url=http://elsewhere", cycle()).headers


HOSTILE = st.text(st.characters(codec=None), min_size=1, max_size=60)


@settings(max_examples=50, deadline=None)
@given(HOSTILE)
def test_hostile_names_are_text(name: str) -> None:
    """Whatever a group is called, it is on the page as text and nothing else."""
    board = filled(cycle(lags(group(1203, name)), incidents=(incident(name),)))
    app = httpx.ASGITransport(create_app(board, SHIPPED, Links(), lambda: NOON))

    async def story() -> httpx.Response:
        async with httpx.AsyncClient(transport=app, base_url="http://lagmon") as client:
            return await client.get("/")

    answer = asyncio.run(story())

    assert answer.status_code == 200
    assert f">{escape(safe(name))}</a></h3>" in answer.text


def test_markup_in_a_name_stays_text() -> None:
    """A group called like a script is shown like a script and runs nowhere."""
    answer = get("/", cycle(lags(group(0, '<script>alert("x")</script>'))))

    assert "<script>" not in answer.text
    assert "&lt;script&gt;" in answer.text


def test_a_port_that_is_taken_is_an_error_at_the_start() -> None:
    """Nobody has to find out from a missing page."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = WebServer(create_app(filled(), SHIPPED, Links(), lambda: NOON), "127.0.0.1",
                           taken.getsockname()[1])  # fmt: skip

        with pytest.raises(OSError, match="Address already in use"):
            asyncio.run(server.start())


def test_a_given_port_is_the_one_that_is_served() -> None:
    """The address given is the one that was asked for."""

    async def story() -> None:
        port = free_port()
        server = WebServer(create_app(filled(), SHIPPED, Links(), lambda: NOON), "127.0.0.1", port)
        assert await server.start() == f"http://127.0.0.1:{port}"
        await server.stop(5)

    asyncio.run(story())


def test_idle_connections_do_not_hold_up_the_stop() -> None:
    """A client that keeps its connection open does not keep the server."""

    async def story() -> float:
        server = WebServer(create_app(filled(), SHIPPED, Links(), lambda: NOON), "127.0.0.1", 0)
        address = await server.start()
        async with httpx.AsyncClient(timeout=LONG_SECONDS, trust_env=False) as client:
            await client.get(f"{address}/-/healthy")
            began = asyncio.get_running_loop().time()
            await server.stop(LONG_SECONDS)
            return asyncio.get_running_loop().time() - began

    assert asyncio.run(story()) < LONG_SECONDS / 2


def test_a_server_that_was_never_started_can_be_stopped() -> None:
    """Whoever fails before the start can still clean up."""
    asyncio.run(WebServer(create_app(filled(), SHIPPED, Links(), lambda: NOON), "h", 0).stop(1))
