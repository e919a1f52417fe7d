"""Several brokers form one cluster, and one of them can stand still."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.infra.kafka_nodes import KafkaNodes
from tests.infra.proxy import TcpProxy
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def nodes() -> Iterator[KafkaNodes]:
    """Give two brokers."""
    with KafkaNodes(2) as running:
        yield running


def answers(address: str) -> bool:
    """Tell whether the broker at *address* answers a new client."""
    client = AdminClient({"bootstrap.servers": address, "log_level": 0})
    try:
        return bool(client.list_topics(timeout=2).brokers)
    except KafkaException:
        return False


def both(client: AdminClient) -> list[int] | None:
    """Give the brokers that *client* is told of, once they are two."""
    found = [*client.list_topics(timeout=60).brokers]
    return found if len(found) > 1 else None


def test_each_broker_knows_all_of_them(nodes: KafkaNodes) -> None:
    """Whichever is asked, both are in the metadata, in the end."""
    for node in (1, 2):
        client = AdminClient({"bootstrap.servers": nodes.server(node)})

        found = until(partial(both, client), what="both")

        assert sorted(found) == [1, 2]


def test_a_paused_broker_says_nothing_until_it_is_resumed(nodes: KafkaNodes) -> None:
    """The other one goes on."""
    nodes.pause(2)

    assert not answers(nodes.server(2))
    assert until(lambda: answers(nodes.server(1)), what="the other one")

    nodes.resume(2)

    assert until(lambda: answers(nodes.server(2)), what="the resumed broker")


def test_a_killed_broker_comes_back_with_its_data(nodes: KafkaNodes) -> None:
    """At the same address."""
    nodes.kill(2)

    assert not answers(nodes.server(2))

    nodes.restart(2)

    assert until(lambda: answers(nodes.server(2)), what="the restarted broker")


def test_the_second_door_asks_for_a_password() -> None:
    """Through it comes who knows the password; the first door stays open to all."""
    users = {"lagmon": "right"}
    with KafkaNodes(1, users=users) as guarded:
        door, port = guarded.inner_port(1), guarded.proxied_port(1)
        with TcpProxy("127.0.0.1", door, port):
            known = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN"}
            known |= {"sasl.username": "lagmon", "bootstrap.servers": guarded.proxied_servers}
            right = AdminClient({**known, "sasl.password": "right"})
            wrong = AdminClient({**known, "sasl.password": "wrong", "log_level": 0})

            found = right.list_topics(timeout=60).brokers
            with pytest.raises(KafkaException):
                wrong.list_topics(timeout=2)

    assert [one.port for one in found.values()] == [port]
