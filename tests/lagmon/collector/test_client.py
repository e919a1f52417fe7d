"""The life of a client: made when needed, listened to, replaced."""

from __future__ import annotations

from lagmon.collector.client import Client, configuration
from lagmon.configuration.settings import Cluster
from tests.infra.wait import until

NOBODY = Cluster(name="test", bootstrap_servers="127.0.0.1:1")


def trying() -> Client:
    """Build a client that tries to connect."""
    client = Client(NOBODY)
    assert client.admin is not None
    return client


def test_a_client_is_kept_until_it_is_recycled() -> None:
    """The same client answers until it is dropped; the next one is new."""
    client = Client(NOBODY)
    first, again = client.admin, client.admin

    client.recycle("it timed out")

    assert first is again
    assert client.admin is not first


def test_the_cause_is_heard_and_not_its_consequence() -> None:
    """What librdkafka says through its callback alone is kept; that all is down names no cause."""
    client = trying()

    words = until(client.take_last_words, what="librdkafka's words for a refused connection")

    assert words.startswith("_TRANSPORT: ")
    assert "Connection refused" in words


def test_words_are_taken_once() -> None:
    """An error belongs to the cycle that heard it: without a client there is nothing to hear."""
    client = trying()
    until(client.take_last_words, what="an error")
    client.recycle("it cannot connect")
    client.take_last_words()

    assert client.take_last_words() is None


def test_what_the_user_configured_counts() -> None:
    """A property under client wins over ours; the address is the cluster's own."""
    cluster = Cluster(name="c", bootstrap_servers="kafka:1", client={"client.id": "mine"})

    assert configuration(cluster) == {"client.id": "mine", "bootstrap.servers": "kafka:1"}
