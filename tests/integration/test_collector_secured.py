"""The collector and brokers that ask who is there: every way in, and what a closed door says."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from lagmon.configuration.settings import Cluster, CollectorSettings, Settings
from lagmon.judge.lag import measure
from tests.conftest import running as started
from tests.infra.certificates import Authority
from tests.infra.kafka_secured import MTLS, PASSWORD, SAFE, SECRET, TLS, USER, SecuredKafka
from tests.infra.require import required
from tests.integration.collecting import collect_until, commit, once, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lagmon.readings import Snapshot

pytestmark = pytest.mark.timeout(180)

GROUP, TOPIC = "settlers", "plays"


@pytest.fixture(scope="module")
def secured() -> Iterator[SecuredKafka]:
    """Give a broker with rights, on which a group has committed; shared by this file."""
    with required():
        made = SecuredKafka()
    for broker in started(made):
        broker.create_topic(TOPIC)
        commit(broker.bootstrap_servers, GROUP, TOPIC, 0)
        for principal in (f"User:{USER}", f"User:CN={USER}"):
            broker.grant(principal)
        yield broker


def settings(servers: str, client: dict[str, Any]) -> CollectorSettings:
    """Build the settings of a collector with these properties, as lagmon makes them."""
    cluster = Cluster.model_validate(
        {"name": "secured", "bootstrap_servers": servers, "client": client}
    )
    whole = Settings.model_validate({"clusters": [cluster], "request_timeout": "3s"})
    return whole.collector(whole.clusters[0])


def by_password(secured: SecuredKafka, mechanism: str, **more: str) -> dict[str, Any]:
    """Give the properties of a client that says a password over TLS."""
    return {
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": str(secured.authority.certificate),
        "sasl.mechanism": mechanism,
        "sasl.username": USER,
        "sasl.password": SECRET,
        **more,
    }


def by_certificate(secured: SecuredKafka) -> dict[str, Any]:
    """Give the properties of a client that knows the broker, and does not say who it is."""
    return {
        "security.protocol": "SSL",
        "ssl.ca.location": str(secured.authority.certificate),
    }


def named(secured: SecuredKafka) -> dict[str, Any]:
    """Give the properties of a client with a certificate of its own."""
    key, certificate = secured.authority.sign(USER)
    own = {"ssl.key.location": str(key), "ssl.certificate.location": str(certificate)}
    return by_certificate(secured) | own


def refused(made: CollectorSettings, *marks: str) -> str:
    """Give the error that has *marks*: a busy machine may say before that nothing came in time."""
    snapshot = once(made, lambda s: all(mark in str(s.error) for mark in marks))
    assert snapshot.groups == ()
    return str(snapshot.error)


def lags(snapshot: Snapshot) -> dict[str, int | None]:
    """Give the lag of each group."""
    return {one.group: one.lag for one in measure(snapshot).groups}


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_a_password_lets_in(secured: SecuredKafka, mechanism: str) -> None:
    """With user and password over TLS, the groups are there."""
    made = settings(secured.servers(SAFE), by_password(secured, mechanism))

    assert lags(once(made, lambda s: s.groups)) == {GROUP: 0}


def test_a_token_lets_in(secured: SecuredKafka) -> None:
    """OAUTHBEARER is passed through, and its token is fetched while the client is waited for."""
    client = {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "OAUTHBEARER",
        "enable.sasl.oauthbearer.unsecure.jwt": True,
        "sasl.oauthbearer.config": f"principal={USER}",
    }

    snapshot = once(settings(secured.servers(PASSWORD), client), lambda s: s.groups)

    assert lags(snapshot) == {GROUP: 0}


def test_the_brokers_certificate_is_enough_where_none_is_asked_for(secured: SecuredKafka) -> None:
    """TLS alone: the broker is known by its authority."""
    snapshot = once(settings(secured.servers(TLS), by_certificate(secured)), lambda s: s.groups)

    assert lags(snapshot) == {GROUP: 0}


def test_a_certificate_lets_in(secured: SecuredKafka) -> None:
    """Mutual TLS: both show a certificate of the same authority."""
    snapshot = once(settings(secured.servers(MTLS), named(secured)), lambda s: s.groups)

    assert lags(snapshot) == {GROUP: 0}


def test_a_wrong_password_is_named(secured: SecuredKafka) -> None:
    """The snapshot says what the broker said, and not just that there was no answer."""
    client = by_password(secured, "SCRAM-SHA-512", **{"sasl.password": "wrong"})

    said = refused(settings(secured.servers(SAFE), client), "_AUTHENTICATION")

    assert "invalid credentials" in said
    assert "wrong" not in said


@pytest.mark.parametrize("listener", [SAFE, PASSWORD])
def test_a_mechanism_that_the_broker_has_not_is_named(secured: SecuredKafka, listener: str) -> None:
    """The snapshot says which it has, with and without TLS."""
    protocol = {"security.protocol": "SASL_PLAINTEXT"} if listener == PASSWORD else {}
    client = by_password(secured, "SCRAM-SHA-256", **protocol)

    said = refused(settings(secured.servers(listener), client), "_AUTHENTICATION")

    assert "SCRAM-SHA-512" in said


def test_a_wrong_authority_is_named(secured: SecuredKafka, tmp_path: Path) -> None:
    """A broker whose certificate somebody else has signed is not believed, and that is said."""
    other = Authority(tmp_path, "other")
    client = by_certificate(secured) | {"ssl.ca.location": str(other.certificate)}

    said = refused(settings(secured.servers(TLS), client), "_SSL")

    assert "certificate verify failed" in said


def test_a_certificate_that_is_missing_is_named(secured: SecuredKafka) -> None:
    """A broker that asks for a certificate and gets none ends the connection with an alert."""
    assert refused(settings(secured.servers(MTLS), by_certificate(secured)), "SSL alert")


def test_no_encryption_where_it_is_wanted_is_an_error(secured: SecuredKafka) -> None:
    """Who speaks in the clear to a TLS port gets no answer, and a snapshot that says so."""
    snapshot = once(settings(secured.servers(TLS), {"security.protocol": "PLAINTEXT"}))

    assert snapshot.error
    assert snapshot.groups == ()


def test_a_password_that_is_put_right_is_taken_over(secured: SecuredKafka, tmp_path: Path) -> None:
    """The file of a secret is read again when it changes: nothing has to be restarted."""
    secret = tmp_path / "password"
    secret.write_text("wrong")
    client = by_password(secured, "PLAIN")
    del client["sasl.password"]
    made = settings(secured.servers(SAFE), client | {"sasl.password_file": str(secret)})

    async def run() -> tuple[Snapshot, Snapshot, int]:
        async with running(made) as collector:
            shut = await collect_until(collector, lambda s: "_AUTHENTICATION" in str(s.error))
            secret.write_text(SECRET)
            open_ = await collect_until(collector, lambda s: s.groups)
            return shut, open_, collector.restarts

    shut, open_, restarts = asyncio.run(run())

    assert shut.groups == ()
    assert (lags(open_), restarts) == ({GROUP: 0}, 0)
