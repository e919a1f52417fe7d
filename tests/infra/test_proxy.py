"""The proxy between a client and a server, and a real Kafka client behind it."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.infra.endpoint import Endpoint, Request, Response
from tests.infra.wait import PATIENCE_SECONDS, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import ProxyFactory
    from tests.infra.kafka import KafkaBroker
    from tests.infra.proxy import TcpProxy

REQUEST = b"POST / HTTP/1.0\r\nContent-Length: %d\r\n\r\n"


def echo(request: Request) -> Response:
    """Answer with the body that came."""
    return Response(body=request.body)


@pytest.fixture
def echo_port() -> Iterator[int]:
    """Give the port of a server that answers with what it was sent."""
    with Endpoint(echo) as endpoint:
        yield int(endpoint.address.rpartition(":")[2])


def connected(port: int) -> socket.socket:
    """Connect to *port*."""
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)


def answer(client: socket.socket, body: bytes) -> bytes:
    """Send *body* in a request and read the body of the answer."""
    client.sendall(REQUEST % len(body) + body)
    received = b""
    while chunk := client.recv(1 << 16):
        received += chunk
    return received.partition(b"\r\n\r\n")[2]


def test_a_proxy_changes_nothing(echo_port: int, proxy: ProxyFactory) -> None:
    """Every byte arrives, in order, in both directions."""
    body = bytes(range(256)) * 40_000

    with connected(proxy("127.0.0.1", echo_port).port) as client:
        received = answer(client, body)

    assert received == body


def test_a_cut_resets_what_is_open(echo_port: int, proxy: ProxyFactory) -> None:
    """An open connection is reset by a cut, at once."""
    between = proxy("127.0.0.1", echo_port)
    with connected(between.port) as client:
        client.sendall(b"POST / ")

        between.cut()

        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_a_cut_refuses_what_comes(echo_port: int, proxy: ProxyFactory) -> None:
    """A new connection is refused while the proxy is cut."""
    between = proxy("127.0.0.1", echo_port)

    between.cut()

    with pytest.raises(ConnectionRefusedError):
        connected(between.port)


def test_a_healed_proxy_leads_on(echo_port: int, proxy: ProxyFactory) -> None:
    """After a cut was healed a new connection works at the same port."""
    between = proxy("127.0.0.1", echo_port)
    between.cut()

    between.heal()

    with connected(between.port) as client:
        assert answer(client, b"again") == b"again"


def test_a_delay_holds_back_each_direction(echo_port: int, proxy: ProxyFactory) -> None:
    """A delay is added on the way there and on the way back, and ends when it is set to 0."""
    between = proxy("127.0.0.1", echo_port)
    between.delay(0.2)

    began = time.monotonic()
    with connected(between.port) as client:
        delayed = answer(client, b"slow")
    took = time.monotonic() - began
    between.delay(0)
    with connected(between.port) as client:
        undelayed = answer(client, b"fast")

    assert (delayed, undelayed) == (b"slow", b"fast")
    assert took >= 0.4


def test_an_answer_can_be_lost(echo_port: int, proxy: ProxyFactory) -> None:
    """The server answers the question and the client is reset; other questions are answered."""
    between = proxy("127.0.0.1", echo_port)
    between.lose_answers(b"COMMIT", times=1)

    with connected(between.port) as client:
        other = answer(client, b"BEGIN")
    with connected(between.port) as client, pytest.raises(ConnectionResetError):
        answer(client, b"COMMIT")
    with connected(between.port) as client:
        again = answer(client, b"COMMIT")

    assert (other, again, between.lost) == (b"BEGIN", b"COMMIT", 1)


def test_a_server_that_is_not_there_resets_the_client(proxy: ProxyFactory) -> None:
    """A client whose server is down is not left waiting."""
    between = proxy("127.0.0.1", 1)

    # Whether connecting already fails, or the first read, is a matter of microseconds.
    with pytest.raises(ConnectionResetError), connected(between.port) as client:
        client.recv(1)


def test_kafka_is_reached_through_its_proxy_alone(
    kafka: KafkaBroker, kafka_proxy: TcpProxy
) -> None:
    """A client of the proxied listener loses Kafka by a cut, and finds it again when healed."""
    client = AdminClient({"bootstrap.servers": kafka.proxied_servers, "log_level": 0})
    brokers = client.list_topics(timeout=60).brokers

    kafka_proxy.cut()
    with pytest.raises(KafkaException):
        client.list_topics(timeout=1)
    kafka_proxy.heal()

    assert [broker.port for broker in brokers.values()] == [kafka.advertised_port]
    assert until(lambda: answers(client), what="Kafka behind the healed proxy")


def answers(client: AdminClient) -> bool:
    """Tell whether *client* reaches its cluster."""
    try:
        return bool(client.list_topics(timeout=1).brokers)
    except KafkaException:
        return False
