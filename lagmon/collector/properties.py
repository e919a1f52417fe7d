"""Ask librdkafka which properties of a cluster it refuses, without asking the cluster.

Comes in: a cluster. Goes out: problems in words, none of which repeats a value: it may be a secret.
"""

from __future__ import annotations

import difflib
import logging
import re
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lagmon.configuration.settings import Cluster

    Property = str | int | float | bool

WORD = re.compile(r"[\w.-]+")
UNKNOWN, MADE_NONE = "No such configuration property", "Failed to create admin client: "
# What somebody may have meant: librdkafka knows more, and lists none.
LIKELY = (
    *("sasl.mechanism", "sasl.mechanisms", "sasl.username", "sasl.password"),
    *("sasl.kerberos.service.name", "sasl.kerberos.principal", "sasl.kerberos.keytab"),
    *("sasl.oauthbearer.method", "sasl.oauthbearer.config", "sasl.oauthbearer.client.id"),
    *("sasl.oauthbearer.client.secret", "sasl.oauthbearer.scope", "sasl.oauthbearer.extensions"),
    *("sasl.oauthbearer.token.endpoint.url", "security.protocol", "client.id", "client.rack"),
    *("ssl.ca.location", "ssl.ca.pem", "ssl.ca.certificate.stores", "ssl.cipher.suites"),
    *("ssl.certificate.location", "ssl.certificate.pem", "ssl.key.location", "ssl.key.pem"),
    *("ssl.key.password", "ssl.keystore.location", "ssl.keystore.password", "ssl.crl.location"),
    *("ssl.endpoint.identification.algorithm", "enable.ssl.certificate.verification"),
    *("socket.timeout.ms", "socket.keepalive.enable", "socket.connection.setup.timeout.ms"),
    *("broker.address.family", "broker.address.ttl", "connections.max.idle.ms"),
    *("reconnect.backoff.ms", "reconnect.backoff.max.ms", "metadata.max.age.ms", "debug"),
)

_silent = logging.getLogger("lagmon.kafka.asked")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False


def problems(cluster: Cluster) -> Iterator[str]:
    """Name each property of *cluster* that librdkafka refuses, and what may have been meant.

    A client is made of them that knows no broker, and dropped.
    """
    left = dict(cluster.client)
    while left and (told := _refusal(left)) is not None:
        name = _named(told, left)
        if name is None:
            yield f"client: {_without_values(told, left)}"
            return
        yield f"client.{name}: {_why(name, told)}"
        del left[name]


def _refusal(properties: dict[str, Property]) -> str | None:
    """Give librdkafka's words if it refuses *properties*."""
    try:
        AdminClient(dict(properties), logger=_silent)
    except KafkaException as error:
        return str(error.args[0].str())
    except (TypeError, ValueError) as error:  # a callback that is none
        return str(error)
    return None


def _named(told: str, properties: Iterable[str]) -> str | None:
    """Find the one of *properties* that the words are about: the first that they name."""
    words = [word.rstrip(".") for word in WORD.findall(told)]
    return next((word for word in words if word in properties), None)


def _why(name: str, told: str) -> str:
    if not told.startswith(UNKNOWN):
        return "librdkafka refuses its value"
    near = difflib.get_close_matches(name, LIKELY, n=1)
    return "librdkafka has no such property" + (f"; is it {near[0]}?" if near else "")


def _without_values(told: str, properties: dict[str, Property]) -> str:
    for value in sorted(map(str, properties.values()), key=len, reverse=True):
        told = told.replace(value, "…") if value else told
    return f"librdkafka makes no client of it: {told.partition(MADE_NONE)[2] or told}"
