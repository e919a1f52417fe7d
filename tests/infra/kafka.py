"""One real Kafka broker, from the first source that this machine has.

``KAFKA_BOOTSTRAP_SERVERS`` names one that runs already; else Docker; else Java with the jars that
Maven fetches. Topics never appear by themselves: create them. The broker ends with this process.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Protocol

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from tests.infra import docker, kafka_topics
from tests.infra.kafka_jars import INSTALL, KAFKA_VERSION, available
from tests.infra.kafka_java import JavaBroker
from tests.infra.kafka_ready import coordinates
from tests.infra.kafka_settings import FOR_TESTS, ONE_NODE
from tests.infra.require import Missing
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

VARIABLE = "KAFKA_BOOTSTRAP_SERVERS"
START_SECONDS = 120  # about 3 s on an idle machine; after a kill up to 13 s
ANSWER_SECONDS = 60


class Runner(Protocol):
    """What a broker runs as: a Java child or a container."""

    host: str
    port: int
    inner_port: int

    def start(self) -> None:
        """Start it on the data it has; it may not serve yet."""

    def stop(self) -> None:
        """Shut it down in order."""

    def kill(self) -> None:
        """End it in the middle of what it does."""

    def remove(self) -> None:
        """End it if it runs, and delete its data."""

    def ended(self) -> str | None:
        """Say how it ended by itself, None while it runs."""


class KafkaBroker:
    """One broker. A context manager: starts it, removes it with its data.

    With *own* it is never the one of ``KAFKA_BOOTSTRAP_SERVERS``, so that a test may kill it. With
    *java_options* it is a Java child of this process, which gets them. *settings* are broker
    properties beside those for tests. A TcpProxy can stand in front of it: it listens on
    *advertised_port* and leads to `inner_port`; clients use `proxied_servers`.
    """

    def __init__(
        self,
        *,
        own: bool = False,
        advertised_port: int | None = None,
        settings: Mapping[str, str] | None = None,
        java_options: Sequence[str] = (),
    ) -> None:
        self._given = "" if own or java_options else os.environ.get(VARIABLE, "")
        self._java_options = java_options
        self._settings = {**ONE_NODE, **FOR_TESTS, **(settings or {})}
        self._advertised_port = advertised_port
        self._runner: Runner | None = None
        self.bootstrap_servers = self._given

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def start(self) -> None:
        """Start it, after a kill or stop at the same address with its data; wait until it serves.

        Raises `Missing` where no broker can be had.
        """
        if not self._given:
            if self._runner is None:
                self._runner = runner(self._settings, self._advertised_port, self._java_options)
                self.bootstrap_servers = f"{self._runner.host}:{self._runner.port}"
            self._runner.start()
        until(self._listens, timeout=START_SECONDS, what=f"Kafka at {self.bootstrap_servers}")
        until(self._serves, timeout=START_SECONDS, what="Kafka to serve metadata")
        until(
            lambda: coordinates(self.bootstrap_servers),
            timeout=START_SECONDS,
            what="Kafka's group coordinator",
        )

    def stop(self) -> None:
        """Shut it down in order; its data stays."""
        self._own().stop()

    def kill(self) -> None:
        """End it in the middle of what it does; its data stays."""
        self._own().kill()

    def restart(self) -> None:
        """Shut it down in order and start it again."""
        self.stop()
        self.start()

    def remove(self) -> None:
        """End it if it is ours, and delete its data."""
        if self._runner:
            self._runner.remove()
            self._runner = None

    @property
    def inner_port(self) -> int:
        """The port of the listener that is advertised as *advertised_port*."""
        return self._own().inner_port

    @property
    def advertised_port(self) -> int:
        """The port where a proxy has to listen, as given to the constructor."""
        if self._advertised_port is None:
            raise ValueError("this broker was made without advertised_port")
        return self._advertised_port

    @property
    def proxied_servers(self) -> str:
        """The address of the proxy in front of this broker."""
        return f"127.0.0.1:{self.advertised_port}"

    def admin(self) -> AdminClient:
        """Give a new AdminClient; one that saw the broker die does not heal by itself.

        Hold it until its futures are done: they end with it.
        """
        return AdminClient({"bootstrap.servers": self.bootstrap_servers})

    def create_topic(self, name: str, partitions: int = 1, **config: str | int) -> None:
        """Create topic *name* and wait until every partition has a leader.

        *config* are topic properties with ``_`` for ``.``: ``retention_ms=1000``.
        """
        properties = {key.replace("_", "."): str(value) for key, value in config.items()}
        kafka_topics.create(self.admin(), name, partitions, properties)

    def delete_topic(self, name: str) -> None:
        """Delete topic *name*, with what groups have committed of it; fine if it is gone."""
        admin = self.admin()
        try:
            admin.delete_topics([name])[name].result(ANSWER_SECONDS)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise

    def _own(self) -> Runner:
        if self._runner is None:
            raise Missing(f"a broker to stop or to put a proxy before (unset {VARIABLE})", INSTALL)
        return self._runner

    def _listens(self) -> bool:
        """Connect without a Kafka client, which would complain on stderr while nothing is there."""
        if self._runner and (end := self._runner.ended()):
            raise RuntimeError(f"Kafka ended before it served: {end}")
        host, _, port = self.bootstrap_servers.split(",")[0].rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS).close()
        except OSError:
            return False
        return True

    def _serves(self) -> bool:
        try:
            return bool(self.admin().list_topics(timeout=1).brokers)
        except KafkaException:
            return False


def runner(
    settings: Mapping[str, str], advertised_port: int | None, java_options: Sequence[str] = ()
) -> Runner:
    """Make a broker of the first kind that this machine can run, or raise `Missing`."""
    if docker.reachable() and not java_options:
        from tests.infra.kafka_docker import DockerBroker  # noqa: PLC0415 - slow, and seldom needed

        return DockerBroker(settings, advertised_port)
    return JavaBroker(settings, advertised_port, java_options)


def described() -> str:
    """Say in a few words which broker tests would get here, without starting it."""
    if given := os.environ.get(VARIABLE):
        return f"at {given} ({VARIABLE})"
    if docker.reachable():
        return f"{KAFKA_VERSION} in Docker"
    try:
        available()
    except Missing as missing:
        return str(missing)
    return f"{KAFKA_VERSION} on Java, jars from Maven"
