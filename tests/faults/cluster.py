"""Three brokers with rights, for what one broker cannot show: a coordinator that moves, ACLs.

Behind the same names as `tests.infra.kafka.KafkaBroker`. Workers come as a user, through a proxy in
front of each broker; everybody else comes directly and may do everything.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from confluent_kafka import ElectionType, KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined] # documented to be there
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic

from tests.infra.kafka_nodes import HOST, KafkaNodes
from tests.infra.kafka_topics import led
from tests.infra.proxy import TcpProxy
from tests.infra.wait import until

if TYPE_CHECKING:
    from typing import Self

NODES = (1, 2, 3)
ANSWER_SECONDS = 60
USER, PASSWORD = "worker", "right"
AS_USER = {
    "security.protocol": "SASL_PLAINTEXT",
    "sasl.mechanism": "PLAIN",
    "sasl.username": USER,
    "sasl.password": PASSWORD,
}
SETTINGS = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",  # whoever comes through the door without a password
    "offsets.topic.num.partitions": "9",
    "offsets.topic.replication.factor": "3",
    # Not the 9 s of production, to see soon who died; but a busy machine stands still for seconds.
    "broker.session.timeout.ms": "6000",
    "broker.heartbeat.interval.ms": "500",
}
READ, WRITE, DESCRIBE = AclOperation.READ, AclOperation.WRITE, AclOperation.DESCRIBE


class Cluster:
    """The brokers. A context manager: starts them, removes them."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._nodes = KafkaNodes(len(NODES), SETTINGS, users={USER: PASSWORD})

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._nodes)
            for node in NODES:
                ports = self._nodes.inner_port(node), self._nodes.proxied_port(node)
                stack.enter_context(TcpProxy(HOST, *ports))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def bootstrap_servers(self) -> str:
        """The addresses of all brokers."""
        return self._nodes.bootstrap_servers

    @property
    def proxied_servers(self) -> str:
        """The addresses of all proxies, where a user is asked for."""
        return self._nodes.proxied_servers

    def admin(self) -> AdminClient:
        """Give a new AdminClient."""
        return self._nodes.admin()

    def create_topic(self, name: str, partitions: int = 1, **config: str | int) -> None:
        """Create a topic that every broker keeps and knows; the worker may read and write it."""
        properties = {key.replace("_", "."): str(value) for key, value in config.items()}
        wanted = NewTopic(
            name, num_partitions=partitions, replication_factor=len(NODES), config=properties
        )
        admin = self.admin()
        admin.create_topics([wanted])[name].result(ANSWER_SECONDS)
        for operation in (READ, WRITE, DESCRIBE):
            self.allow(ResourceType.TOPIC, name, operation)
        until(lambda: self._all_know(name, partitions), what=f"every broker to know {name}")

    def _all_know(self, topic: str, partitions: int) -> bool:
        for node in NODES:
            client = AdminClient({"bootstrap.servers": self._nodes.server(node)})
            if not led(client.list_topics(topic, ANSWER_SECONDS).topics[topic], partitions):
                return False
        return True

    def allow(self, kind: ResourceType, name: str, operation: AclOperation) -> None:
        """Let the worker do *operation*."""
        admin = self.admin()
        for done in admin.create_acls([_right(kind, name, operation)]).values():
            done.result(ANSWER_SECONDS)

    def withdraw(self, kind: ResourceType, name: str, operation: AclOperation) -> None:
        """Take back what `allow` gave."""
        admin, one = self.admin(), _right(kind, name, operation)
        exactly = AclBindingFilter(
            one.restype,
            one.name,
            one.resource_pattern_type,
            one.principal,
            one.host,
            one.operation,
            one.permission_type,
        )
        for done in admin.delete_acls([exactly]).values():
            assert done.result(ANSWER_SECONDS), "there was no such right"

    def coordinator(self, group: str) -> int | None:
        """Ask which broker coordinates *group*; ``None`` while none does."""
        admin = self.admin()
        try:
            found = admin.describe_consumer_groups([group], request_timeout=5)[group].result(10)
        except KafkaException:
            return None
        return int(found.coordinator.id)

    def leaders(self, topic: str) -> dict[int, int]:
        """Ask which broker leads each partition of *topic*; -1 for none."""
        found = self.admin().list_topics(topic, ANSWER_SECONDS).topics[topic].partitions
        return {number: partition.leader for number, partition in found.items()}

    def lead_as_preferred(self, topic: str) -> None:
        """Let each partition of *topic* be led by the first of its brokers again."""
        admin = self.admin()
        wanted = [TopicPartition(topic, number) for number in self.leaders(topic)]
        admin.elect_leaders(ElectionType.PREFERRED, wanted).result(ANSWER_SECONDS)

    def a_group(self) -> str:
        """Find the name of a group that is coordinated by a broker which may be killed."""
        names = (f"group-{number}" for number in range(100))
        name = until(
            lambda: next((n for n in names if self.coordinator(n) in NODES[1:]), None),
            timeout=60,
            what="a group of another coordinator",
        )
        self.allow(ResourceType.GROUP, name, READ)
        return name

    def kill(self, node: int) -> None:
        """End one broker in the middle of what it does."""
        self._nodes.kill(node)

    def restart(self, node: int) -> None:
        """Start a broker that was killed."""
        self._nodes.restart(node)


def _right(kind: ResourceType, name: str, operation: AclOperation) -> AclBinding:
    return AclBinding(
        kind,
        name,
        ResourcePatternType.LITERAL,
        f"User:{USER}",
        "*",
        operation,
        AclPermissionType.ALLOW,
    )
