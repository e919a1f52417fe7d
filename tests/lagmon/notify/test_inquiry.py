"""Asking a receiver whether it would take alerts: nothing is sent, nothing is repeated."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from lagmon.notify import inquiry
from lagmon.notify.access import Access
from tests.infra.ports import free_port
from tests.lagmon.notify.standing_in import answering, response

if TYPE_CHECKING:
    from pathlib import Path

    from lagmon.notify.inquiry import Answer
    from tests.infra.alertmanager import Alertmanager


def test_an_alertmanager_takes_no_alerts_and_has_none_afterwards(
    alertmanager: Alertmanager,
) -> None:
    """A real one: the answer is good, tells the time, and nothing was created."""
    told = asyncio.run(inquiry.alertmanager(alertmanager.url, Access()))

    assert (told.status, told.error) == (200, "")
    assert told.ahead_seconds is not None
    assert abs(told.ahead_seconds) < 60
    assert alertmanager.alerts() == []


def asked_of(text: bytes, access: Access, **options: float) -> tuple[Answer, list[bytes]]:
    """Ask a stand-in that answers *text*; give its answer, and what it was asked."""

    async def ask() -> tuple[Answer, list[bytes]]:
        async with answering(text, lines=20) as (url, asked):
            where = url.replace("//", "//ada:hunter2@")
            return await inquiry.alertmanager(where, access, **options), asked

    return asyncio.run(ask())


def test_credentials_are_shown_as_for_an_alert_and_the_name_has_none() -> None:
    """The same way in, and an empty list."""
    told, asked = asked_of(response("200 OK"), Access())

    lines = b"".join(asked)
    assert asked[0].startswith(b"POST /api/v2/alerts ")
    assert b"Authorization: Basic YWRhOmh1bnRlcjI=" in lines
    assert b"content-length: 2\r\n" in lines.lower()
    assert told.name.startswith("alertmanager:127.0.0.1:")


@pytest.mark.parametrize("status", [302, 401, 503])
def test_a_refusal_is_a_status_and_not_what_was_written(status: int) -> None:
    """It may repeat what it was shown; no redirect is followed."""
    text = response(f"{status} hunter2", "Location: http://127.0.0.1:1/", "X-You-Sent: hunter2")

    told, _ = asked_of(text, Access())

    assert told.status == status
    assert "hunter2" not in repr(told)


def test_one_that_hangs_is_left_in_time() -> None:
    """As long as an alert would be tried, and no longer."""

    async def ask() -> Answer:
        async with answering(response("200 OK"), after=60, lines=20) as (url, _):
            return await inquiry.alertmanager(url, Access(), timeout_seconds=1)

    assert asyncio.run(ask()).error == "no answer in 1 s"


def test_one_that_is_away_is_an_error_without_a_status() -> None:
    """Nothing is raised."""
    told = asyncio.run(inquiry.alertmanager(f"http://127.0.0.1:{free_port()}", Access()))

    assert told.status is None
    assert told.error


def test_a_date_that_is_none_tells_no_time() -> None:
    """The answer counts all the same."""
    told, _ = asked_of(response("200 OK", "Date: yesterday"), Access())

    assert (told.status, told.ahead_seconds) == (200, None)


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    """Between the settings and the question."""
    access = Access(bearer_token_file=tmp_path / "token")

    told = asyncio.run(inquiry.alertmanager("http://127.0.0.1:1", access))

    assert str(tmp_path / "token") in told.error


def test_a_webhook_is_asked_for_headers_alone(tmp_path: Path) -> None:
    """It would take anything with a body for news."""
    key = tmp_path / "key"
    key.write_text("signing")

    async def ask() -> tuple[Answer, list[bytes]]:
        async with answering(response("405 Method Not Allowed"), lines=20) as (url, asked):
            return await inquiry.reached("webhook", f"{url}/hook", Access(), key), asked

    told, asked = asyncio.run(ask())

    assert asked[0].startswith(b"HEAD /hook ")
    assert told.status == 405
    assert told.name.startswith("webhook:127.0.0.1:")


def test_a_webhook_without_a_key_to_sign_by_is_not_asked(tmp_path: Path) -> None:
    """What is sent could not be signed."""
    key = tmp_path / "key"
    key.write_bytes(b"two\nlines")

    told = asyncio.run(inquiry.reached("webhook", "http://127.0.0.1:1", Access(), key))

    assert told.status is None
    assert "one line of ASCII" in told.error
