"""The API as its clients see it: what is accepted, what is refused, and how it says so."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from consumers.errors import Unavailable
from consumers.game.api import MAX_BODY, MAX_READS
from consumers.game.bounds import Bounds
from consumers.game.events import MAX_BET, decode, encode
from propagation.testing import captured_spans
from tests.consumers.game.builders import ACCEPTED_AT, bet
from tests.consumers.game.served import SETTLED, Api, error_of
from tests.infra.wait import PATIENCE_SECONDS, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx


@pytest.fixture
def api() -> Api:
    """Give an API of which both sides are up."""
    return Api()


def test_an_accepted_play_is_published_and_named(api: Api) -> None:
    """A good bet gets 202 with play id and trace id, and is published under that id."""
    response = api.play()

    (published,) = api.behind.published
    assert response.status_code == 202
    assert response.json() == {
        "play_id": published.play_id,
        "trace_id": response.headers["x-trace-id"],
        "status": "accepted",
    }
    assert (published.player_id, published.game, published.bet) == ("ada", "sevens", 250)
    assert published.accepted_at == ACCEPTED_AT
    assert api.counted("consumers_plays_accepted_total") == 1


def test_every_play_has_an_id_and_a_seed_of_its_own(api: Api) -> None:
    """Without a key two equal requests are two plays, and each is drawn on its own."""
    api.play()
    api.play()

    first, second = api.behind.published
    assert first.play_id != second.play_id
    assert first.seed != second.seed


def test_what_is_published_is_a_play(api: Api) -> None:
    """The worker can read what the API writes."""
    api.play()

    (published,) = api.behind.published
    assert decode(encode(published)) == published


def test_one_key_is_one_play(api: Api) -> None:
    """Under a key, quoted as the draft has it or bare, a player makes one play however often."""
    keys = ["key-1", '"key-1"', "key-1"]

    answers = [api.play(headers={"Idempotency-Key": key}) for key in keys]

    (play_id,) = {answer.json()["play_id"] for answer in answers}
    assert {published.play_id for published in api.behind.published} == {play_id}


def test_a_key_of_two_players_is_two_plays(api: Api) -> None:
    """The same key of another player names another play, and leads to nobody else's."""
    key = {"Idempotency-Key": "1"}

    ada, eve = (api.play(bet(player_id=who), key).json()["play_id"] for who in ("ada", "eve"))
    api.behind.settled[ada] = replace(SETTLED, play_id=ada)
    again = api.play(bet(player_id="eve"), key).json()["play_id"]

    assert ada != eve == again
    assert [published.player_id for published in api.behind.published] == ["ada", "eve", "eve"]
    assert api.send("GET", f"/game/plays/{eve}").status_code == 404


@pytest.mark.parametrize("key", ["", '""', '"', "a b", "a/b", "k" * 129, "..", "clé"])
def test_a_bad_idempotency_key_is_refused(api: Api, key: str) -> None:
    """A key that cannot be an id is a 400 that names the header."""
    response = api.send(
        "POST",
        "/game/slots/play",
        json=bet(),
        headers={"Idempotency-Key": key.encode("latin-1")},
    )

    assert response.status_code == 400
    assert error_of(response)["code"] == "invalid_idempotency_key"
    assert error_of(response)["details"].keys() == {"Idempotency-Key"}
    assert api.behind.published == []


def test_two_idempotency_keys_are_refused(api: Api) -> None:
    """Of two keys neither is taken."""
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]

    response = api.send("POST", "/game/slots/play", json=bet(), headers=headers)

    assert response.status_code == 400
    assert error_of(response)["code"] == "invalid_idempotency_key"
    assert error_of(response)["details"].keys() == {"Idempotency-Key"}
    assert api.behind.published == []


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        (b"{", "invalid_json", None),
        (b"", "invalid_json", None),
        (bet(bet=-1), "invalid_bet", "bet"),
        (bet(bet=MAX_BET + 1), "invalid_bet", "bet"),
        (bet(bet="250"), "wrong_type", "bet"),
        (bet(bet=...), "missing_field", "bet"),
        (bet(stake=1), "unknown_field", "stake"),
        (bet(player_id="a b"), "invalid_player_id", "player_id"),
    ],
)
def test_a_bad_body_is_refused_and_not_published(
    api: Api, body: Any, code: str, field: str | None
) -> None:
    """A malformed body gets 400 with code and field, is counted, and is not published."""
    response = api.play(body)

    error = error_of(response)
    assert response.status_code == 400
    assert (error["code"], error["retryable"]) == (code, False)
    assert error.get("details") == ({field: [error["message"]]} if field else None)
    assert api.behind.published == []
    assert api.counted("consumers_plays_refused_total", reason="invalid") == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": ""},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
def test_only_plain_json_is_read(api: Api, headers: dict[str, str]) -> None:
    """Another content type, or a compressed body, is a 415."""
    response = api.play(headers=headers)

    assert response.status_code == 415
    assert error_of(response)["code"] == "unsupported_media_type"
    assert api.behind.published == []


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
def test_json_may_be_said_in_other_ways(api: Api, content_type: str) -> None:
    """Parameters and upper case do not make JSON something else."""
    assert api.play(headers={"content-type": content_type}).status_code == 202


def test_a_body_that_is_too_large_is_not_read_to_its_end(api: Api) -> None:
    """A body without end is a 413 as soon as it has passed the limit."""
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1024
            yield b" " * 1024

    headers = {"content-type": "application/json"}
    response = api.send("POST", "/game/slots/play", content=endless(), headers=headers)

    assert response.status_code == 413
    assert error_of(response)["code"] == "body_too_large"
    assert taken <= MAX_BODY + 1024
    assert api.behind.published == []


def test_a_play_that_kafka_did_not_take_can_be_sent_again(api: Api) -> None:
    """Without an acknowledgement: 503, retryable, with the key under which a retry bets once."""
    api.behind.away = Unavailable("the broker did not acknowledge in time")

    response = api.play()
    error = error_of(response)
    api.behind.away = None
    (tried,) = api.behind.tried
    (key,) = error["details"]["idempotency_key"]
    answers = [api.play(headers={"Idempotency-Key": key}).json()["play_id"] for _ in range(2)]

    assert response.status_code == 503
    assert int(response.headers["retry-after"]) >= 1
    assert (error["code"], error["retryable"]) == ("kafka_unavailable", True)
    assert tried.play_id == answers[0] == answers[1]
    assert api.counted("consumers_plays_refused_total", reason="unavailable") == 1


def test_a_settled_play_is_shown(api: Api) -> None:
    """The result of a play: what was bet, what was drawn, what it paid, and its trace."""
    api.behind.settled["play-1"] = SETTLED

    response = api.send("GET", "/game/plays/play-1")

    assert response.status_code == 200
    assert response.json() == {
        "play_id": "play-1",
        "player_id": "ada",
        "game": "sevens",
        "bet": 250,
        "symbols": ["bell", "bell", "bell"],
        "payout": 3000,
        "trace_id": "0" * 31 + "1",
        "accepted_at": "2026-01-02T03:04:05+00:00",
        "settled_at": "2026-01-02T03:04:05+00:00",
        "settlement_id": None,
    }


@pytest.mark.parametrize("play_id", ["nobody", "a%20b", "%00", "x" * 200])
def test_a_play_that_is_not_settled_may_still_be_queued(api: Api, play_id: str) -> None:
    """An unknown or impossible id is a 404 that says that a play may still be queued."""
    response = api.send("GET", f"/game/plays/{play_id}")

    assert response.status_code == 404
    assert error_of(response)["code"] == "play_not_found"
    assert "queued" in error_of(response)["message"]


def test_a_database_that_is_away_is_no_missing_play(api: Api) -> None:
    """Without the database: 503, to be tried again; never 404 and never 500."""
    api.behind.away = Unavailable("the database cannot work now")

    response = api.send("GET", "/game/plays/play-1")

    assert response.status_code == 503
    assert response.headers["retry-after"]
    assert (error_of(response)["code"], error_of(response)["retryable"]) == (
        "database_unavailable",
        True,
    )


def test_reads_do_not_pile_up_behind_a_database_that_hangs() -> None:
    """When as many reads wait as may, the next is refused at once; afterwards all is well."""
    api = Api(bounds=Bounds(timeout_seconds=PATIENCE_SECONDS))
    api.behind.settled["play-1"] = SETTLED
    api.behind.answers.clear()

    async def asked() -> tuple[httpx.Response, list[httpx.Response]]:
        async with api.client() as client:
            waiting = [
                asyncio.create_task(client.get("/game/plays/play-1")) for _ in range(MAX_READS)
            ]
            await asyncio.to_thread(
                until, lambda: api.behind.reading == MAX_READS, what="every read to wait"
            )
            refused = await client.get("/game/plays/play-1")
            api.behind.answers.set()
            answers = await asyncio.gather(*waiting)
            return refused, [*answers, await client.get("/game/plays/play-1")]

    refused, answers = asyncio.run(asked())

    assert refused.status_code == 503
    assert refused.headers["retry-after"]
    assert error_of(refused)["code"] == "database_unavailable"
    assert error_of(refused)["retryable"]
    assert {answer.status_code for answer in answers} == {200}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "not_found"),
        ("POST", "/game/slots", 404, "not_found"),
        ("GET", "/game/slots/play", 405, "method_not_allowed"),
        ("DELETE", "/game/plays/play-1", 405, "method_not_allowed"),
    ],
)
def test_what_is_not_routed_is_an_error_like_any(
    api: Api, method: str, path: str, status: int, code: str
) -> None:
    """Unknown paths and methods get the same body, and 405 says what is allowed."""
    response = api.send(method, path)

    assert response.status_code == status
    assert error_of(response)["code"] == code
    assert ("allow" in response.headers) == (status == 405)


def test_a_play_is_published_under_the_requests_span() -> None:
    """While a play is published, the current span is the request's: it becomes the parent."""
    with captured_spans() as spans:
        api = Api()
        api.play()

    (request,) = [span for span in spans if span.name == "POST /game/slots/play"]
    assert request.context is not None
    assert api.behind.spans == [request.context.span_id]
