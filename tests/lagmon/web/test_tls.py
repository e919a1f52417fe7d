"""Real TLS: who may connect, by which certificate, and what a renewed one changes."""

from __future__ import annotations

import ssl
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import bcrypt
import httpx
import pytest
import yaml

from lagmon.webconfig.live import LiveWebConfig
from tests.infra.certificates import Authority
from tests.infra.wait import until
from tests.lagmon.web.serving import ASK, PATIENT, Served, answer, ended

if TYPE_CHECKING:
    from pathlib import Path

TLS = {"cert_file": "server.pem", "key_file": "server.key"}
MUTUAL = {
    **TLS,
    "client_ca_file": "authority.pem",
    "client_auth_type": "RequireAndVerifyClientCert",
}
OK = b"HTTP/1.1 200 OK"


class Site:
    """A folder with a web configuration file, and the clients that know its authority."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder)
        self.authority.sign("server")
        self.path = folder / "web.yml"

    def live(self, **content: Any) -> LiveWebConfig:
        """Write the file and read it."""
        self.path.write_text(yaml.safe_dump(content))
        return LiveWebConfig(self.path)

    def client(self, name: str = "", also: str = "", by: Authority | None = None) -> ssl.SSLContext:
        """Give a client, with a certificate for *name* if there is one."""
        context = ssl.create_default_context(cafile=str(self.authority.certificate))
        if name:
            key, certificate = (by or self.authority).sign(name, also or f"DNS:{name}")
            context.load_cert_chain(certificate, key)
        return context


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Give a site of its own."""
    return Site(tmp_path)


def secured(served: Served, context: ssl.SSLContext) -> ssl.SSLSocket:
    """Connect by TLS."""
    return context.wrap_socket(served.connect(), server_hostname="127.0.0.1")


def asked(served: Served, context: ssl.SSLContext) -> bytes:
    """Connect and ask for the page; nothing if that is refused."""
    try:
        with secured(served, context) as client:
            return answer(client)
    except (ssl.SSLError, ConnectionError):
        return b""


def test_the_page_comes_by_tls(site: Site) -> None:
    """The address says so, the certificate is believed, and plain HTTP gets nothing."""
    with Served(live=site.live(tls_server_config=TLS)) as served:
        assert served.address.startswith("https://127.0.0.1:")
        assert httpx.get(served.address, verify=site.client(), timeout=30).text == "page"

        with served.connect() as plain:
            plain.sendall(ASK)
            assert b"HTTP" not in ended(plain)
        until(lambda: served.turned_away("handshake_failed") == 1, what="the count")


def test_a_client_needs_a_certificate_that_is_believed(site: Site) -> None:
    """None at all, and one of another authority, are both refused."""
    with Served(live=site.live(tls_server_config=MUTUAL)) as served:
        assert asked(served, site.client("prometheus")).startswith(OK)
        assert asked(served, site.client()) == b""
        foreign = Authority(site.folder, "foreign")
        assert asked(served, site.client("stranger", by=foreign)) == b""


def test_a_client_may_have_no_certificate_but_no_wrong_one(site: Site) -> None:
    """VerifyClientCertIfGiven."""
    tls = {**MUTUAL, "client_auth_type": "VerifyClientCertIfGiven"}
    with Served(live=site.live(tls_server_config=tls)) as served:
        assert asked(served, site.client()).startswith(OK)
        foreign = Authority(site.folder, "foreign")
        assert asked(served, site.client("stranger", by=foreign)) == b""


@pytest.mark.parametrize(
    ("also", "admitted"),
    [
        ("DNS:prometheus", True),
        ("DNS:other,DNS:prometheus", True),
        ("IP:10.0.0.7", True),
        ("URI:spiffe://here/prometheus", True),
        ("email:prometheus@example.org", True),
        ("DNS:prometheus.example.org", False),
        ("DNS:*", False),
        ("IP:10.0.0.8", False),
    ],
)
def test_a_certificate_must_have_one_of_the_names(also: str, admitted: bool, site: Site) -> None:  # noqa: FBT001 - a parameter of the test
    """Of any kind, letter for letter."""
    sans = ["prometheus", "10.0.0.7", "spiffe://here/prometheus", "prometheus@example.org"]
    live = site.live(tls_server_config={**MUTUAL, "client_allowed_sans": sans})
    with Served(live=live) as served:
        assert asked(served, site.client("prometheus", also)).startswith(OK) is admitted
        assert served.turned_away("certificate") == (0 if admitted else 1)


@pytest.mark.parametrize(
    ("given", "version"),
    [
        ({}, "TLSv1.3"),
        ({"max_version": "TLS12"}, "TLSv1.2"),
        ({"min_version": "TLS13"}, None),
    ],
)
def test_the_versions_are_those_of_the_file(
    given: dict[str, str], version: str | None, site: Site
) -> None:
    """A client that speaks TLS 1.2 alone is refused where 1.3 is the least."""
    context = site.client()
    if version is None:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    with Served(live=site.live(tls_server_config={**TLS, **given})) as served:
        if version is None:
            assert asked(served, context) == b""
        else:
            with secured(served, context) as client:
                assert client.version() == version


def test_a_renewed_certificate_is_shown_without_a_restart(site: Site) -> None:
    """The next connection gets it, and one that was open ends, so that nobody stays on the old."""
    with Served(live=site.live(tls_server_config=TLS)) as served:
        context = site.client()
        with secured(served, context) as kept:
            before = kept.getpeercert(binary_form=True)
            assert answer(kept).startswith(OK)

            site.authority.sign("server")

            assert ended(kept) == b""

        def renewed() -> bool:
            with secured(served, context) as client:
                return client.getpeercert(binary_form=True) != before

        until(renewed, what="the new certificate")


def test_a_certificate_that_is_no_longer_believed_is_out(site: Site) -> None:
    """Another authority in the same file: who was connected by the old one is disconnected."""
    believed = site.folder / "clients.pem"
    believed.write_bytes(site.authority.certificate.read_bytes())
    another = Authority(site.folder, "another")
    context = site.client("prometheus")
    live = site.live(tls_server_config={**MUTUAL, "client_ca_file": "clients.pem"})
    with Served(live=live) as served, secured(served, context) as kept:
        assert answer(kept).startswith(OK)

        believed.write_bytes(another.certificate.read_bytes())

        assert ended(kept) == b""
        assert asked(served, context) == b""
        assert asked(served, site.client("new", by=another)).startswith(OK)


def test_a_broken_certificate_changes_nothing(site: Site) -> None:
    """What was served goes on being served, and the problem is known."""
    live = site.live(tls_server_config=TLS)
    with Served(live=live) as served:
        (site.folder / "server.pem").write_text("nonsense")

        until(lambda: live.problem, what="the problem")

        assert asked(served, site.client()).startswith(OK)


def test_a_handshake_that_does_not_come_ends(site: Site) -> None:
    """Silence, and half a greeting; others are served all the while."""
    limits = replace(PATIENT, handshake_seconds=0.3)
    live, context = site.live(tls_server_config=TLS), site.client()
    told: list[bytes] = []  # to somebody who is quick, at each try: a busy machine makes him late

    def is_served() -> bool:
        told.append(asked(served, context))
        return told[-1].startswith(OK)

    with Served(limits, live) as served, served.connect() as silent, served.connect() as half:
        half.sendall(b"\x16\x03\x01\x02\x00\x01\x00")

        until(is_served, what="an answer to somebody else")

        for each in (silent, half):
            assert b"HTTP" not in ended(each)
        turned_away = 2 + len(told) - 1
        until(lambda: served.turned_away("handshake_failed") == turned_away, what="both counted")


def test_a_password_is_asked_for_on_every_path(site: Site) -> None:
    """Also where there is nothing, so that nobody learns what there is."""
    users = {"ann": bcrypt.hashpw(b"one", bcrypt.gensalt(4)).decode()}
    with Served(live=site.live(basic_auth_users=users)) as served:
        for path in ("/", "/nothing", "/static/x"):
            refused = httpx.get(served.address + path, timeout=30)
            assert (refused.status_code, refused.text) == (401, "Unauthorized.\n")
            assert refused.headers["www-authenticate"] == 'Basic realm="lagmon", charset="UTF-8"'
            assert refused.headers["content-security-policy"].startswith("default-src 'none'")
        assert httpx.get(served.address, auth=("ann", "one"), timeout=30).text == "page"
        assert httpx.get(served.address, auth=("ann", "two"), timeout=30).status_code == 401


def test_two_passwords_are_none(site: Site) -> None:
    """Which of two headers counts is not left to chance."""
    users = {"ann": bcrypt.hashpw(b"one", bcrypt.gensalt(4)).decode()}
    with Served(live=site.live(basic_auth_users=users)) as served:
        right = httpx.BasicAuth("ann", "one")._auth_header
        headers = [("Authorization", right), ("Authorization", right)]

        assert httpx.get(served.address, headers=headers, timeout=30).status_code == 401


def test_the_headers_of_the_file_are_sent_with_each_answer(site: Site) -> None:
    """With refusals, too; one that is set replaces ours."""
    headers = {"X-Frame-Options": "deny", "Content-Security-Policy": "default-src 'self'"}
    users = {"ann": bcrypt.hashpw(b"one", bcrypt.gensalt(4)).decode()}
    live = site.live(http_server_config={"headers": headers}, basic_auth_users=users)
    with Served(live=live) as served:
        for auth in (None, ("ann", "one")):
            answered = httpx.get(served.address, auth=auth, timeout=30)
            assert {name: answered.headers[name] for name in headers} == headers
