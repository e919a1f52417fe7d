"""Client quotas of a real broker, which the client library has no call for.

One request by hand: AlterClientQuotas, version 0 (Kafka protocol guide, KIP-546).
"""

from __future__ import annotations

import socket
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_ALTER_CLIENT_QUOTAS: Final = 49
_HEADER: Final = struct.Struct(">hhi")  # key, version, correlation id
_BEFORE_ERROR: Final = 12  # correlation id, throttle time, number of entries
_ANSWER_SECONDS: Final = 60


@contextmanager
def throttled(bootstrap_servers: str, client_id: str, quota: str, rate: float) -> Iterator[None]:
    """Let clients that call themselves *client_id* have *rate* of *quota*, bytes a second."""
    _alter(bootstrap_servers, client_id, quota, rate, remove=False)
    try:
        yield
    finally:
        _alter(bootstrap_servers, client_id, quota, rate, remove=True)


def _alter(servers: str, client_id: str, quota: str, rate: float, *, remove: bool) -> None:
    entity = _array(_text("client-id") + _text(client_id))
    change = _array(_text(quota) + struct.pack(">d?", rate, remove))
    body = _array(entity + change) + struct.pack(">?", False)
    request = _HEADER.pack(_ALTER_CLIENT_QUOTAS, 0, 1) + _text("tests") + body
    host, _, port = servers.split(",", maxsplit=1)[0].rpartition(":")
    with socket.create_connection((host, int(port)), timeout=_ANSWER_SECONDS) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        with connection.makefile("rb") as answers:
            [length] = struct.unpack(">i", answers.read(4))
            answer = answers.read(length)
    [error] = struct.unpack_from(">h", answer, _BEFORE_ERROR)
    assert error == 0, answer


def _array(*elements: bytes) -> bytes:
    return struct.pack(">i", len(elements)) + b"".join(elements)


def _text(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()
