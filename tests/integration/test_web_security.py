"""A real lagmon behind TLS and a password, scraped by a real Prometheus, and under bad manners."""

from __future__ import annotations

import socket
import ssl
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import bcrypt
import httpx
import pytest
import yaml

from tests.infra import plain_http
from tests.infra.certificates import Authority
from tests.infra.ports import free_port
from tests.infra.process import Service
from tests.infra.product import Product, address
from tests.infra.require import program
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOBODY = "127.0.0.1:1"  # a Kafka that is not there: the pages are served all the same
PASSWORD = "hunter2"
SLOW, IDLE = 50, 500
SCRAPED_SECONDS = 60
STOP_SECONDS = 30  # the grace that Kubernetes gives


class Site:
    """Certificates, and the web configuration file of a lagmon that asks for all it can."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder)
        self.authority.sign("server")
        self.key, self.certificate = self.authority.sign("prometheus", "DNS:prometheus")
        self.file = folder / "web.yml"
        hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        self.content: dict[str, Any] = {
            "tls_server_config": {
                "cert_file": "server.pem",
                "key_file": "server.key",
                "client_ca_file": "authority.pem",
                "client_auth_type": "RequireAndVerifyClientCert",
                "client_allowed_sans": ["prometheus"],
            },
            "basic_auth_users": {"prometheus": hashed},
        }
        self.file.write_text(yaml.safe_dump(self.content))

    def part(self, name: str, content: dict[str, Any]) -> Path:
        """Write another web configuration file that has *content* alone."""
        path = self.folder / name
        path.write_text(yaml.safe_dump(content))
        return path

    def client(self) -> httpx.Client:
        """Give a client that is let in."""
        context = ssl.create_default_context(cafile=str(self.authority.certificate))
        context.load_cert_chain(self.certificate, self.key)
        return httpx.Client(verify=context, auth=("prometheus", PASSWORD), timeout=60)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Give a site of its own."""
    return Site(tmp_path)


@pytest.fixture
def product() -> Iterator[Product]:
    """Give the product without a Kafka."""
    with Product(kafka=NOBODY) as made:
        yield made


def secured(product: Product, file: Path) -> Service:
    """Start lagmon with the web configuration *file*; the next one has the same settings file."""
    web = {"host": "127.0.0.1", "port": 0, "config_file": str(file)}
    lagmon = product.lagmon(web=web, poll_interval="500ms")
    address(lagmon)
    return lagmon


def job(lagmon: Service, name: str, password: str = "", **tls: Any) -> dict[str, Any]:
    """Have *lagmon* scraped as job *name*, with *password* and the files of *tls*, if any."""
    to = urlsplit(address(lagmon))
    credentials = {"basic_auth": {"username": "prometheus", "password": password}}
    return {
        "job_name": name,
        "scheme": to.scheme,
        "static_configs": [{"targets": [to.netloc]}],
        **({"tls_config": tls} if tls else {}),
        **(credentials if password else {}),
    }


def scraped(jobs: list[dict[str, Any]], folder: Path, wanted: dict[str, str]) -> dict[str, str]:
    """Have a real Prometheus scrape *jobs*; give the ``up`` of each, *wanted* is waited for."""
    binary = program("prometheus", "install the Debian package prometheus")
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump({"global": {"scrape_interval": "1s"}, "scrape_configs": jobs}))
    where = f"127.0.0.1:{free_port()}"
    command = [
        binary,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={where}",
    ]

    def seen() -> dict[str, str]:
        try:
            asked = plain_http.get(
                f"http://{where}/api/v1/query", params={"query": "up"}, timeout=30
            )
            found = asked.raise_for_status().json()["data"]["result"]
        except httpx.HTTPError:
            return {}
        return {one["metric"]["job"]: one["value"][1] for one in found}

    found: list[dict[str, str]] = []

    def as_wanted() -> bool:
        found.append(seen())
        return found[-1] == wanted

    with Service(command, name="prometheus"):
        # One scrape may be late on a busy machine, and is down then.
        with suppress(TimeoutError):
            until(as_wanted, timeout=SCRAPED_SECONDS, what="all jobs")
        return found[-1]


def test_prometheus_scrapes_by_certificate_and_password(
    site: Site, product: Product, tmp_path: Path
) -> None:
    """It is up with both, and down with a wrong password, or without the certificate."""
    lagmon = secured(product, site.file)
    trust = {"ca_file": str(site.authority.certificate)}
    mutual = {**trust, "cert_file": str(site.certificate), "key_file": str(site.key)}
    jobs = [
        job(lagmon, "right", PASSWORD, **mutual),
        job(lagmon, "wrong", "hunter3", **mutual),
        job(lagmon, "bare", PASSWORD, **trust),
    ]

    wanted = {"right": "1", "wrong": "0", "bare": "0"}
    assert scraped(jobs, tmp_path, wanted) == wanted


def test_prometheus_scrapes_by_tls_alone_and_by_password_alone(
    site: Site, product: Product, tmp_path: Path
) -> None:
    """By TLS it is up if it knows the authority, by plain HTTP if it has the password."""
    tls = {name: site.content["tls_server_config"][name] for name in ("cert_file", "key_file")}
    users = site.content["basic_auth_users"]
    by_tls = secured(product, site.part("tls.yml", {"tls_server_config": tls}))
    by_password = secured(product, site.part("users.yml", {"basic_auth_users": users}))
    jobs = [
        job(by_tls, "known", ca_file=str(site.authority.certificate)),
        job(by_tls, "unknown", server_name="127.0.0.1"),
        job(by_password, "right", PASSWORD),
        job(by_password, "wrong", "hunter3"),
        job(by_password, "none"),
    ]

    wanted = {"known": "1", "unknown": "0", "right": "1", "wrong": "0", "none": "0"}
    assert scraped(jobs, tmp_path, wanted) == wanted


def test_a_certificate_is_renewed_without_a_restart(site: Site, product: Product) -> None:
    """The log says that the file was read, and the page goes on being served."""
    lagmon = secured(product, site.file)
    url = address(lagmon)

    site.authority.sign("server")

    lagmon.wait_for_log("web_config_read", timeout=60)
    with site.client() as client:
        assert client.get(url).status_code == 200


def test_a_broken_file_keeps_the_page_up_and_says_so_once(site: Site, product: Product) -> None:
    """The old password goes on working, and no secret is in any line."""
    lagmon = secured(product, site.file)
    url = address(lagmon)

    site.file.write_text(yaml.safe_dump({"basic_auth_users": {"prometheus": PASSWORD}}))

    said = lagmon.wait_for_log("web_config_not_read", timeout=60)
    assert "is no bcrypt hash" in said["why"]
    with site.client() as client:
        assert client.get(url).status_code == 200
    lines = "\n".join([*lagmon.lines(), *lagmon.errors()])
    assert PASSWORD not in lines
    assert str(site.content["basic_auth_users"]["prometheus"]) not in lines


def connected(url: str, count: int, stack: ExitStack) -> list[socket.socket]:
    """Open *count* connections to *url*."""
    to = urlsplit(url)
    where = (str(to.hostname), to.port or 0)
    return [stack.enter_context(socket.create_connection(where, 60)) for _ in range(count)]


def test_no_secret_is_in_any_output(product: Product, tmp_path: Path) -> None:
    """Whatever lagmon was given to show to others: no page, answer, metric or line has it."""
    secret = "hunter2-of-nobody-else"
    held = tmp_path / "secret"
    held.write_text(secret)
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    protected = tmp_path / "web.yml"
    protected.write_text(yaml.safe_dump({"basic_auth_users": {"ada": hashed}}))
    nobody = f"127.0.0.1:{free_port()}"
    lagmon = product.lagmon(
        cluster={
            "client": {
                "security.protocol": "SASL_PLAINTEXT",
                "sasl.mechanism": "PLAIN",
                "sasl.username": "ada",
                "sasl.password": secret,
            },
        },
        alertmanagers=[{"url": f"http://ada:{secret}@{nobody}"}],
        webhooks=[
            {"url": f"http://{nobody}/in", "secret_file": str(held), "bearer_token_file": str(held)}
        ],
        pagerduty={"url": f"http://{nobody}/v2", "routing_key_file": str(held)},
        web={"host": "127.0.0.1", "port": 0, "config_file": str(protected)},
        rules={"KafkaClusterBlind": {"for": "0s"}},
        poll_interval="500ms",
        log_level="DEBUG",
    )
    url = address(lagmon)
    lagmon.wait_for_log("incident_opened", timeout=60)
    lagmon.wait_for_log("notifier_failed", timeout=60)

    paths = ["/", "/group?name=x", "/metrics", "/-/ready", "/api/v1/openapi.json"]
    paths += [f"/api/v1/{each}" for each in ("clusters", "groups", "groups/x", "incidents")]
    with httpx.Client(base_url=url, auth=("ada", PASSWORD), timeout=60) as client:
        said = [client.get(path).text for path in (*paths, "/api/v1/record/x/0")]
    said.append(plain_http.get(url, auth=("ada", "wrong-password"), timeout=30).text)
    lagmon.stop()
    said += [*lagmon.lines(), *lagmon.errors()]

    whole = "\n".join(said)
    assert "KafkaClusterBlind" in whole
    for each in (secret, PASSWORD, hashed, "wrong-password"):
        assert each not in whole


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_slow_and_idle_connections_keep_nobody_out(
    secure: bool,  # noqa: FBT001 - a parameter of the test
    site: Site,
    product: Product,
) -> None:
    """With 500 idle and 50 slow ones open the page and the metrics are answered."""
    lagmon = secured(product, site.file) if secure else product.lagmon(poll_interval="500ms")
    url = address(lagmon)
    with ExitStack() as stack, site.client() as client:
        connected(url, IDLE, stack)
        slow = connected(url, SLOW, stack)
        for each in slow:
            each.sendall(b"\x16\x03\x01\x02\x00\x01" if secure else b"GET / HTTP/1.1\r\nHost: ")

        for path in ("/", "/metrics", "/-/healthy") * 5:
            assert client.get(url + path).status_code == 200

        assert lagmon.running


def test_it_stops_in_time_with_connections_open(product: Product) -> None:
    """Idle, slow, and kept ones, and a stream of events: the exit code is 0 in time."""
    lagmon = product.lagmon(poll_interval="500ms")
    url = address(lagmon)
    with ExitStack() as stack, httpx.Client(timeout=30) as client:
        connected(url, 20, stack)
        for each in connected(url, 20, stack):
            each.sendall(b"GET / HTTP/1.1\r\nHost: ")
        assert client.get(url).status_code == 200
        (stream,) = connected(url, 1, stack)
        stream.sendall(b"GET /events HTTP/1.1\r\nHost: lagmon\r\n\r\n")
        assert stream.recv(100).startswith(b"HTTP/1.1 200 OK")

        assert lagmon.stop(STOP_SECONDS) == 0
