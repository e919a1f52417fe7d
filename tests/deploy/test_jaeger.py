"""Jaeger's configuration holds together: Jaeger itself, which would check it, is not at hand."""

from __future__ import annotations

from tests.deploy.files import DEPLOY, listening, read, services

CONFIG = read(DEPLOY / "jaeger/config.yaml")
PIPELINE = CONFIG["service"]["pipelines"]["traces"]


def port(endpoint: str) -> int:
    """Give the port of *endpoint*, which must be open to the other containers."""
    host, number = endpoint.rsplit(":", 1)
    assert host == "0.0.0.0"
    return int(number)


def test_what_is_used_is_configured_and_the_reverse() -> None:
    """Each part that the service names has its section, and no section is left over."""
    for kind in ("receivers", "processors", "exporters"):
        assert set(PIPELINE[kind]) == CONFIG[kind].keys()
    assert set(CONFIG["service"]["extensions"]) == CONFIG["extensions"].keys()


def test_what_is_written_can_be_read() -> None:
    """Traces are written to the storage that the query side shows."""
    stores = CONFIG["extensions"]["jaeger_storage"]["backends"].keys()
    written = CONFIG["exporters"]["jaeger_storage_exporter"]["trace_storage"]
    shown = CONFIG["extensions"]["jaeger_query"]["storage"]["traces"]

    assert {written, shown} == stores


def test_it_listens_where_it_is_asked() -> None:
    """OTLP and the pages are on the published ports, health where the health check asks."""
    otlp = CONFIG["receivers"]["otlp"]["protocols"]["http"]["endpoint"]
    pages = CONFIG["extensions"]["jaeger_query"]["http"]["endpoint"]
    health = CONFIG["extensions"]["healthcheckv2"]["http"]["endpoint"]
    jaeger = services()["jaeger"]

    assert {port(otlp), port(pages)} == set(listening(jaeger))
    assert f":{port(health)}/" in jaeger["healthcheck"]["test"][-1]
