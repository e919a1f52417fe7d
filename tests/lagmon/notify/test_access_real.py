"""A real Alertmanager that asks for a certificate and for a password gets both."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from lagmon.notify import Access, Alertmanager, Outcome
from lagmon.report import Links
from tests.infra.alertmanager import INSTALL, START_SECONDS, configuration
from tests.infra.certificates import Authority
from tests.infra.ports import free_port
from tests.infra.process import Service
from tests.infra.require import need, required
from tests.infra.wait import until
from tests.lagmon.builders import GROUP, incident, notice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "s3cret"
HASHED = "$2b$04$8zYHBP2S03W8iyi/tvSfQe0x45lsC/WjFJXS..hcpeZy.1Q8K5FQq"


class Guarded:
    """An Alertmanager behind mTLS and basic authentication, and our way in."""

    def __init__(self, folder: Path, url: str) -> None:
        authority = Authority(folder)
        server_key, server = authority.sign("server")
        key, certificate = authority.sign("lagmon")
        (folder / "password").write_text(SECRET)
        (folder / "alertmanager.yml").write_text(json.dumps(configuration(None)))
        tls = {
            "cert_file": str(server),
            "key_file": str(server_key),
            "client_auth_type": "RequireAndVerifyClientCert",
            "client_ca_file": str(authority.certificate),
        }
        web = {"tls_server_config": tls, "basic_auth_users": {"lagmon": HASHED}}
        (folder / "web.yml").write_text(json.dumps(web))
        self.url = url
        self.access = Access(
            username="lagmon",
            password_file=folder / "password",
            ca_file=authority.certificate,
            cert_file=certificate,
            key_file=key,
        )
        self._context = ssl.create_default_context(cafile=str(authority.certificate))
        self._context.load_cert_chain(certificate, key)

    def ask(self, path: str) -> httpx.Response:
        """Ask as a client of its own."""
        auth = ("lagmon", SECRET)
        return httpx.get(f"{self.url}{path}", verify=self._context, auth=auth, timeout=30)

    def ready(self) -> bool:
        """Tell whether it answers."""
        try:
            return self.ask("/-/ready").is_success
        except httpx.TransportError:
            return False


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    """Start one."""
    binary = need("prometheus-alertmanager|alertmanager", INSTALL)
    where = f"127.0.0.1:{free_port()}"
    with required():
        made = Guarded(tmp_path, f"https://{where}")
    command = [
        binary,
        f"--config.file={tmp_path / 'alertmanager.yml'}",
        f"--web.config.file={tmp_path / 'web.yml'}",
        f"--storage.path={tmp_path / 'data'}",
        f"--web.listen-address={where}",
        "--cluster.listen-address=",
    ]
    with Service(command, name="alertmanager"):
        until(made.ready, timeout=START_SECONDS, what="Alertmanager to be ready")
        yield made


def sent(to: Guarded, access: Access) -> Outcome:
    """Send an alert once."""

    async def story() -> Outcome:
        receiver = Alertmanager(
            to.url, Links(), holds_seconds=240, access=access, timeout_seconds=60
        )
        try:
            return await receiver.send([notice(about=incident(since=now), when=now)])
        finally:
            await receiver.close()

    now = time.time()
    return asyncio.run(story())


def groups(of: Guarded) -> list[Any]:
    """Give the groups of the alerts that it holds."""
    return [alert["labels"]["group"] for alert in of.ask("/api/v2/alerts").json()]


def test_an_alert_comes_in_with_certificate_and_password(guarded: Guarded) -> None:
    """Both are shown from their files, and the alert is held."""
    assert sent(guarded, guarded.access) is Outcome.SENT
    assert groups(guarded) == [GROUP]


def test_an_alert_without_the_password_is_refused(guarded: Guarded) -> None:
    """It is told apart from an Alertmanager that is away: trying again would not help."""
    known = guarded.access
    stranger = Access(ca_file=known.ca_file, cert_file=known.cert_file, key_file=known.key_file)

    assert sent(guarded, stranger) is Outcome.REJECTED
    assert groups(guarded) == []


def test_an_alert_without_the_certificate_finds_no_connection(guarded: Guarded) -> None:
    """The password alone opens nothing."""
    known = guarded.access
    stranger = Access(
        username=known.username, password_file=known.password_file, ca_file=known.ca_file
    )

    assert sent(guarded, stranger) is Outcome.FAILED
    assert groups(guarded) == []
