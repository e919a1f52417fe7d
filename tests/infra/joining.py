"""Join a classic group by bytes on a socket, as programs do that are no consumers of a topic.

JoinGroup and SyncGroup (https://kafka.apache.org/protocol): the protocol type and the assignment,
which the broker passes on unread, are the caller's. The member stays until its session ends, as
nobody heartbeats for it.
"""

from __future__ import annotations

import socket
import struct

JOIN_GROUP, SYNC_GROUP = 11, 14
JOIN_VERSION, SYNC_VERSION = 2, 1
SESSION_MS = 60_000
ANSWER_SECONDS = 20
NO_TOPICS = struct.pack(">hii", 0, 0, -1)  # a consumer's subscription: version 0, none, no more


def join(servers: str, group: str, protocol_type: str, assignment: bytes) -> None:
    """Become the only member of *group*, subscribed to nothing, with *assignment* as it stands."""
    host, _, port = servers.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS) as connection:
        joined = _ask(
            connection,
            (JOIN_GROUP, JOIN_VERSION),
            _string(group)
            + struct.pack(">ii", SESSION_MS, SESSION_MS)
            + _string("")
            + _string(protocol_type)
            + struct.pack(">i", 1)
            + _string("range")
            + _bytes(NO_TOPICS),
        )
        error, generation = struct.unpack_from(">hi", joined, 4)
        _, rest = _read_string(joined, 10)
        _, rest = _read_string(joined, rest)
        member, _ = _read_string(joined, rest)
        assert error == 0, f"JoinGroup was answered with error {error}"
        synced = _ask(
            connection,
            (SYNC_GROUP, SYNC_VERSION),
            _string(group)
            + struct.pack(">i", generation)
            + _string(member)
            + struct.pack(">i", 1)
            + _string(member)
            + _bytes(assignment),
        )
        (error,) = struct.unpack_from(">h", synced, 4)
        assert error == 0, f"SyncGroup was answered with error {error}"


def _ask(connection: socket.socket, kind: tuple[int, int], body: bytes) -> bytes:
    """Send one request and give the body of its answer."""
    request = struct.pack(">hhi", *kind, 0) + _string("raw") + body
    connection.sendall(struct.pack(">i", len(request)) + request)
    (size,) = struct.unpack(">i", _exactly(connection, 4))
    return _exactly(connection, size)[4:]


def _exactly(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        chunk = connection.recv(size - len(found))
        assert chunk, "the broker closed the connection"
        found += chunk
    return found


def _string(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()


def _bytes(value: bytes) -> bytes:
    return struct.pack(">i", len(value)) + value


def _read_string(body: bytes, at: int) -> tuple[str, int]:
    (size,) = struct.unpack_from(">h", body, at)
    end = at + 2 + size
    return body[at + 2 : end].decode(), end
