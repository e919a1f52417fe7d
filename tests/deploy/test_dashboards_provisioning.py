"""Grafana's data sources: where they lead, and how one thing leads to the next."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from opentelemetry import trace

from propagation.integrations.postgres import transaction
from tests.deploy.alloy import parse
from tests.deploy.dashboards import GRAFANA, dashboards, panels
from tests.deploy.exported import unknown
from tests.deploy.files import DEPLOY, listening, read, services
from tests.infra.postgres_settings import SETTINGS
from tests.infra.require import need

if TYPE_CHECKING:
    from pathlib import Path

    from tests.infra.postgres import Postgres

SOURCES = GRAFANA / "provisioning/datasources/lagmon.yml"
PROVIDERS = GRAFANA / "provisioning/dashboards/lagmon.yml"
PROMETHEUS = DEPLOY / "prometheus/prometheus.yml"
TYPES = {"prometheus", "loki", "jaeger", "alertmanager"}


def sources() -> dict[str, dict[str, Any]]:
    """Give the provisioned data sources by uid."""
    return {each["uid"]: each for each in read(SOURCES)["datasources"]}


def named(value: Any) -> set[str]:
    """Give every uid of a data source that is named anywhere in *value*."""
    if isinstance(value, list):
        return {uid for each in value for uid in named(each)}
    if not isinstance(value, dict):
        return set()
    own = {each for key, each in value.items() if key in {"datasourceUid", "alertmanagerUid"}}
    return own | {uid for each in value.values() for uid in named(each)}


def test_the_sources_have_fixed_names() -> None:
    """There are four sources, each under the uid of its type, which nobody can change by hand."""
    assert {uid: each["type"] for uid, each in sources().items()} == {each: each for each in TYPES}
    assert not any(each["editable"] for each in sources().values())
    assert [uid for uid, each in sources().items() if each.get("isDefault")] == ["prometheus"]


@pytest.mark.parametrize("uid", sorted(TYPES))
def test_a_source_leads_to_a_service(uid: str) -> None:
    """The address of a source is a service of the stack, at a port on which it listens."""
    name, _, port = sources()[uid]["url"].removeprefix("http://").partition(":")

    assert int(port) in listening(services()[name])


def test_what_leads_on_leads_to_a_source() -> None:
    """Each source that a dashboard or another source names is provisioned."""
    fixed = {
        part["datasource"]["uid"]
        for dashboard in dashboards().values()
        for panel in panels(dashboard)
        for part in (panel, *panel.get("targets", []))
        if "datasource" in part
    }

    assert fixed - {"${datasource}"} <= TYPES
    assert named(read(SOURCES)) == TYPES


def test_a_rate_is_over_enough_scrapes() -> None:
    """Grafana knows how often Prometheus scrapes: its rate interval is made from that."""
    interval = sources()["prometheus"]["jsonData"]["timeInterval"]

    assert interval == read(PROMETHEUS)["global"]["scrape_interval"]


def test_a_bucket_leads_to_its_trace() -> None:
    """An exemplar of Prometheus, which keeps them, leads to Jaeger by the label that it has."""
    (leading,) = sources()["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]

    assert leading["name"] == "trace_id"
    assert leading["datasourceUid"] == "jaeger"
    assert "--enable-feature=exemplar-storage" in services()["prometheus"]["command"]


def test_a_line_leads_to_its_trace_by_its_metadata() -> None:
    """A log line with the metadata trace_id leads to that trace in Jaeger."""
    (by_label,) = sources()["loki"]["jsonData"]["derivedFields"]

    assert by_label["matcherType"] == "label"
    # Grafana takes one `$` for a variable of its environment.
    assert by_label["matcherRegex"] == "^trace_id$$"
    assert by_label["url"] == "$${__value.raw}"


def test_a_line_of_postgres_leads_to_its_trace(postgres: Postgres, database: str) -> None:
    """Alloy finds the metadata trace_id in a line that a real server wrote in our transaction.

    Its lines begin as those of the stack's server do.
    """
    alloy = parse((DEPLOY / "alloy/config.alloy").read_text())
    (lines,) = alloy.all("loki.process")
    (finding,) = [
        each.attributes["expression"]
        for each in lines.all("stage.regex")
        if "?P<trace_id>" in each.attributes["expression"]
    ]
    context = trace.SpanContext(0xABC << 100, 1, is_remote=False)
    with (
        psycopg.connect(database) as connection,
        trace.use_span(trace.NonRecordingSpan(context)),
        transaction(connection, "game-consumer"),
    ):
        connection.execute("SELECT 'looked for'")

    written = [line for line in postgres.log_text().splitlines() if "looked for" in line]
    found = {match["trace_id"] for line in written for match in re.finditer(finding, line)}
    assert found == {f"{0xABC << 100:032x}"}
    prefix = f"log_line_prefix={SETTINGS['log_line_prefix']}"
    assert prefix in services()["postgres"]["command"]


def test_a_span_leads_to_what_prometheus_knows(tmp_path: Path) -> None:
    """The queries that a span leads to are PromQL, on metrics that our services export.

    A span's service is the job of its metrics.
    """
    leading = sources()["jaeger"]["jsonData"]["tracesToMetrics"]
    (tag,) = leading["tags"]
    jobs = {job["job_name"] for job in read(PROMETHEUS)["scrape_configs"]}
    asked = [each["query"].replace("$$__tags", 'job="game-api"') for each in leading["queries"]]
    rules = [{"record": f"a:{n}", "expr": each} for n, each in enumerate(asked)]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "a", "rules": rules}]}))

    promtool = need("promtool", "apt-get install prometheus")
    subprocess.run([promtool, "check", "rules", tmp_path / "rules.yml"], check=True)

    assert not {name for each in asked for name in unknown(each)}
    assert tag == {"key": "service.name", "value": "job"}
    assert {"game-api", "game-consumer"} <= jobs


def test_a_span_leads_to_its_lines() -> None:
    """The lines of a trace are asked for as the dashboard of one trace asks for them."""
    leading = sources()["jaeger"]["jsonData"]["tracesToLogsV2"]
    (lines,) = [p for p in panels(dashboards()["lagmon-trace"]) if p["type"] == "logs"]

    asked = leading["query"].replace("$${__trace.traceId}", "${trace_id}")

    assert asked == lines["targets"][0]["expr"]


def test_the_dashboards_are_where_grafana_looks() -> None:
    """Grafana reads the folders that the stack mounts; nothing is saved over them or deleted."""
    (provider,) = read(PROVIDERS)["providers"]
    mounted = {each["source"]: each["target"] for each in mounts() if each["type"] == "bind"}

    assert provider["options"]["path"] == mounted["./deploy/grafana/dashboards"]
    assert mounted["./deploy/grafana/provisioning"] == "/etc/grafana/provisioning"
    assert provider["allowUiUpdates"] is False
    assert provider["disableDeletion"] is True


def mounts() -> list[dict[str, str]]:
    """Give what is mounted into Grafana and is no volume of its own."""
    return [each for each in services()["grafana"]["volumes"] if isinstance(each, dict)]
