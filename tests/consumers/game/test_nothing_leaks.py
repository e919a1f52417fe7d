"""Whatever is sent, and whatever fails behind: an answer holds what the catalogue says, no more.

The first half sends what no client would, straight to the application as a server hands it on. The
second makes what stands behind it fail in every way, with words that would be told nobody.
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from confluent_kafka import KafkaError, KafkaException
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from consumers.errors import Fatal, Poison, Retryable, Unavailable
from consumers.game.api import MAX_BODY
from consumers.game.catalogue import BY_CODE
from consumers.game.events import InvalidPlayError
from consumers.game.request_ids import SANE
from tests.consumers.game.builders import bet
from tests.consumers.game.served import Api
from tests.consumers.game.test_catalogue import codes_of_events

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import Message, Scope

ALWAYS = {"code", "message", "retryable", "trace_id", "request_id", "time"}
SOMETIMES = {"details", "retry_after"}
HEADERS = {
    "allow",
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "retry-after",
    "x-request-id",
    "x-trace-id",
}
NAME = re.compile(r"[A-Za-z0-9_.?-]{0,64}")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# What nobody outside may read; each stands in every failure below.
SECRETS = (
    "hunter2-is-the-password",
    "/srv/game/consumers/store.py",
    "SELECT payout FROM plays",
    "db-7.internal:5432",
    "Traceback (most recent call last)",
)
WORDS = f'{SECRETS[4]}: File "{SECRETS[1]}": {SECRETS[2]} at {SECRETS[3]} with {SECRETS[0]}'


@dataclass(frozen=True, slots=True)
class Answer:
    """What the application sent."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        """Give the error in the body, the only thing in there."""
        ((name, error),) = json.loads(self.body).items()
        assert name == "error"
        return dict(error)


def sent(
    api: Api, method: str, path: str, headers: Sequence[tuple[bytes, bytes]], *chunks: bytes
) -> Answer:
    """Hand a request to the application as a server does, and give what it answers."""
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(errors="replace"),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.lower(), value) for name, value in headers],
        "server": ("api", 80),
        "client": ("10.0.0.1", 4711),
    }
    left = [*chunks] or [b""]
    answered: list[Message] = []

    async def receive() -> Message:
        if not left:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(message: Message) -> None:
        answered.append(message)

    async def serve() -> None:
        await api.app(scope, receive, send)

    asyncio.run(serve())
    start, *rest = answered
    return Answer(
        start["status"],
        {name.decode(): value.decode("latin-1") for name, value in start["headers"]},
        b"".join(message.get("body", b"") for message in rest),
    )


def assert_of_the_catalogue(answer: Answer) -> None:
    """Hold *answer* to be an error of the catalogue, with nothing beside it."""
    error = answer.error
    entry = BY_CODE[error["code"]]
    assert error.keys() >= ALWAYS
    assert error.keys() <= ALWAYS | SOMETIMES
    assert answer.headers.keys() <= HEADERS
    assert (answer.status, error["retryable"]) == (entry.status, entry.retryable)
    assert ("retry_after" in error) == entry.retryable
    assert error["message"] == entry.message or error["code"] in codes_of_events() | {
        "body_too_large"
    }
    assert error["trace_id"] == answer.headers["x-trace-id"]
    assert error["request_id"] == answer.headers["x-request-id"]
    assert SANE.fullmatch(error["request_id"])
    for name, lines in error.get("details", {}).items():
        assert NAME.fullmatch(name)
        assert lines == [error["message"]] or (
            name == "idempotency_key" and all(SANE.fullmatch(line) for line in lines)
        )


texts = st.text(st.characters(codec="utf-8"), max_size=30)
paths = st.one_of(
    st.sampled_from(["/game/slots/play", "/game/slots/play/", "/game", "/game/plays/"]),
    texts.map(lambda text: f"/game/plays/{text}"),
    texts.map(lambda text: f"/{text}"),
)
methods = st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"])
names = st.sampled_from(
    [
        b"content-type",
        b"content-length",
        b"content-encoding",
        b"Idempotency-Key",
        b"x-request-id",
        b"traceparent",
        b"tracestate",
        b"baggage",
        b"host",
        b"x",
    ]
)
values = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"application/json", b"key-1", b"gzip", b"9" * 30, b"-1", b"\xb2"]),
)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
bodies = st.one_of(
    st.binary(max_size=60),
    json_values.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(st.sampled_from(["player_id", "game", "bet", "x"]) | texts, json_values).map(
        lambda changes: json.dumps(bet(**changes)).encode()
    ),
    st.integers(1, 3).map(lambda times: b"[" * 2000 * times),
)


@given(methods, paths, st.lists(st.tuples(names, values), max_size=4), bodies)
def test_whatever_is_sent_the_answer_is_of_the_catalogue(
    method: str, path: str, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    """Any method, path, header and body: accepted, or an error of the catalogue; never a 5xx."""
    api = Api()

    answer = sent(api, method, path, headers, body)

    assert answer.status < 500
    if answer.status == 202:
        assert api.behind.published
    elif method != "HEAD":
        assert_of_the_catalogue(answer)
        assert not api.behind.published


@given(bodies, st.lists(st.integers(0, MAX_BODY), max_size=3))
def test_whatever_body_is_sent_as_a_play_the_answer_is_of_the_catalogue(
    body: bytes, cuts: list[int]
) -> None:
    """Any body, in any pieces, to the place where bodies are read: the same."""
    api = Api()
    edges = [0, *sorted(cuts), len(body)]
    chunks = [body[a:b] for a, b in pairwise(edges)]

    answer = sent(
        api, "POST", "/game/slots/play", [(b"content-type", b"application/json")], *chunks
    )

    if answer.status == 202:
        assert len(api.behind.published) == 1
    else:
        assert answer.status in {400, 413}
        assert_of_the_catalogue(answer)
        assert not api.behind.published


FAILURES = (
    Unavailable(WORDS),
    Retryable(WORDS),
    Poison(WORDS),
    Fatal(WORDS),
    InvalidPlayError("nobody_knows", WORDS, WORDS),
    psycopg.OperationalError(WORDS),
    psycopg.errors.UniqueViolation(WORDS),
    KafkaException(KafkaError(KafkaError._ALL_BROKERS_DOWN, WORDS)),
    HTTPException(418, WORDS, headers={"x-leak": WORDS, "Allow": "nothing"}),
    HTTPException(503, WORDS, headers={"location": WORDS}),
    HTTPException(200, WORDS),
    OSError(13, "Permission denied", SECRETS[1]),
    TimeoutError(WORDS),
    BufferError(WORDS),
    UnicodeDecodeError("utf-8", WORDS.encode(), 0, 1, WORDS),
    KeyError(WORDS),
    AssertionError(WORDS),
    RecursionError(WORDS),
    ExceptionGroup(WORDS, [ValueError(WORDS)]),
    type("Hunter2", (Exception,), {"__str__": lambda _: 1 // 0, "__repr__": lambda _: WORDS})(),
)


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_whatever_fails_nothing_of_it_is_told(method: str, failure: Exception) -> None:
    """Any exception of what stands behind becomes an error that holds none of its words."""
    api = Api()
    api.behind.away = failure
    path = "/game/slots/play" if method == "POST" else "/game/plays/play-1"
    headers = [(b"content-type", b"application/json")]

    answer = sent(api, method, path, headers, json.dumps(bet()).encode())

    assert answer.status >= 400
    assert_of_the_catalogue(answer)
    told = answer.body.decode() + json.dumps(answer.headers)
    assert not [secret for secret in SECRETS if secret in told]
    assert type(failure).__name__ not in told
