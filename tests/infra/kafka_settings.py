"""Write down the properties of a broker for tests. Pure: names and addresses in, properties out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# The names of a broker's listeners: for clients; for a proxy in front of it; for itself.
CLIENTS, PROXIED, CONTROLLER = "PLAINTEXT", "PROXIED", "CONTROLLER"

ONE_NODE = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": CONTROLLER,
    "inter.broker.listener.name": CLIENTS,
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
}
FOR_TESTS = {
    # A service that leans on topics appearing by themselves must be noticed.
    "auto.create.topics.enable": "false",
    # Otherwise the first member of every group waits 3 s for a second one.
    "group.initial.rebalance.delay.ms": "0",
    # A test may kill a member and not wait 6 s, the least that is allowed by default.
    "group.min.session.timeout.ms": "1000",
    # A compacted topic is cleaned soon and not in a quarter of a minute.
    "log.cleaner.backoff.ms": "500",
}


def listeners(bound: Mapping[str, str], advertised: Mapping[str, str]) -> dict[str, str]:
    """Give the properties of listeners: name to ``host:port``, as *bound* and as *advertised*."""
    return {
        "listeners": _joined(bound),
        "advertised.listeners": _joined(advertised),
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in bound),
    }


def asking_for(users: Mapping[str, str]) -> dict[str, str]:
    """Give the properties by which the proxied listener asks for one of *users* and its password.

    As seen by rules about rights, who came through another listener is ``User:ANONYMOUS``.
    """
    known = " ".join(f'user_{name}="{password}"' for name, password in users.items())
    module = f"org.apache.kafka.common.security.plain.PlainLoginModule required {known};"
    return {
        "sasl.enabled.mechanisms": "PLAIN",
        f"listener.name.{PROXIED.lower()}.plain.sasl.jaas.config": module,
    }


def _joined(addresses: Mapping[str, str]) -> str:
    return ",".join(f"{name}://{address}" for name, address in addresses.items())
