"""`lagmon doctor` on brokers that ask who is there: what it finds, and what it says when it cannot.

One broker with rights, passwords and certificates is shared by this file.
"""

from __future__ import annotations

import json
import re
import socket
import socketserver
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml
from confluent_kafka.admin import (  # type: ignore[attr-defined] # documented to be there
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from lagmon import cli
from propagation.integrations import logs
from tests.conftest import running as started
from tests.infra.certificates import Authority
from tests.infra.kafka_secured import MTLS, SAFE, SECRET, TLS, USER, SecuredKafka
from tests.infra.ports import free_port
from tests.infra.require import required
from tests.infra.rights import allow
from tests.integration.collecting import commit
from tests.lagmon.notify.standing_in import response

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.infra.alertmanager import Alertmanager

pytestmark = pytest.mark.timeout(240)

GROUP, TOPIC, STRANGER = "settlers", "plays", "eve"
# A busy machine takes seconds for a handshake; who is refused is asked until the time is over.
PATIENT = {"request_timeout": "20s", "cycle_deadline": "60s"}
REFUSED = {"request_timeout": "8s"}


class Said(NamedTuple):
    """What a run of the command came to."""

    code: int
    found: list[dict[str, str | None]]
    text: str

    def at(self, level: str) -> list[str]:
        """Give what was found at *level*."""
        return [str(one["what"]) for one in self.found if one["level"] == level]

    def todo(self) -> list[str]:
        """Give what is to be done about it."""
        return [str(one["do"]) for one in self.found if one["do"]]


class Doctor:
    """Runs the command inside this process, on settings that are good but for what is given."""

    def __init__(
        self, capsys: pytest.CaptureFixture[str], folder: Path, alertmanager: Alertmanager
    ) -> None:
        self._capsys = capsys
        self._folder = folder
        self.alertmanager = alertmanager.url

    def __call__(self, servers: str, client: dict[str, Any], *options: str, **more: Any) -> Said:
        """Run with *options* and *more* settings; nothing but findings may be written."""
        config = self._folder / "lagmon.yml"
        settings = {
            "clusters": [{"name": "secured", "bootstrap_servers": servers, "client": client}],
            "alertmanagers": [{"url": self.alertmanager}],
            "state": {"path": str(self._folder / "state")},
            **PATIENT,
        }
        config.write_text(yaml.safe_dump(settings | more))
        code = cli.main(["doctor", "--config", str(config), "--json", *options])
        captured = self._capsys.readouterr()
        assert captured.err == ""
        assert not re.search(rf"\b{SECRET}\b", captured.out)
        said = json.loads(captured.out)
        assert said["go_live"] is (code == 0)
        return Said(code, said["findings"], captured.out)


@pytest.fixture
def doctor(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, alertmanager: Alertmanager
) -> Iterator[Doctor]:
    """Give a way to run the command, and put the logging back as it was."""
    yield Doctor(capsys, tmp_path, alertmanager)
    logs.restore()


@pytest.fixture(scope="module")
def secured() -> Iterator[SecuredKafka]:
    """Give a broker with rights, on which a group has committed."""
    with required():
        made = SecuredKafka()
    for broker in started(made):
        broker.create_topic(TOPIC)
        commit(broker.bootstrap_servers, GROUP, TOPIC, 0)
        broker.grant(f"User:{USER}")
        yield broker


def by_password(secured: SecuredKafka, password: str = SECRET) -> dict[str, Any]:
    """Give the properties of a client that says a password over TLS."""
    return {
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": str(secured.authority.certificate),
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": USER,
        "sasl.password": password,
    }


def by_certificate(secured: SecuredKafka, name: str) -> dict[str, Any]:
    """Give the properties of a client that is known by a certificate for *name*."""
    key, certificate = secured.authority.sign(name)
    return {
        "security.protocol": "SSL",
        "ssl.ca.location": str(secured.authority.certificate),
        "ssl.key.location": str(key),
        "ssl.certificate.location": str(certificate),
    }


@contextmanager
def committing(secured: SecuredKafka) -> Iterator[None]:
    """Have the group commit again and again, as a live one does."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.3):
            commit(secured.bootstrap_servers, GROUP, TOPIC, 0)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        over.set()
        worker.join(60)


@pytest.fixture
def refusing() -> Iterator[str]:
    """Give the address of a receiver that lets nobody in.

    It serves from a thread: the command has an event loop of its own.
    """

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            self.wfile.write(response("403 Forbidden"))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_with_the_rights_it_needs_it_may_go_live(secured: SecuredKafka, doctor: Doctor) -> None:
    """Over SASL and TLS: what it would see, what brokers speak, and how their clock goes."""
    with committing(secured):
        said = doctor(secured.servers(SAFE), by_password(secured))

    good = "\n".join(said.at("ok"))
    assert said.code == 0
    assert not said.at("failed")
    assert f"1 broker reached, all there are: 1 at {secured.servers(SAFE)}" in good
    assert "Kafka 4.0 or later, as it speaks ListGroups" in good
    assert "lagmon may DESCRIBE what it is to watch" in good
    assert "1 group on 1 partition would be watched" in good
    assert "series of 200,000 would be exported" in good
    assert "clock of broker 1 is " in good
    assert "takes alerts" in good
    assert "state can be written" in good


def test_rights_to_read_are_missed_only_if_one_is_strict(
    secured: SecuredKafka, doctor: Doctor
) -> None:
    """Without them pages have no trace: a warning, with the command that grants them."""
    said = doctor(secured.servers(SAFE), by_password(secured), "--strict")

    assert said.code == 1
    assert said.at("warning") == [f"lagmon may not READ 1 topic: {TOPIC}"]
    (command,) = said.todo()
    assert command == (
        f"kafka-acls --bootstrap-server {secured.servers(SAFE)} --add"
        f" --allow-principal User:{USER} --operation Read --topic '*'"
    )


def test_each_missing_right_is_named_and_nothing_is_missing_once_granted(
    secured: SecuredKafka, doctor: Doctor
) -> None:
    """A stranger with a certificate sees nothing; with the rights it may go live."""
    client = by_certificate(secured, STRANGER)

    before = doctor(secured.servers(MTLS), client)
    secured.grant(f"User:CN={STRANGER}")
    after = doctor(secured.servers(MTLS), client)

    add = f"kafka-acls --bootstrap-server {secured.servers(MTLS)} --add --allow-principal"
    assert before.code == 1
    assert set(before.at("failed")) == {
        "lagmon may not DESCRIBE the cluster",
        "lagmon may not DESCRIBE group *",
        "lagmon may not DESCRIBE topic *",
    }
    assert f"{add} User:LAGMON --operation Describe --cluster" in before.todo()
    assert f"{add} User:LAGMON --operation Describe --group '*'" in before.todo()
    assert f"{add} User:LAGMON --operation Describe --topic '*'" in before.todo()
    assert "no group is seen" in before.at("warning")
    assert (after.code, after.at("failed")) == (0, [])


def let_read(secured: SecuredKafka, **named: str) -> None:
    """Let lagmon's user READ what is *named* by its kind."""
    rights = [
        AclBinding(
            ResourceType[kind.upper()],
            name,
            ResourcePatternType.LITERAL,
            f"User:{USER}",
            "*",
            AclOperation.READ,
            AclPermissionType.ALLOW,
        )
        for kind, name in named.items()
    ]
    allow(secured.admin(), rights)


def test_a_replica_is_told_what_it_needs_to_share_and_nothing_once_it_is_granted(
    secured: SecuredKafka, doctor: Doctor
) -> None:
    """Though nobody is in the group that they share by, and the doctor does not join it."""
    servers, client = secured.servers(SAFE), by_password(secured)

    before = doctor(servers, client, sharding="kafka", sharding_group="watchers")
    let_read(secured, group="watchers")
    after = doctor(servers, client, sharding="kafka", sharding_group="watchers")

    add = f"kafka-acls --bootstrap-server {servers} --add --allow-principal User:{USER}"
    assert before.at("failed") == ["lagmon may not READ group watchers"]
    assert f"{add} --operation Read --group watchers" in before.todo()
    assert (before.code, after.code) == (1, 0)
    assert "lagmon may share the groups, by group watchers" in after.at("ok")
    admin = secured.admin()
    listed = admin.list_consumer_groups(request_timeout=30).result().valid
    assert [one.group_id for one in listed] == [GROUP]


def test_a_wrong_password_is_one_line(secured: SecuredKafka, doctor: Doctor) -> None:
    """With the broker's words, what to check, and not the password."""
    said = doctor(secured.servers(SAFE), by_password(secured, "not-the-one"), **REFUSED)

    (told,) = said.at("failed")
    assert said.code == 1
    assert told.startswith("it did not answer: _AUTHENTICATION: ")
    assert "invalid credentials" in told
    assert any("sasl.password" in one for one in said.todo())
    assert "not-the-one" not in said.text


def test_a_wrong_authority_is_one_line(
    secured: SecuredKafka, doctor: Doctor, tmp_path: Path
) -> None:
    """A broker whose certificate somebody else has signed is not believed."""
    other = Authority(tmp_path, "other")
    client = {"security.protocol": "SSL", "ssl.ca.location": str(other.certificate)}

    said = doctor(secured.servers(TLS), client, **REFUSED)

    (told,) = said.at("failed")
    assert said.code == 1
    assert told.startswith("it did not answer: _SSL: ")
    assert "certificate verify failed" in told
    assert any("ssl.ca.location" in one for one in said.todo())


def test_a_broker_that_is_not_there_is_one_line(doctor: Doctor) -> None:
    """And of what was not seen nothing is said."""
    address = f"127.0.0.1:{free_port()}"

    said = doctor(address, {}, **REFUSED)

    (told,) = said.at("failed")
    assert said.code == 1
    assert address in told
    assert "Connection refused" in told
    assert "series" not in said.text


def test_whoever_takes_a_connection_and_says_nothing_is_left_in_time(doctor: Doctor) -> None:
    """A cluster and an Alertmanager behind a firewall that swallows: one line each."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"127.0.0.1:{mute.getsockname()[1]}"

        said = doctor(
            address,
            {},
            alertmanagers=[{"url": f"http://{address}"}],
            request_timeout="4s",
            cycle_deadline="6s",
        )

    cluster, manager = said.at("failed")
    assert said.code == 1
    assert cluster.startswith("it did not answer: ")
    assert manager == "is not reached: no answer in 10 s"


def test_receivers_that_refuse_and_a_memory_that_is_not_kept_are_told(
    secured: SecuredKafka, doctor: Doctor, refusing: str, tmp_path: Path
) -> None:
    """Each by its name, beside a cluster that is well."""
    away = f"127.0.0.1:{free_port()}"
    managers = [{"url": f"http://ada:{SECRET}@{refusing}"}, {"url": f"http://{away}"}]
    place = str(tmp_path / "nowhere" / "state")
    key, pager = tmp_path / "key", doctor.alertmanager.removeprefix("http://")
    key.write_text("routing-key")

    said = doctor(
        secured.servers(SAFE),
        by_password(secured),
        alertmanagers=managers,
        state={"path": place},
        pagerduty={"routing_key_file": str(key), "url": f"http://{pager}"},
    )

    reached = next(str(one["what"]) for one in said.found if one["where"] == f"pagerduty:{pager}")
    failed = {str(one["where"]): str(one["what"]) for one in said.found if one["level"] == "failed"}
    assert said.code == 1
    assert failed[f"alertmanager:{refusing}"] == "refuses with HTTP 403"
    assert failed[f"alertmanager:{away}"].startswith("is not reached: ")
    assert failed["state.path"].startswith(f"{place} cannot be written: ")
    assert len(failed) == 3
    assert reached.startswith("is reached (HTTP ")
    assert "routing-key" not in said.text


def test_settings_that_are_wrong_are_another_code(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Every problem at once, a secret that cannot be read among them; nobody is asked."""
    config = tmp_path / "lagmon.yml"
    client = {"sasl.password_file": str(tmp_path / "none")}
    cluster = {"name": "x", "bootstrap_servers": "127.0.0.1:1", "client": client}
    window = {"name": "night", "time_zone": "Mars/Base", "at": "22:00", "lasts": "1h"}
    config.write_text(
        json.dumps(
            {"clusters": [cluster], "rules": {"NoRule": {"for": "5s"}}, "maintenance": [window]}
        )
    )

    code = cli.main(["doctor", "--config", str(config)])

    captured = capsys.readouterr()
    assert (code, captured.out) == (2, "")
    for mark in ("sasl.password_file", "rules.NoRule", "maintenance[0].time_zone"):
        assert mark in captured.err


def test_a_property_that_librdkafka_refuses_is_a_setting_that_is_wrong(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """As `check-config` says it."""
    config = tmp_path / "lagmon.yml"
    cluster = {"name": "x", "bootstrap_servers": "127.0.0.1:1", "client": {"sasl.passwrd": "a"}}
    config.write_text(json.dumps({"clusters": [cluster]}))

    assert cli.main(["doctor", "--config", str(config)]) == 2
    assert "is it sasl.password?" in capsys.readouterr().err
