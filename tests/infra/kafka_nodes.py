"""Several Kafka brokers that form one cluster, for tests of what one of them not answering does.

Java children of this process: there is no other source. Node 1 is the controller too, so it is the
one that must live. A broker is paused as a machine that stands still would be: its connections stay
open and nothing answers.
"""

from __future__ import annotations

import os
import signal
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.infra.kafka_jvm import command, format_logs, new_id, write_properties
from tests.infra.kafka_ready import coordinates
from tests.infra.kafka_settings import (
    CLIENTS,
    CONTROLLER,
    FOR_TESTS,
    ONE_NODE,
    PROXIED,
    asking_for,
    listeners,
)
from tests.infra.ports import free_port
from tests.infra.process import Service
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

HOST = "127.0.0.1"
START_SECONDS = 120


class KafkaNodes:
    """*count* brokers with the node ids from 1. A context manager: starts them, removes them.

    *settings* are broker properties beside those for tests. Raises `Missing` without Java or jars.

    With *users*, names and their passwords, each broker has a second door that asks for these (SASL
    PLAIN): it is bound to `inner_port` and advertised at `proxied_port`, where a TcpProxy belongs.
    """

    def __init__(
        self,
        count: int = 3,
        settings: Mapping[str, str] | None = None,
        *,
        users: Mapping[str, str] | None = None,
    ) -> None:
        self._ports = {node: free_port() for node in range(1, count + 1)}
        self._doors = {node: (free_port(), free_port()) for node in self._ports} if users else {}
        self._users = users or {}
        self._command = command()
        self._controller = f"{HOST}:{free_port()}"
        self._id = new_id()
        self._settings = {**ONE_NODE, **FOR_TESTS, **(settings or {})}
        self._stack = ExitStack()
        self._services: dict[int, Service] = {}

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def bootstrap_servers(self) -> str:
        """The addresses of all brokers."""
        return ",".join(self.server(node) for node in self._ports)

    def server(self, node: int) -> str:
        """Give the address of broker *node*."""
        return f"{HOST}:{self._ports[node]}"

    @property
    def proxied_servers(self) -> str:
        """The addresses of the proxies in front of all brokers."""
        return ",".join(f"{HOST}:{self.proxied_port(node)}" for node in self._ports)

    def inner_port(self, node: int) -> int:
        """Give the port to which the second door of broker *node* is bound."""
        return self._doors[node][0]

    def proxied_port(self, node: int) -> int:
        """Give the port at which the second door of broker *node* is advertised."""
        return self._doors[node][1]

    def admin(self) -> AdminClient:
        """Give a new AdminClient; hold it until its futures are done: they end with it."""
        return AdminClient({"bootstrap.servers": self.bootstrap_servers})

    def start(self) -> None:
        """Start all brokers on empty logs; wait until the cluster knows each and serves groups."""
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="lagmon-kafka")))
        for node in self._ports:
            properties, logs = folder / f"{node}.properties", folder / f"logs-{node}"
            write_properties(properties, self._properties(node, logs))
            format_logs(logs, node, self._id)
            broker = [*self._command, "kafka.Kafka", str(properties)]
            self._services[node] = Service(broker, name=f"kafka-{node}")
            self._stack.callback(self._services[node].close)
            self._services[node].start()
        until(self._all_there, timeout=START_SECONDS, what=f"{len(self._ports)} brokers")
        until(
            lambda: coordinates(self.bootstrap_servers),
            timeout=START_SECONDS,
            what="the group coordinators",
        )

    def pause(self, node: int) -> None:
        """Let broker *node* stand still in the middle of what it does."""
        os.kill(self._services[node].pid, signal.SIGSTOP)

    def resume(self, node: int) -> None:
        """Let broker *node* go on; harmless if it does."""
        if self._services[node].running:
            os.kill(self._services[node].pid, signal.SIGCONT)

    def kill(self, node: int) -> None:
        """End broker *node* in the middle of what it does; its data stays."""
        self._services[node].kill()

    def restart(self, node: int) -> None:
        """Start broker *node* again after a `kill`."""
        self._services[node].start()

    def _properties(self, node: int, logs: Path) -> dict[str, str]:
        clients = {CLIENTS: self.server(node)}
        leads = node == 1
        bound = clients | ({CONTROLLER: self._controller} if leads else {})
        # A broker that is no controller has no such listener, and still has to know how to speak.
        protocols = {CLIENTS: "PLAINTEXT", CONTROLLER: "PLAINTEXT"}
        if self._users:
            bound[PROXIED] = f"{HOST}:{self.inner_port(node)}"
            clients[PROXIED] = f"{HOST}:{self.proxied_port(node)}"
            protocols[PROXIED] = "SASL_PLAINTEXT"
        return {
            **self._settings,
            **listeners(bound, clients),
            **(asking_for(self._users) if self._users else {}),
            "listener.security.protocol.map": ",".join(f"{k}:{v}" for k, v in protocols.items()),
            "node.id": str(node),
            "process.roles": "broker,controller" if leads else "broker",
            "controller.quorum.voters": f"1@{self._controller}",
            "log.dirs": str(logs),
        }

    def _all_there(self) -> bool:
        for service in self._services.values():
            if not service.running:
                raise RuntimeError(f"a broker ended before it served\n{service.tail()}")
        client = AdminClient({"bootstrap.servers": self.server(1), "log_level": 0})
        try:
            return len(client.list_topics(timeout=1).brokers) == len(self._ports)
        except KafkaException:
            return False
