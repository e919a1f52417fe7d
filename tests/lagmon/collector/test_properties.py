"""What librdkafka refuses is named before anything is started, and no value is repeated."""

from __future__ import annotations

import pytest

from lagmon.collector.properties import problems
from lagmon.configuration.settings import Cluster

UNKNOWN = "librdkafka has no such property"
SAFE = {"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN", "sasl.username": "ada"}


def said(**client: str | int) -> list[str]:
    """Give what is wrong with *client*, whose names have _ for the dots."""
    named: dict[str, str | int | float | bool] = {
        name.replace("_", "."): value for name, value in client.items()
    }
    return list(problems(Cluster(name="a", bootstrap_servers="kafka:1", client=named)))


def test_what_librdkafka_takes_is_no_problem() -> None:
    """Nor is having no properties at all."""
    assert said() == []
    assert said(sasl_password="hunter2", **{k.replace(".", "_"): v for k, v in SAFE.items()}) == []


def test_every_property_that_there_is_not_is_named_with_what_may_be_meant() -> None:
    """Where nothing is like it, nothing is guessed."""
    assert said(sasl_passwrd="hunter2", security_protocl="SSL", x="hunter2") == [
        f"client.sasl.passwrd: {UNKNOWN}; is it sasl.password?",
        f"client.security.protocl: {UNKNOWN}; is it security.protocol?",
        f"client.x: {UNKNOWN}",
    ]


@pytest.mark.parametrize(
    ("client", "told"),
    [
        (
            {"security_protocol": "hunter2"},
            "client.security.protocol: librdkafka refuses its value",
        ),
        (
            {"socket_timeout_ms": "hunter2"},
            "client.socket.timeout.ms: librdkafka refuses its value",
        ),
        ({"receive_message_max_bytes": 1}, "client.receive.message.max.bytes: librdkafka refuses"),
        (
            {"security_protocol": "SSL", "ssl_ca_location": "/nowhere/hunter2"},
            "client.ssl.ca.location: librdkafka refuses its value",
        ),
        (
            {"security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN"},
            "client: librdkafka makes no client of it: sasl.username and sasl.password must be set",
        ),
        (
            {"security_protocol": "SASL_SSL", "sasl_mechanism": "hunter2"},
            "client: librdkafka makes no client of it: Unsupported SASL mechanism: …",
        ),
    ],
)
def test_what_a_property_cannot_be_is_refused_without_its_value(
    client: dict[str, str | int], told: str
) -> None:
    """It may be a secret that stands in the wrong place."""
    (problem,) = said(**client)

    assert problem.startswith(told)
    assert "hunter2" not in problem
