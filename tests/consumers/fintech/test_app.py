"""The stand-in over HTTP: what it settles, what it shows, and what it does wrong on request."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from consumers.fintech.app import fintech_app
from consumers.fintech.ledger import Ledger
from consumers.serving.web import Server
from tests.infra.wait import PATIENCE_SECONDS, until

if TYPE_CHECKING:
    from collections.abc import Iterator

ORDER = {"play_id": "play-1", "player_id": "ada", "bet": 250, "payout": 1000}
TOLD = pytest.mark.parametrize(
    ("fault", "status"),
    [({"mode": "fail"}, 503), ({"mode": "fail", "status": 429}, 429), ({"mode": "garbage"}, 200)],
)


@pytest.fixture
def partner() -> Iterator[httpx.Client]:
    """Give a client of a stand-in with an empty book."""
    server = Server(fintech_app(Ledger()), host="127.0.0.1", port=0)
    with httpx.Client(base_url=server.start(), timeout=PATIENCE_SECONDS, trust_env=False) as client:
        yield client
    server.stop(PATIENCE_SECONDS)


def settle(partner: httpx.Client, key: str = "play-1", **changes: Any) -> httpx.Response:
    """Ask for a settlement."""
    body = json.dumps(ORDER | changes)
    return partner.post("/v1/settlements", content=body, headers={"Idempotency-Key": key})


def book(partner: httpx.Client, play_id: str = "") -> list[dict[str, Any]]:
    """Read the book, or a play's part of it."""
    answer = partner.get(f"/v1/ledger/{play_id}" if play_id else "/v1/ledger")
    return [json.loads(line) for line in answer.text.splitlines()]


def test_a_settlement_is_new_once(partner: httpx.Client) -> None:
    """201 with an id, then 200 with the same one."""
    answers = [settle(partner) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [201, 200, 200]
    assert len({answer.json()["settlement_id"] for answer in answers}) == 1


def test_another_order_under_the_key_is_refused(partner: httpx.Client) -> None:
    """422, and the first order stands."""
    first = settle(partner)

    second = settle(partner, payout=0)

    assert second.status_code == 422
    assert [entry["settlement_id"] for entry in book(partner)] == [first.json()["settlement_id"]]


@pytest.mark.parametrize("key", ["", "with a space", "x" * 257])
def test_a_key_is_needed(partner: httpx.Client, key: str) -> None:
    """Without a good key nothing is settled."""
    assert settle(partner, key).status_code == 400
    assert book(partner) == []


@pytest.mark.parametrize(
    "changes", [{"bet": -1}, {"bet": "1"}, {"bet": 1.5}, {"payout": None}, {"tip": 1}], ids=str
)
def test_what_is_no_order_is_refused(partner: httpx.Client, changes: dict[str, Any]) -> None:
    """400 names the field, and nothing is settled."""
    answer = settle(partner, **changes)

    assert answer.status_code == 400
    assert next(iter(changes)) in answer.json()["error"]["message"]
    assert book(partner) == []


def test_the_book_is_shown_in_order(partner: httpx.Client) -> None:
    """All entries as they came, or those of one play; of an unknown one 404."""
    for play_id in ("b", "c", "a"):
        settle(partner, play_id, play_id=play_id)

    assert [entry["play_id"] for entry in book(partner)] == ["b", "c", "a"]
    assert [entry["key"] for entry in book(partner, "c")] == ["c"]
    assert partner.get("/v1/ledger/d").status_code == 404


@TOLD
def test_it_fails_when_told_to(partner: httpx.Client, fault: dict[str, Any], status: int) -> None:
    """The answer is wrong, nothing is in the book, and the switch counts it."""
    partner.put("/faults", json=fault)

    answer = settle(partner)

    assert answer.status_code == status
    assert b'"settlement_id": "' not in answer.content
    assert book(partner) == []
    assert partner.get("/faults").json()["hits"] == 1


@TOLD
def test_an_answer_can_be_lost(partner: httpx.Client, fault: dict[str, Any], status: int) -> None:
    """With `settled` the order is in the book although the answer is wrong."""
    partner.put("/faults", json=fault | {"settled": True})

    answer = settle(partner)
    partner.put("/faults", json={"mode": "none"})
    again = settle(partner)

    assert answer.status_code == status
    assert again.status_code == 200
    assert [entry["settlement_id"] for entry in book(partner)] == [again.json()["settlement_id"]]


@pytest.mark.parametrize("settled", [False, True])
def test_it_rejects_when_told_to(partner: httpx.Client, settled: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """422, and never a word in the book."""
    partner.put("/faults", json={"mode": "reject", "settled": settled})

    assert settle(partner).status_code == 422
    assert book(partner) == []


def test_it_asks_to_come_later_when_told_to(partner: httpx.Client) -> None:
    """The header of a failure is the switch's."""
    partner.put("/faults", json={"mode": "fail", "status": 429, "retry_after": 7})

    assert settle(partner).headers["retry-after"] == "7"


def test_it_is_slow_when_told_to(partner: httpx.Client) -> None:
    """A slow answer is right."""
    partner.put("/faults", json={"mode": "slow", "seconds": 0.2})

    began = time.monotonic()
    answer = settle(partner)

    assert time.monotonic() - began >= 0.2
    assert answer.status_code == 201


@pytest.mark.parametrize("settled", [False, True])
def test_it_hangs_when_told_to(partner: httpx.Client, settled: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """A hanging request gets no answer; others are served meanwhile."""
    partner.put("/faults", json={"mode": "hang", "settled": settled})

    with pytest.raises(httpx.ReadTimeout):
        partner.post(
            "/v1/settlements",
            json=ORDER,
            headers={"Idempotency-Key": "play-1"},
            timeout=httpx.Timeout(PATIENCE_SECONDS, read=0.3),
        )

    until(lambda: partner.get("/faults").json()["hits"] == 1, what="the fault to be counted")
    assert len(book(partner)) == settled


@pytest.mark.parametrize(
    "fault", [{"mode": "explode"}, {"ratio": 2}, {"status": 200}, {"colour": "red"}], ids=str
)
def test_a_switch_that_is_none_is_refused(partner: httpx.Client, fault: dict[str, Any]) -> None:
    """400, and the switch stays as it was."""
    partner.put("/faults", json={"mode": "reject"})

    assert partner.put("/faults", json=fault).status_code == 400
    assert partner.get("/faults").json()["mode"] == "reject"
