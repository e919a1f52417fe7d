"""What strangers may do to the server: too slow, too much, too many."""

from __future__ import annotations

import contextlib
import socket
import threading
from contextlib import ExitStack
from dataclasses import replace

import pytest

from tests.infra.wait import PATIENCE_SECONDS, until
from tests.lagmon.web.serving import ASK, LARGE, PATIENT, Served, answer, ended

SHORT = 0.3
HURRIED = replace(PATIENT, request_seconds=SHORT)
OK = b"HTTP/1.1 200 OK"


def answered(served: Served, kept: ExitStack) -> socket.socket:
    """Give a connection, until *kept* ends, that was answered: who asks too late asks again."""

    def asked() -> socket.socket | None:
        client = kept.enter_context(served.connect())
        try:
            return client if answer(client).startswith(OK) else None
        except ConnectionError:
            return None

    return until(asked, what="an answer to who asks in time")


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: lagmon\r\nX-Slow: ",
        b"POST / HTTP/1.1\r\nHost: lagmon\r\nContent-Length: 100\r\n\r\nhalf",
        ASK + b"GET / HT",
        ASK[:-2] + b"Content-Length: 100\r\n\r\nhalf",
    ],
    ids=["silence", "line", "headers", "body", "second request", "body of a GET"],
)
def test_a_request_that_does_not_come_ends_its_connection(begun: bytes) -> None:
    """Whichever part of it is missing; somebody else is answered."""
    with Served(HURRIED) as served, served.connect() as slow:
        with contextlib.suppress(ConnectionError):  # a busy machine may be late with it as well
            slow.sendall(begun)

        ended(slow)

        assert served.turned_away("request_late") == 1
        with ExitStack() as good:
            answered(served, good)


def test_bytes_one_by_one_gain_no_time() -> None:
    """The deadline counts from the first byte, not from the last."""
    with Served(HURRIED) as served, served.connect() as slow:

        def dripped() -> bool:
            try:
                slow.sendall(b"x")
            except ConnectionError:
                return True
            return False

        until(dripped, what="the end of a slow connection")

        assert served.turned_away("request_late") == 1


def test_a_kept_connection_may_wait_for_its_next_request() -> None:
    """The deadline is for a request, and Prometheus asks only every so often."""
    with Served(HURRIED) as served, ExitStack() as stack:
        kept = answered(served, stack)
        before = served.turned_away("request_late")

        for _ in range(2):  # whose deadlines, which began no sooner, have passed
            with served.connect() as silent:
                ended(silent)

        assert answer(kept).startswith(OK)
        assert served.turned_away("request_late") == before + 2


def test_an_idle_connection_ends_after_its_time() -> None:
    """It is not kept for ever either."""
    with Served(replace(PATIENT, idle_seconds=1)) as served, served.connect() as idle:
        assert answer(idle).startswith(OK)

        assert ended(idle) == b""


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: lagmon\r\n\r\n", b"414"),
        (b"GET /?" + b"a" * 5000 + b" HTTP/1.1\r\nHost: lagmon\r\n\r\n", b"414"),
        (b"GET /" + b"a" * 70_000, b"400"),
        (ASK[:-2] + b"X-Large: " + b"a" * 70_000, b"400"),
        (b"POST / HTTP/1.1\r\nHost: lagmon\r\nContent-Length: 100000\r\n\r\n", b"413"),
        (b"nonsense\r\n\r\n", b"400"),
    ],
    ids=["path", "query", "line", "headers", "body", "nonsense"],
)
def test_what_is_too_large_is_refused(request_: bytes, status: bytes) -> None:
    """The answer says so, and the connection ends."""
    with Served(PATIENT) as served, served.connect() as client:
        with contextlib.suppress(ConnectionError):  # it may be refused before all of it has left
            client.sendall(request_)

        assert ended(client).startswith(b"HTTP/1.1 " + status)


def test_a_body_that_does_not_say_how_large_it_is_is_bounded_too() -> None:
    """A chunked one ends its connection where it passes the limit."""
    with Served(PATIENT) as served, served.connect() as client:
        head = b"GET / HTTP/1.1\r\nHost: lagmon\r\nTransfer-Encoding: chunked\r\n\r\n"
        client.sendall(head)

        def flooded() -> bool:
            try:
                client.sendall(b"1000\r\n" + b"x" * 0x1000 + b"\r\n")
            except ConnectionError:
                return True
            return False

        until(flooded, every=0.01, what="the end of a flood")

        assert served.turned_away("body_too_large") == 1


def test_an_answer_that_nobody_takes_is_given_up() -> None:
    """A client that asks for much and reads nothing keeps it in memory for so long alone."""
    limits = replace(PATIENT, answer_seconds=SHORT)
    with Served(limits) as served, served.connect() as client:
        client.sendall(ASK.replace(b"/ ", b"/large ", 1))

        until(lambda: served.turned_away("answer_not_taken"), what="the end of an answer")
        until(lambda: served.server.connections == 0, what="no connection")

        assert served.turned_away("answer_not_taken") == 1


def test_where_there_is_no_room_the_longest_idle_one_makes_it() -> None:
    """Who holds all connections keeps nobody out."""
    with Served(replace(PATIENT, connections=10)) as served, ExitStack() as stack:
        held = [stack.enter_context(served.connect()) for _ in range(10)]
        until(lambda: served.server.connections == 10, what="ten connections")

        with served.connect() as good:
            assert answer(good).startswith(OK)

        assert served.turned_away("no_room") == 1
        assert ended(held[0]) == b""


def test_who_is_being_answered_is_not_turned_away() -> None:
    """A stream stays open while others come and go."""
    with Served(replace(PATIENT, connections=10)) as served, ExitStack() as stack:
        stream = stack.enter_context(served.connect())
        assert answer(stream, ASK.replace(b"/ ", b"/stream ", 1)).startswith(OK)
        held = [stack.enter_context(served.connect()) for _ in range(20)]
        until(lambda: served.turned_away("no_room") >= 11, what="eleven turned away")

        assert stream.recv(100)
        assert ended(held[0]) == b""


def test_where_all_are_being_answered_a_new_one_is_turned_away() -> None:
    """The limit holds, and who is served goes on being served."""
    with Served(replace(PATIENT, connections=10)) as served, ExitStack() as stack:
        streams = [stack.enter_context(served.connect()) for _ in range(10)]
        for stream in streams:
            assert answer(stream, ASK.replace(b"/ ", b"/stream ", 1)).startswith(OK)

        with served.connect() as eleventh:
            assert ended(eleventh) == b""

        assert all(stream.recv(100) for stream in streams)


def test_stopping_waits_for_no_stream() -> None:
    """A stream of events has no end of its own, and gets one; so does who is idle or too slow."""
    with Served(PATIENT) as served, ExitStack() as stack:
        stream, idle, slow = (stack.enter_context(served.connect()) for _ in range(3))
        assert answer(stream, ASK.replace(b"/ ", b"/stream ", 1)).startswith(OK)
        assert answer(idle).startswith(OK)
        slow.sendall(ASK[:10])

        served.stop()

        for each in (stream, idle, slow):
            ended(each)
        with pytest.raises(ConnectionRefusedError):
            served.connect()


def test_stopping_finishes_what_is_under_way() -> None:
    """Who was promised an answer gets all of it."""
    with Served(PATIENT) as served, served.connect() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        said = answer(client, ASK.replace(b"/ ", b"/large ", 1))
        assert said.startswith(OK)
        head, _, begun = said.partition(b"\r\n\r\n")
        assert f"content-length: {LARGE}".encode() in head
        stopping = threading.Thread(target=served.stop, args=(PATIENCE_SECONDS,))
        stopping.start()

        rest = ended(client)

        stopping.join()
        assert len(begun) + len(rest) == LARGE
