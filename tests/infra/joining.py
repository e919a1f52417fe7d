"""Join a group by bytes on a socket, as programs do that are no consumers of a topic.

`join` a classic one by JoinGroup and SyncGroup (https://kafka.apache.org/protocol): the protocol
type and the assignment, which the broker passes on unread, are the caller's. `join_streams` one of
Kafka Streams (KIP-1071) by StreamsGroupHeartbeat. The member stays until its session ends, as
nobody heartbeats for it, or until `leave_streams`.
"""

from __future__ import annotations

import socket
import struct

JOIN_GROUP, SYNC_GROUP = 11, 14
JOIN_VERSION, SYNC_VERSION = 2, 1
STREAMS_HEARTBEAT, STREAMS_VERSION = 88, 0
JOINS, LEAVES = 0, -1  # in place of a member's epoch
NONE, NO_STRUCT = b"\x00", b"\xff"  # of a string, an array or the tags; of a structure
SESSION_MS = 60_000
ANSWER_SECONDS = 60
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


def join_streams(servers: str, group: str, member: str, topic: str) -> None:
    """Become *member* of the streams group *group*, whose topology reads *topic* and no more."""
    nothing = _array()
    reading = _short("0") + _array(_short(topic)) + 5 * nothing + NONE
    topology = b"\x01" + struct.pack(">i", 0) + _array(reading) + NONE
    owned = 3 * nothing + _short("process") + NO_STRUCT + nothing
    _heartbeat(servers, (group, member, JOINS), topology + owned)


def leave_streams(servers: str, group: str, member: str) -> None:
    """Have *member* leave the streams group *group*."""
    _heartbeat(servers, (group, member, LEAVES), NO_STRUCT + 4 * NONE + NO_STRUCT + NONE)


def _heartbeat(servers: str, who: tuple[str, str, int], what: bytes) -> None:
    group, member, epoch = who
    host, _, port = servers.rpartition(":")
    body = _short(group) + _short(member) + struct.pack(">ii", epoch, 0) + 2 * NONE
    body += struct.pack(">i", SESSION_MS) + what + 2 * NONE + b"\x00" + NONE
    with socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS) as connection:
        told = _ask(connection, (STREAMS_HEARTBEAT, STREAMS_VERSION), NONE + body)
    (error,) = struct.unpack_from(">h", told, 5)  # after the tags and the time to wait
    assert error == 0, f"StreamsGroupHeartbeat was answered with error {error}"


def _ask(connection: socket.socket, kind: tuple[int, int], body: bytes) -> bytes:
    """Send one request and give the body of its answer, behind the number that both bear.

    Where *kind* has tags in its header, they begin *body*, and what is given.
    """
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


def _short(text: str) -> bytes:
    """Write *text*, of less than 127 bytes, as the flexible versions have it."""
    return bytes([len(text.encode()) + 1]) + text.encode()


def _array(*items: bytes) -> bytes:
    return bytes([len(items) + 1]) + b"".join(items)


def _read_string(body: bytes, at: int) -> tuple[str, int]:
    (size,) = struct.unpack_from(">h", body, at)
    end = at + 2 + size
    return body[at + 2 : end].decode(), end
