"""How many requests are worked on at once and for how long, and what they are called by."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING

import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from consumers.game.api import MAX_BODY, MAX_READS
from consumers.game.bounds import Bounds
from propagation.testing import captured_spans
from tests.consumers.game.builders import bet
from tests.consumers.game.served import SETTLED, Api, error_of
from tests.infra.wait import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx
    from structlog.typing import EventDict

JSON = {"content-type": "application/json"}


def test_a_request_that_is_one_too_many_is_refused() -> None:
    """Above the cap: 503 at once, nothing published; below it again all is well."""
    api = Api(bounds=Bounds(requests=2))
    body = json.dumps(bet()).encode()

    async def slow(go_on: asyncio.Event) -> AsyncIterator[bytes]:
        await go_on.wait()
        yield body

    async def asked() -> list[httpx.Response]:
        go_on = asyncio.Event()
        async with api.client() as client:
            first = [
                asyncio.create_task(
                    client.post("/game/slots/play", content=slow(go_on), headers=JSON)
                )
                for _ in range(2)
            ]
            await asyncio.sleep(0.1)  # they can only wait
            refused = await client.post("/game/slots/play", content=body, headers=JSON)
            go_on.set()
            done = await asyncio.gather(*first)
            after = await client.post("/game/slots/play", content=body, headers=JSON)
            return [refused, *done, after]

    refused, *others = asyncio.run(asked())

    assert refused.status_code == 503
    assert error_of(refused)["code"] == "overloaded"
    assert [response.status_code for response in others] == [202, 202, 202]
    assert len(api.behind.published) == 3
    assert api.counted("consumers_plays_refused_total", reason="unavailable") == 1


def test_a_client_that_does_not_send_its_body_is_not_waited_for() -> None:
    """A body that stops half way is a 408 when its part of the time is over."""
    api = Api(bounds=Bounds(timeout_seconds=0.2))

    async def half() -> AsyncIterator[bytes]:
        yield b'{"player_id":'
        await asyncio.Event().wait()

    response = api.send("POST", "/game/slots/play", content=half(), headers=JSON)

    assert response.status_code == 408
    assert error_of(response)["code"] == "body_timeout"
    assert api.behind.tried == []


async def half_and_a_standstill() -> AsyncIterator[bytes]:
    """Send half of a body, and let the loop stand still for longer than a request may take."""
    yield b'{"player_id":'
    time.sleep(0.3)  # noqa: ASYNC251 - the loop stands still
    await asyncio.Event().wait()


def test_a_body_is_late_however_late_that_is_noticed() -> None:
    """A loop that stood still until all of the time was over, not half of it, says 408 as well."""
    api = Api(bounds=Bounds(timeout_seconds=0.2))

    response = api.send("POST", "/game/slots/play", content=half_and_a_standstill(), headers=JSON)

    assert response.status_code == 408
    assert error_of(response)["code"] == "body_timeout"


def test_a_play_that_takes_too_long_can_be_sent_again() -> None:
    """A broker that never answers: 503 in time, with the key under which the play bets once."""
    api = Api(bounds=Bounds(timeout_seconds=0.2))
    api.behind.hangs = True

    response = api.play(headers={"Idempotency-Key": "key-1"})

    assert response.status_code == 503
    assert error_of(response)["code"] == "timed_out"
    assert error_of(response)["details"] == {"idempotency_key": ["key-1"]}


def test_a_read_that_takes_too_long_holds_its_thread_and_no_more() -> None:
    """Reads that ran out of time still count until the database answers, then all is well."""
    api = Api(bounds=Bounds(timeout_seconds=0.2))
    api.behind.settled["play-1"] = SETTLED
    api.behind.answers.clear()

    async def asked() -> tuple[list[httpx.Response], int, list[httpx.Response]]:
        async with api.client() as client:
            late = await asyncio.gather(
                *(client.get("/game/plays/play-1") for _ in range(MAX_READS))
            )
            refused = shown = await client.get("/game/plays/play-1")
            reading = api.behind.reading
            api.behind.answers.set()
            while shown.status_code != 200:
                await asyncio.sleep(0.05)
                shown = await client.get("/game/plays/play-1")
            return late, reading, [refused, shown]

    late, reading, (refused, shown) = asyncio.run(asyncio.wait_for(asked(), PATIENCE_SECONDS))

    assert {error_of(response)["code"] for response in late} == {"timed_out"}
    assert error_of(refused)["code"] == "database_unavailable"
    assert shown.json()["play_id"] == "play-1"
    assert reading <= MAX_READS


def test_a_body_that_says_that_it_is_too_large_is_not_read() -> None:
    """A length above the limit is a 413 before a byte was taken."""
    api = Api()
    taken = 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal taken
        taken += 1
        yield b"{}"

    for length in (MAX_BODY + 1, 10**40):
        headers = {**JSON, "content-length": str(length)}
        response = api.send("POST", "/game/slots/play", content=counted(), headers=headers)
        assert error_of(response)["code"] == "body_too_large"

    assert taken == 0


def test_a_sane_request_id_is_kept() -> None:
    """The client's name for its request is in the answer, whether that is good or bad."""
    api = Api()

    good = api.play(headers={"x-request-id": "checkout-7"})
    bad = api.play(b"{", headers={"x-request-id": "checkout-7"})

    assert good.headers["x-request-id"] == "checkout-7"
    assert error_of(bad)["request_id"] == "checkout-7"


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "a\tb", "<b>", "../x", "é", '"a"'])
def test_any_other_request_id_is_replaced(given: str) -> None:
    """What could break a log line or a URL is not repeated: the answer has an id of our own."""
    response = Api().send("GET", "/", headers={"x-request-id": given.encode("latin-1")})

    assert error_of(response)["request_id"] != given
    assert len(error_of(response)["request_id"]) == 36


def test_of_two_request_ids_none_is_kept() -> None:
    """Two ids are none."""
    headers = [("x-request-id", "a"), ("x-request-id", "b")]

    assert len(Api().send("GET", "/", headers=headers).headers["x-request-id"]) == 36


def test_an_unexpected_failure_is_answered_like_any_error() -> None:
    """A defect behind the API is a 500 with all fields, and with the key to send again under."""
    api = Api()
    api.behind.away = RuntimeError("SELECT * FROM secrets")

    response = api.play(headers={"Idempotency-Key": "key-1", "x-request-id": "checkout-7"})

    assert response.status_code == 500
    assert error_of(response)["code"] == "internal"
    assert error_of(response)["request_id"] == "checkout-7"
    assert error_of(response)["details"] == {"idempotency_key": ["key-1"]}


def test_the_log_joins_request_play_and_trace(logged: list[EventDict]) -> None:
    """Accepted and refused requests are logged by the client's id, never with the player."""
    api = Api()
    with captured_spans() as spans:
        play_id = api.play(headers={"x-request-id": "good-1"}).json()["play_id"]
        api.play(b"{", headers={"x-request-id": "bad-1"})

    assert [(line["event"], line["request_id"]) for line in logged] == [
        ("play_accepted", "good-1"),
        ("request_refused", "bad-1"),
    ]
    assert (logged[0]["play_id"], logged[1]["code"]) == (play_id, "invalid_json")
    names = [dict(span.attributes or {})["http.request.header.x-request-id"] for span in spans]
    assert names == [("good-1",), ("bad-1",)]


def test_a_path_is_not_redirected_by_the_clients_host() -> None:
    """A slash too many is a 404: a redirect would lead wherever the client's Host header says."""
    response = Api().send("GET", "/game/plays/x/", headers={"host": "evil.example"})

    assert response.status_code == 404
    assert "evil" not in response.text + str(response.headers)


def test_other_routes_know_no_bounds() -> None:
    """Probes are answered when no request may be in work."""

    async def probe(_: object) -> PlainTextResponse:
        return PlainTextResponse("ok")

    api = Api(bounds=Bounds(requests=0), routes=[Route("/healthz", probe)])

    assert api.play().status_code == 503
    assert api.send("GET", "/healthz").text == "ok"
