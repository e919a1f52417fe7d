"""One Kafka broker that asks who is there: passwords, tokens, certificates, and rights.

A Java child of this process: there is no other source. It has one listener for each way to come in;
who comes through the open one may do everything, anybody else only what `grant` allows.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined] # documented to be there
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from tests.infra import kafka_topics
from tests.infra.certificates import Authority
from tests.infra.kafka_java import NODE, JavaBroker
from tests.infra.kafka_ready import coordinates
from tests.infra.kafka_settings import CLIENTS, CONTROLLER, FOR_TESTS, ONE_NODE, listeners
from tests.infra.ports import free_port
from tests.infra.rights import allow
from tests.infra.wait import until

if TYPE_CHECKING:
    from typing import Self

HOST = "127.0.0.1"
START_SECONDS = 120
ANSWER_SECONDS = 60
USER, SECRET = "ada", "correct"
PASSWORD, SAFE, TLS, MTLS = "PASSWORD", "SAFE", "TLS", "MTLS"
PROTOCOLS = {
    CLIENTS: "PLAINTEXT",
    CONTROLLER: "PLAINTEXT",
    PASSWORD: "SASL_PLAINTEXT",
    SAFE: "SASL_SSL",
    TLS: "SSL",
    MTLS: "SSL",
}
MODULES = "org.apache.kafka.common.security"
SCRAM_ITERATIONS = 4096  # the least that Kafka takes


class SecuredKafka:
    """A broker that knows `USER` by `SECRET`, over PLAIN and SCRAM. A context manager.

    `authority` has signed the broker's certificate, and those that it lets in as ``User:CN=name``.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="lagmon-kafka-")
        self._ports = {name: free_port() for name in PROTOCOLS}
        self.authority = Authority(Path(self._folder.name))
        self._broker = JavaBroker({**ONE_NODE, **FOR_TESTS, **self._properties()}, None)

    def __enter__(self) -> Self:
        try:
            self._broker.start()
            until(self._serves, timeout=START_SECONDS, what="Kafka that asks for passwords")
        except BaseException:
            self.__exit__()
            raise
        self._know_by_scram()
        return self

    def __exit__(self, *_: object) -> None:
        self._broker.remove()
        self._folder.cleanup()

    @property
    def bootstrap_servers(self) -> str:
        """The address of the open listener."""
        return self.servers(CLIENTS)

    def servers(self, listener: str) -> str:
        """Give the address of *listener*."""
        return f"{HOST}:{self._ports[listener]}"

    def admin(self) -> AdminClient:
        """Give a new AdminClient that may do everything."""
        return AdminClient({"bootstrap.servers": self.bootstrap_servers})

    def create_topic(self, name: str) -> None:
        """Create topic *name* with one partition, and wait until it has a leader."""
        kafka_topics.create(self.admin(), name)

    def grant(self, principal: str) -> None:
        """Let *principal* describe the cluster, every group and every topic, and nothing else.

        It may do so from here on.
        """
        everything = [
            (ResourceType.BROKER, "kafka-cluster"),
            (ResourceType.GROUP, "*"),
            (ResourceType.TOPIC, "*"),
        ]
        rights = [
            AclBinding(
                kind,
                name,
                ResourcePatternType.LITERAL,
                principal,
                "*",
                AclOperation.DESCRIBE,
                AclPermissionType.ALLOW,
            )
            for kind, name in everything
        ]
        allow(self.admin(), rights)

    def _know_by_scram(self) -> None:
        known = UserScramCredentialUpsertion(
            USER,
            ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, SCRAM_ITERATIONS),
            SECRET.encode(),
        )
        admin = self.admin()
        for done in admin.alter_user_scram_credentials([known]).values():
            done.result(ANSWER_SECONDS)
        until(self._knows_by_scram, what=f"{USER} to be known by SCRAM")

    def _knows_by_scram(self) -> bool:
        """Log in: the broker hears of a password some time after it has answered."""
        client = AdminClient(
            {
                "bootstrap.servers": self.servers(PASSWORD),
                "security.protocol": PROTOCOLS[PASSWORD],
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.username": USER,
                "sasl.password": SECRET,
                "log_level": 0,
            }
        )
        try:
            return bool(client.list_topics(timeout=5).brokers)
        except KafkaException:
            return False

    def _serves(self) -> bool:
        if end := self._broker.ended():
            raise RuntimeError(f"Kafka ended before it served: {end}")
        return coordinates(self.bootstrap_servers)

    def _properties(self) -> dict[str, str]:
        addresses = {name: self.servers(name) for name in PROTOCOLS}
        seen = {name: one for name, one in addresses.items() if name != CONTROLLER}
        return {
            **listeners(addresses, seen),
            "listener.security.protocol.map": ",".join(f"{k}:{v}" for k, v in PROTOCOLS.items()),
            "controller.quorum.voters": f"{NODE}@{addresses[CONTROLLER]}",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            **self._certificates(),
            **self._passwords(PASSWORD),
            **self._passwords(SAFE),
        }

    def _certificates(self) -> dict[str, str]:
        key, certificate = self.authority.sign("broker")
        # Key (PKCS8), certificate and authority in one file, in this order.
        whole = key.with_suffix(".all.pem")
        whole.write_text("".join(p.read_text() for p in (key, certificate, self._trusted)))
        return {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(whole),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self._trusted),
            f"listener.name.{MTLS.lower()}.ssl.client.auth": "required",
        }

    @property
    def _trusted(self) -> Path:
        return self.authority.certificate

    def _passwords(self, listener: str) -> dict[str, str]:
        name = f"listener.name.{listener.lower()}"
        known = f'user_{USER}="{SECRET}"'
        return {
            f"{name}.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512,OAUTHBEARER",
            f"{name}.plain.sasl.jaas.config": f"{MODULES}.plain.PlainLoginModule required {known};",
            f"{name}.scram-sha-512.sasl.jaas.config": (
                f"{MODULES}.scram.ScramLoginModule required;"
            ),
            # It takes tokens that nobody has signed: enough to see them passed through.
            f"{name}.oauthbearer.sasl.jaas.config": (
                f"{MODULES}.oauthbearer.OAuthBearerLoginModule required;"
            ),
        }
