"""The API on a real socket, spoken to by what is no good client."""

from __future__ import annotations

import json
import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from consumers.game.bounds import Bounds
from consumers.serving.web import Server
from tests.consumers.game.builders import bet
from tests.consumers.game.served import Api
from tests.infra.wait import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = b"POST /game/slots/play HTTP/1.1\r\nhost: api\r\ncontent-type: application/json\r\n"
PLAIN = b"Invalid HTTP request received."


@contextmanager
def connected(api: Api) -> Iterator[socket.socket]:
    """Serve *api* on a free port and connect to it."""
    server = Server(api.app, host="127.0.0.1", port=0)
    port = int(server.start().rpartition(":")[2])
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
            yield connection
    finally:
        assert server.stop(PATIENCE_SECONDS)


def until_closed(connection: socket.socket) -> bytes:
    """Read until the server closes the connection; one that it does not close is an error."""
    received = bytearray()
    with suppress(ConnectionResetError):  # it leaves bytes of ours unread
        while chunk := connection.recv(65536):
            received += chunk
    return bytes(received)


def error_in(answer: bytes) -> dict[str, Any]:
    """Give the error in the body of *answer*."""
    error: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
    return error


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\xff\r\n\r\n",
        b"GET /" + b"a" * 70_000,
        b"GET / HTTP/1.1\r\nhost: api\r\nx: " + b"a" * 70_000,
        HEAD + b"content-length: -1\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["bytes", "path", "header", "length", "chunk"],
)
def test_what_is_no_http_is_answered_with_a_line(sent: bytes) -> None:
    """Garbage, and heads without end, get 400 and one line of text; nothing reaches the game."""
    api = Api()

    with connected(api) as connection:
        with suppress(ConnectionError):  # it may hang up before the last byte
            connection.sendall(sent)
        answer = until_closed(connection)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert PLAIN in answer
    assert len(answer) < 300
    assert api.behind.tried == []


def test_a_body_that_does_not_come_ends_the_connection() -> None:
    """A client that stops half way is told so, and is then hung up on."""
    with connected(Api(bounds=Bounds(timeout_seconds=0.4))) as connection:
        connection.sendall(HEAD + b'content-length: 60\r\n\r\n{"player_id":')
        answer = until_closed(connection)

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer.lower()
    assert error_in(answer)["code"] == "body_timeout"


def test_the_rest_of_a_large_body_is_not_taken_for_a_request() -> None:
    """A second request inside a body that was refused is never served."""
    api = Api()
    body = json.dumps(bet()).encode()
    inside = HEAD + b"content-length: %d\r\n\r\n%s" % (len(body), body)

    with connected(api) as connection:
        connection.sendall(HEAD + b"content-length: 9000\r\n\r\n" + inside)
        answer = until_closed(connection)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert error_in(answer)["code"] == "body_too_large"
    assert api.behind.tried == []
