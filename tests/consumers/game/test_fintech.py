"""The client of the partner against its stand-in on a real socket: once, in time, in one trace."""

from __future__ import annotations

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from consumers.errors import HandlerError, Poison, Retryable, Unavailable
from consumers.fintech.app import fintech_app
from consumers.fintech.ledger import Ledger
from consumers.game.answers import Refused
from consumers.game.fintech import MAX_BODY, Fintech
from consumers.serving.web import Server
from propagation.integrations.asgi import traced
from propagation.testing import captured_spans
from tests.consumers.game.builders import outcome, play
from tests.infra.endpoint import Endpoint, Response
from tests.infra.ports import free_port
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import ReadableSpan

PATIENT, SHORT = 60.0, 1.0  # seconds; the short one is for what gets no answer at all
ASKED: dict[str, Any] = {"timeout": PATIENT, "trust_env": False}
SILENT = {"hang", "slow"}


class StandIn:
    """The stand-in, served at *url*."""

    def __init__(self, port: int = 0, ledger: Ledger | None = None) -> None:
        app = traced(fintech_app(ledger or Ledger()))
        self._server = Server(app, host="127.0.0.1", port=port)
        self.url = self._server.start()

    def stop(self) -> None:
        """Serve no more."""
        self._server.stop(PATIENT)

    def fault(self, **fault: Any) -> None:
        """Set what goes wrong."""
        httpx.put(f"{self.url}/faults", json=fault, **ASKED).raise_for_status()

    def hits(self) -> int:
        """Count the requests that met the fault."""
        return int(httpx.get(f"{self.url}/faults", **ASKED).json()["hits"])

    def book(self) -> list[dict[str, Any]]:
        """Read every entry."""
        answer = httpx.get(f"{self.url}/v1/ledger", **ASKED)
        return [json.loads(line) for line in answer.text.splitlines()]


class Guard:
    """What may stand around each call: keeps what it was left by."""

    def __init__(self) -> None:
        self.left_by: list[type[BaseException] | None] = []

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.left_by.append(kind)


@pytest.fixture
def partner() -> Iterator[StandIn]:
    """Give a stand-in with an empty book."""
    partner = StandIn()
    yield partner
    partner.stop()


@pytest.fixture
def client(partner: StandIn) -> Iterator[Fintech]:
    """Give a patient client of it."""
    with Fintech(partner.url, timeout_seconds=PATIENT) as client:
        yield client


def meeting(url: str, fault: dict[str, Any], **options: Any) -> Fintech:
    """Make a client that soon gives up where *fault* is that no answer comes."""
    seconds = SHORT if fault["mode"] in SILENT else PATIENT
    return Fintech(url, timeout_seconds=seconds, **options)


def test_a_play_is_settled_under_its_own_id(partner: StandIn, client: Fintech) -> None:
    """The partner's book has the play, its player, bet and payout, and the key is the play's id."""
    settlement_id = client.settle(play("play-7"), outcome(payout=3000))

    (entry,) = partner.book()
    assert entry["settlement_id"] == settlement_id
    assert (entry["key"], entry["play_id"], entry["player_id"]) == ("play-7", "play-7", "ada")
    assert (entry["bet"], entry["payout"]) == (250, 3000)


def test_asking_again_finds_the_same_settlement(partner: StandIn, client: Fintech) -> None:
    """However often a play is settled, there is one entry."""
    ids = {client.settle(play(), outcome()) for _ in range(3)}

    assert ids == {entry["settlement_id"] for entry in partner.book()}
    assert len(ids) == 1


@pytest.mark.parametrize(
    "fault",
    [{"mode": "fail"}, {"mode": "garbage"}, {"mode": "hang"}, {"mode": "slow", "seconds": 3}],
    ids=lambda fault: fault["mode"],
)
def test_an_answer_that_was_lost_is_found_again(partner: StandIn, fault: dict[str, Any]) -> None:
    """The partner has settled and its answer never came: the next try finds that settlement."""
    partner.fault(**fault, settled=True)

    with meeting(partner.url, fault) as client, pytest.raises(HandlerError):
        client.settle(play(), outcome())
    partner.fault(mode="none")
    with Fintech(partner.url, timeout_seconds=PATIENT) as client:
        found = client.settle(play(), outcome())

    assert [entry["settlement_id"] for entry in partner.book()] == [found]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"mode": "fail"}, Unavailable),
        ({"mode": "fail", "status": 429}, Unavailable),
        ({"mode": "fail", "status": 403}, Unavailable),
        ({"mode": "fail", "status": 400}, Poison),
        ({"mode": "reject"}, Refused),
        ({"mode": "garbage"}, Retryable),
        ({"mode": "hang"}, Unavailable),
        ({"mode": "slow", "seconds": 3}, Unavailable),
    ],
    ids=str,
)
def test_a_fault_has_its_reaction(
    partner: StandIn, fault: dict[str, Any], kind: type[Exception]
) -> None:
    """What the runtime shall do is said by the exception's type."""
    partner.fault(**fault)

    with meeting(partner.url, fault) as client, pytest.raises(kind):
        client.settle(play(), outcome())


def test_another_order_under_the_key_is_refused(partner: StandIn, client: Fintech) -> None:
    """The same play with another payout is `Refused`, and the first stands."""
    client.settle(play(), outcome(payout=0))

    with pytest.raises(Refused):
        client.settle(play(), outcome(payout=1))

    assert [entry["payout"] for entry in partner.book()] == [0]


def test_a_redirect_is_not_followed() -> None:
    """An answer never chooses who gets the order."""
    asked: list[str] = []

    def elsewhere(request: Any) -> Response:
        asked.append(request.path)
        return Response()

    with (
        Endpoint(elsewhere) as other,
        raw(
            b"HTTP/1.1 307 Temporary Redirect\r\nLocation: "
            + other.address.encode()
            + b"\r\nContent-Length: 0\r\n\r\n"
        ) as url,
        Fintech(url, timeout_seconds=PATIENT) as client,
        pytest.raises(Unavailable, match="307"),
    ):
        client.settle(play(), outcome())

    assert asked == []


@contextmanager
def raw(*pieces: bytes, every_seconds: float = 0) -> Iterator[str]:
    """Serve one connection: read a request, then send *pieces*, one *every_seconds*."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                try:
                    connection.recv(65_536)
                    for piece in pieces:
                        connection.sendall(piece)
                        if over.wait(every_seconds):
                            return
                except OSError:
                    return
                over.wait(PATIENT)

        served = pool.submit(serve)
        place = listener.getsockname()
        try:
            yield f"http://{place[0]}:{place[1]}"
        finally:
            over.set()
            socket.create_connection(place).close()  # where the client gave up before it connected
            served.result()


@pytest.mark.parametrize(
    "drops",
    [[b"H"], [b"HTTP/1.1 200 OK\r\n"], [b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"]],
    ids=["the status", "a header", "the body"],
)
def test_the_deadline_holds_against_drops(drops: list[bytes]) -> None:
    """A partner whose answer comes letter by letter, each in time, is given up in time as well."""
    pieces = [*drops, *[b"x"] * 98]
    if drops == [b"HTTP/1.1 200 OK\r\n"]:
        pieces = [*drops, b"x-more: ", *[b"x"] * 98]

    began = time.monotonic()
    with raw(*pieces, every_seconds=0.3) as url, Fintech(url, timeout_seconds=SHORT) as client:
        with pytest.raises(Unavailable, match="within 1 s"):
            client.settle(play(), outcome())

        assert time.monotonic() - began < 20


def test_an_answer_without_end_is_not_read() -> None:
    """More than the bound is no settlement, and is not kept."""
    good = b'{"settlement_id": "s"}'
    body = good + b" " * (MAX_BODY - len(good) + 1)

    with (
        raw(b"HTTP/1.1 200 OK\r\n\r\n" + body) as url,
        Fintech(url, timeout_seconds=PATIENT) as client,
        pytest.raises(Retryable),
    ):
        client.settle(play(), outcome())


def test_nobody_at_the_address_is_waited_for() -> None:
    """A refused connection is `Unavailable`, and says what it was."""
    nowhere = f"http://127.0.0.1:{free_port()}"

    with (
        Fintech(nowhere, timeout_seconds=PATIENT) as client,
        pytest.raises(Unavailable, match="ConnectError"),
    ):
        client.settle(play(), outcome())


def test_a_connection_that_ends_is_waited_for() -> None:
    """A partner that dies while it is asked is `Unavailable`."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:

        def hang_up() -> None:
            connection, _ = listener.accept()
            connection.recv(1)
            connection.close()

        ended = pool.submit(hang_up)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with (
            Fintech(url, timeout_seconds=PATIENT) as client,
            pytest.raises(Unavailable, match="cannot be reached"),
        ):
            client.settle(play(), outcome())
        ended.result()


def test_a_partner_that_was_restarted_costs_nothing() -> None:
    """The next play after a restart is settled at once, on a new connection."""
    port = free_port()  # the system might give its own to another connection meanwhile
    first = StandIn(port)
    with Fintech(first.url, timeout_seconds=PATIENT) as client:
        client.settle(play("play-1"), outcome())
        first.stop()
        second = StandIn(port)

        client.settle(play("play-2"), outcome())

    assert [entry["play_id"] for entry in second.book()] == ["play-2"]
    second.stop()


def test_retry_after_is_kept_for_every_play(partner: StandIn) -> None:
    """Until the time is over the partner is not called, for no play; then it is."""
    now = [1000.0]
    partner.fault(mode="fail", status=429, retry_after=7)
    with Fintech(partner.url, timeout_seconds=PATIENT, clock=lambda: now[0]) as client:
        with pytest.raises(Unavailable, match="429"):
            client.settle(play("play-1"), outcome())
        now[0] += 6.9
        for play_id in ("play-1", "play-2"):
            with pytest.raises(Unavailable, match=r"another 0\.1 s") as refused:
                client.settle(play(play_id), outcome())
            assert refused.value.retry_after_seconds == pytest.approx(0.1)
        called = partner.hits()

        partner.fault(mode="none")
        now[0] += 0.2

        assert client.settle(play("play-2"), outcome())
    assert called == 1


def test_a_guard_hears_of_a_partner_that_is_down(partner: StandIn) -> None:
    """5xx and silence leave the guard as `Unavailable`; all else is no fault of the partner's."""
    guard = Guard()
    for fault in (
        {"mode": "none"},
        {"mode": "reject"},
        {"mode": "fail", "status": 429},
        {"mode": "garbage"},
        {"mode": "fail", "status": 500},
        {"mode": "hang"},
    ):
        partner.fault(**fault)
        with meeting(partner.url, fault, guard=guard) as client, suppress(HandlerError):
            client.settle(play(), outcome())

    kinds = [kind and issubclass(kind, Unavailable) for kind in guard.left_by]
    assert kinds == [None, None, None, None, True, True]


def test_a_guard_that_refuses_spares_the_partner(partner: StandIn) -> None:
    """What the guard raises travels on, and nobody is called."""

    class Open(Guard):
        def __enter__(self) -> None:
            raise Unavailable("the breaker is open")

    with (
        Fintech(partner.url, timeout_seconds=PATIENT, guard=Open()) as client,
        pytest.raises(Unavailable, match="breaker"),
    ):
        client.settle(play(), outcome())

    assert partner.book() == []


def test_each_call_is_observed(partner: StandIn) -> None:
    """How each call ended is told, with the time that it took."""
    told: list[tuple[str, float]] = []

    def observe(ended: str, seconds: float) -> None:
        told.append((ended, seconds))

    for url, fault in (
        (partner.url, {"mode": "none"}),
        (partner.url, {"mode": "none"}),
        (partner.url, {"mode": "fail"}),
        (partner.url, {"mode": "hang"}),
        (f"http://127.0.0.1:{free_port()}", {"mode": "none"}),
    ):
        partner.fault(**fault)
        with meeting(url, fault, observe=observe) as client, suppress(HandlerError):
            client.settle(play(), outcome())

    assert [ended for ended, _ in told] == ["201", "200", "503", "timeout", "error"]
    assert told[3][1] >= SHORT
    assert all(seconds >= 0 for _, seconds in told)


def settled_in_trace(client: Fintech) -> tuple[ReadableSpan, ReadableSpan]:
    """Settle a play in a span of its own; give that span and the call's."""
    tracer = trace.get_tracer("test")
    with (
        captured_spans() as spans,
        tracer.start_as_current_span("process plays"),
        suppress(HandlerError),
    ):
        client.settle(play(), outcome())
    (call,) = [span for span in spans if span.kind is SpanKind.CLIENT]
    (process,) = [span for span in spans if span.name == "process plays"]
    return process, call


def test_the_call_is_part_of_the_plays_trace(partner: StandIn, client: Fintech) -> None:
    """A CLIENT span under the record's, and the partner writes the same trace into its book."""
    process, call = settled_in_trace(client)

    context = process.get_span_context()
    assert context is not None
    assert call.parent == context
    assert call.name == "POST /v1/settlements"
    assert dict(call.attributes or {}) == {
        "http.request.method": "POST",
        "http.response.status_code": 201,
        "server.address": "127.0.0.1",
        "server.port": int(partner.url.rpartition(":")[2]),
        "url.full": f"{partner.url}/v1/settlements",
        "url.template": "/v1/settlements",
    }
    assert call.status.status_code is StatusCode.UNSET
    assert partner.book()[0]["trace_id"] == f"{context.trace_id:032x}"


@pytest.mark.parametrize(
    ("fault", "error"),
    [({"mode": "fail"}, "503"), ({"mode": "reject"}, "422"), ({"mode": "hang"}, "timeout")],
    ids=str,
)
def test_a_call_that_failed_is_marked(partner: StandIn, fault: dict[str, Any], error: str) -> None:
    """The span of a call that brought no settlement is an error, and names its kind."""
    partner.fault(**fault)

    with meeting(partner.url, fault) as client:
        _, call = settled_in_trace(client)

    assert call.status.status_code is StatusCode.ERROR
    assert (call.attributes or {})["error.type"] == error


def test_a_proxy_of_the_environment_is_not_used(
    partner: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy that is meant for the internet never sees an order."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    for spares in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(spares, raising=False)

    with Fintech(partner.url, timeout_seconds=PATIENT) as client:
        assert client.settle(play(), outcome())


def test_closing_cuts_what_hangs(partner: StandIn) -> None:
    """Whoever waits for an answer when the client is closed gets `Unavailable`, soon."""
    partner.fault(mode="hang")

    with ThreadPoolExecutor(1) as pool:
        with Fintech(partner.url, timeout_seconds=600) as client:
            waiting = pool.submit(client.settle, play(), outcome())
            until(lambda: partner.hits() == 1, what="the call to hang")
        error = waiting.exception(timeout=PATIENT)

    assert isinstance(error, Unavailable)


def test_many_threads_settle_at_once(partner: StandIn, client: Fintech) -> None:
    """Sixteen at a time, and one of them each twice: an entry a play, each with its own id."""
    plays = [play(f"play-{number % 60}") for number in range(120)]
    with ThreadPoolExecutor(16) as pool:
        ids = list(pool.map(lambda one: client.settle(one, outcome()), plays))

    assert ids[:60] == ids[60:]
    assert {entry["play_id"]: entry["settlement_id"] for entry in partner.book()} == dict(
        zip((one.play_id for one in plays), ids, strict=True)
    )
    assert len(set(ids)) == len(partner.book()) == 60
