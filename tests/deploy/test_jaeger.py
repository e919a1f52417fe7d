"""Jaeger's configuration holds together, and fits the service. Jaeger itself may not be at hand."""

from __future__ import annotations

import json

from tests.deploy.files import COMPOSE, DEPLOY, ROOT, listening, read, services

CONFIG = read(DEPLOY / "jaeger/config.yaml")
PIPELINE = CONFIG["service"]["pipelines"]["traces"]
METRICS = CONFIG["service"]["telemetry"]["metrics"]["readers"][0]["pull"]["exporter"]["prometheus"]


def endpoints(value: object) -> set[int]:
    """Give the port of each endpoint inside *value*, which must be open to the other containers."""
    if not isinstance(value, dict):
        return set()
    found = set().union(*map(endpoints, value.values()))
    if address := value.get("endpoint"):
        host, number = address.rsplit(":", 1)
        assert host == "0.0.0.0"
        found.add(int(number))
    return found


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
    """Spans, pages, sampling and its own metrics are on the ports that the service opens."""
    health = endpoints(CONFIG["extensions"]["healthcheckv2"])
    jaeger = services()["jaeger"]

    assert endpoints(CONFIG) - health | {METRICS["port"]} == set(listening(jaeger))
    (asked,) = health
    assert f":{asked}/" in jaeger["healthcheck"]["test"][-1]


def test_its_own_metrics_can_be_scraped() -> None:
    """Other containers reach its metrics, at the port that Prometheus asks."""
    scraped = read(DEPLOY / "prometheus/prometheus.yml")["scrape_configs"]
    (job,) = [job for job in scraped if job["job_name"] == "jaeger"]

    assert METRICS["host"] == "0.0.0.0"
    assert job["static_configs"] == [{"targets": [f"jaeger:{METRICS['port']}"]}]


def test_traces_are_kept_on_the_volume_for_some_days() -> None:
    """What is stored lies where the volume is mounted, outlives a restart, and expires."""
    (store,) = CONFIG["extensions"]["jaeger_storage"]["backends"].values()
    badger = store["badger"]
    (volume,) = services()["jaeger"]["volumes"]

    folder = volume.split(":")[1]
    assert badger["ephemeral"] is False
    assert all(path.startswith(f"{folder}/") for path in badger["directories"].values())
    assert badger["ttl"]["spans"] == "72h"


def test_the_sampling_file_is_the_one_that_is_mounted() -> None:
    """Whoever asks how much to sample gets an answer for each of our services, all of it here."""
    file = CONFIG["extensions"]["remote_sampling"]["file"]["path"]
    mounted = {each["target"]: each["source"] for each in services()["jaeger"]["configs"]}
    source = read(COMPOSE)["configs"][mounted[file]]["file"]

    strategies = json.loads((ROOT / source).read_text())

    known = {each["service"] for each in strategies["service_strategies"]}
    shares = [each["param"] for each in strategies["service_strategies"]]
    assert known == {"game-api", "game-consumer"}
    assert [strategies["default_strategy"]["param"], *shares] == [1, 1, 1]
