"""The table of other exporters' metrics: it says what they print, and is read as it is asked."""

from __future__ import annotations

import os
import re
import ssl
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.deploy.exported import exported, exporters, ours, unknown
from tests.deploy.files import services
from tests.infra.certificates import Authority
from tests.infra.ports import free_port
from tests.infra.process import Service
from tests.infra.require import need
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.infra.postgres import Postgres

ANSWER_SECONDS = 30
SERIES = re.compile(r"^(\w+)(?:\{(.*)\})? ", re.MULTILINE)


def printed(page: str) -> dict[str, set[str]]:
    """Give the metrics on *page* with the labels that any of their series has."""
    found: dict[str, set[str]] = {}
    for name, labels in SERIES.findall(page):
        found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    return found


def asked(
    program: str, path: str, *options: str, well: str, env: Mapping[str, str] | None = None
) -> str:
    """Start the exporter *program*; give what it answers to *path* as soon as it says *well*."""
    binary = need(program, f"apt-get install {program}")
    address = f"127.0.0.1:{free_port()}"
    command = [binary, f"--web.listen-address={address}", *options]
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    scheme = "https" if any("web.config" in option for option in options) else "http"

    def answer() -> str | None:
        try:
            page = client.get(f"{scheme}://{address}{path.format(address=address)}").text
        except httpx.TransportError:
            return None
        return page if f"\n{well}" in page else None

    with (
        httpx.Client(verify=anybody, timeout=ANSWER_SECONDS) as client,
        Service(command, env={**os.environ, **(env or {})}, name=program),
    ):
        return until(answer, what=f"{program} to answer")


@pytest.fixture(scope="module")
def node() -> str:
    """Give the page of a real node exporter."""
    return asked("prometheus-node-exporter", "/metrics", well="node_uname_info{")


@pytest.fixture(scope="module")
def postgres_page(postgres: Postgres) -> str:
    """Give the page of a real exporter that is connected to a real PostgreSQL."""
    source = f"{postgres.url}?sslmode=disable"
    return asked(
        "prometheus-postgres-exporter",
        "/metrics",
        well="pg_up 1",
        env={"DATA_SOURCE_NAME": source},
    )


@pytest.fixture(scope="module")
def blackbox(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give the page of a real blackbox exporter that was asked to probe itself by TLS."""
    folder: Path = tmp_path_factory.mktemp("blackbox")
    key, certificate = Authority(folder).sign("blackbox")
    serving, modules = folder / "web.yml", folder / "modules.yml"
    serving.write_text(f"tls_server_config: {{cert_file: {certificate}, key_file: {key}}}")
    modules.write_text(
        "modules: {http: {prober: http, http: {tls_config: {insecure_skip_verify: true}}}}"
    )
    return asked(
        "prometheus-blackbox-exporter",
        "/probe?module=http&target=https://{address}/",
        f"--web.config.file={serving}",
        f"--config.file={modules}",
        well="probe_success 1",
    )


@pytest.mark.parametrize(
    ("exporter", "page"),
    [("node", "node"), ("postgres", "postgres_page"), ("blackbox", "blackbox")],
)
def test_an_exporter_prints_what_the_table_says(
    exporter: str, page: str, request: pytest.FixtureRequest
) -> None:
    """Each metric in the table of an exporter is on its real page, with those labels."""
    wanted = {name: set(labels) for name, labels in exporters()[exporter].items()}

    found = printed(request.getfixturevalue(page))

    assert {name: found.get(name) for name in wanted} == wanted


def test_nothing_is_exported_by_two() -> None:
    """A name in the table belongs to one exporter, and to none of our services."""
    names = [name for metrics in exporters().values() for name in metrics]

    assert len(names) == len(set(names))
    assert not set(names) & ours().keys()


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ('rate(consumers_http_requests_total{status=~"5.."}[5m]) / up', set()),
        ("sum by (le) (rate(consumers_end_to_end_seconds_bucket[5m]))", set()),
        ("rate(consumers_end_to_end_seconds[5m])", {"consumers_end_to_end_seconds"}),
        ("consumers_records", {"consumers_records"}),
        ("lagmon:group_alive == 1 and lagmon_group_stat", {"lagmon_group_stat"}),
        ("node_load1 > bool 3 unless on (instance) node_load2", {"node_load2"}),
    ],
)
def test_a_name_that_nobody_exports_is_found(expression: str, wrong: set[str]) -> None:
    """A histogram is asked for by its parts, a counter with its ending; recorded names count."""
    assert unknown(expression) == wrong


def test_a_bucket_has_its_bound() -> None:
    """The labels of a histogram's buckets are its own and `le`; its sum has none of that."""
    name = "consumers_http_request_duration_seconds"

    assert exported()[f"{name}_bucket"] == {"method", "route", "le"}
    assert exported()[f"{name}_sum"] == {"method", "route"}


def test_no_trace_id_becomes_a_label() -> None:
    """The exporter of Postgres that ships leaves out what it labels with application_name.

    In a transaction that is service and trace id: each would be a series for five weeks.
    """
    command = services()["postgres-exporter"]["command"]

    assert "--no-collector.stat_activity" in command
    assert not {name for name in exported() if name.startswith("pg_stat_activity")}
