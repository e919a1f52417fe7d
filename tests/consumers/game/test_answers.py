"""What an answer of the partner means, and when it wants to be asked again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from consumers.errors import Poison, Reaction, Retryable, Unavailable, reaction_to
from consumers.game.answers import (
    MOST_SECONDS,
    Refused,
    is_down,
    retry_after_seconds,
    settlement_id,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SETTLED = b'{"settlement_id": "settlement-1"}'


@pytest.mark.parametrize("status", [200, 201])
def test_a_settlement_is_read(status: int) -> None:
    """Settled now or before: the id. What else the partner says is its own matter."""
    assert settlement_id(status, SETTLED) == "settlement-1"
    assert settlement_id(status, b'{"at": 1, "settlement_id": "s"}') == "s"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"\xff",
        b"[]",
        b"7",
        b"null",
        b"{}",
        b'{"settlement_id": 7}',
        b'{"settlement_id": ""}',
        b'{"settlement_id": "a b"}',
        b'{"settlement_id": "a\\n"}',
        b'{"settlement_id": "' + b"x" * 129 + b'"}',
        b"[" * 100_000,
    ],
    ids=lambda body: body[:24],
)
def test_an_answer_without_a_settlement_is_tried_again(body: bytes) -> None:
    """A 200 that names no settlement says nothing; its body is not repeated anywhere."""
    with pytest.raises(Retryable) as raised:
        settlement_id(200, body)

    assert str(raised.value) == "fintech answered 200 without a settlement_id"
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (102, Retryable), (202, Retryable), (204, Retryable), (206, Retryable),
        (301, Unavailable), (307, Unavailable),
        (400, Poison), (402, Poison), (406, Poison), (410, Poison), (413, Poison), (415, Poison),
        (401, Unavailable), (403, Unavailable), (404, Unavailable), (405, Unavailable),
        (407, Unavailable),
        (408, Unavailable), (425, Unavailable), (429, Unavailable),
        (409, Refused), (422, Refused),
        (500, Unavailable), (502, Unavailable), (503, Unavailable), (504, Unavailable),
        (599, Unavailable),
    ],
)  # fmt: skip
def test_a_status_decides(status: int, kind: type[Exception]) -> None:
    """Each status has one reaction, even with a settlement in the body, and is named."""
    with pytest.raises(kind, match=str(status)) as raised:
        settlement_id(status, SETTLED)

    assert type(raised.value) is kind


def test_a_refusal_is_poison() -> None:
    """What the partner refuses is given up by the runtime."""
    assert reaction_to(Refused("no")) is Reaction.DEAD_LETTER


@pytest.mark.parametrize(
    ("status", "down"), [(200, False), (429, False), (499, False), (500, True)]
)
def test_a_partner_is_down_by_its_own_word(status: int, down: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """5xx tells of the partner; everything else of the order, or of us."""
    assert is_down(status) is down


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, 0), ("", 0), ("0", 0), ("7", 7), ("86400", MOST_SECONDS), ("9" * 400, MOST_SECONDS),
        ("-1", 0), ("1.5", 0), ("soon", 0), ("²", 0),
        ("Fri, 20 Nov 2026 12:00:30 GMT", 30), ("Fri, 20 Nov 2026 12:00:30 -0000", 30),
        ("Fri, 20 Nov 2026 11:00:00 GMT", 0), ("Fri, 20 Nov 2099 12:00:00 GMT", MOST_SECONDS),
        ("Fri, 99 Nov 2026 12:00:00 GMT", 0),
    ],
)  # fmt: skip
def test_retry_after_is_read(text: str | None, seconds: float) -> None:
    """Seconds or a date, never in the past, never longer than the bound; anything else is none."""
    assert retry_after_seconds(text, NOW) == seconds
