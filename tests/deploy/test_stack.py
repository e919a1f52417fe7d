"""The services of the stack and what refers to them: Prometheus, Grafana, profiles, the page."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.deploy.files import COMPOSE, DEPLOY, ROOT, listening, published, read, services

PROMETHEUS = read(DEPLOY / "prometheus/prometheus.yml")
JOBS = {job["job_name"]: job for job in PROMETHEUS["scrape_configs"]}
PROBED = ("blackbox-http", "blackbox-tls")
PAGE = (ROOT / "docs/reference/stack.md").read_text()
FULL = "full"


def profile(service: dict[str, Any]) -> str:
    """Give the profile of *service*: without one it is the core's."""
    return " ".join(service.get("profiles", ["core"]))


def keeps_running(service: dict[str, Any]) -> bool:
    """Tell whether *service* is there to stay."""
    return bool(service["restart"] != "no")


def targets(job: dict[str, Any]) -> list[str]:
    """Give what *job* asks, as HOST:PORT or URL."""
    fixed = [each for group in job.get("static_configs", []) for each in group["targets"]]
    named = [
        f"{name}:{group['port']}"
        for group in job.get("dns_sd_configs", [])
        for name in group["names"]
    ]
    return fixed + named


def is_served(address: str) -> bool:
    """Tell whether a service listens on *address*, ``NAME:PORT``."""
    name, port = address.split(":")
    return name in services() and int(port) in listening(services()[name])


def test_the_core_needs_nothing_of_the_rest() -> None:
    """No service of the core waits for one of the profile full, which is not there without it."""
    for name, service in services().items():
        if profile(service) == "core":
            needed = {profile(services()[each]) for each in service.get("depends_on", {})}
            assert needed <= {"core"}, name


def test_there_is_one_profile_beside_the_core() -> None:
    """Whoever asks for `full` gets everything."""
    assert {profile(service) for service in services().values()} == {"core", FULL}


def test_a_target_is_a_service_that_listens_there() -> None:
    """Prometheus asks each service where it listens, and each URL that is probed is one of ours."""
    asked = {name: targets(job) for name, job in JOBS.items()}
    own = asked.pop("prometheus")
    probed = [re.sub(r"^https?://|/.*", "", each) for name in PROBED for each in asked.pop(name)]

    unserved = [each for found in asked.values() for each in found if not is_served(each)]

    assert not unserved
    assert own == ["localhost:9090"]
    assert 9090 in listening(services()["prometheus"])
    assert len(probed) > 5
    assert all(map(is_served, probed))


def test_every_service_that_counts_is_scraped() -> None:
    """What keeps running is asked for its metrics; for Postgres its exporter answers."""
    asked = {
        each.split(":")[0] for name in JOBS if name not in PROBED for each in targets(JOBS[name])
    }
    answered_for = {"postgres", "prometheus", "blackbox-exporter"}

    running = {name for name, service in services().items() if keeps_running(service)}

    assert running - asked == answered_for


@pytest.mark.parametrize("name", PROBED)
def test_a_probe_goes_through_the_exporter(name: str) -> None:
    """The exporter is asked, by a module that it has, and `instance` is whom it asks in turn."""
    job = JOBS[name]
    steps = [(each.get("source_labels"), each["target_label"]) for each in job["relabel_configs"]]
    through = job["relabel_configs"][-1]["replacement"]

    assert steps == [
        (["__address__"], "__param_target"),
        (["__param_target"], "instance"),
        (None, "__address__"),
    ]
    assert is_served(through)
    assert through.startswith("blackbox-exporter:")
    (module,) = job["params"]["module"]
    assert module in read(DEPLOY / "blackbox/blackbox.yml")["modules"]


def test_certificates_come_from_a_file_that_is_there() -> None:
    """Addresses are added without touching the configuration: in a file that lies beside it."""
    (source,) = JOBS["blackbox-tls"]["file_sd_configs"]
    (file,) = source["files"]

    assert (DEPLOY / "prometheus" / file).exists()
    assert not file.startswith("/")


def test_every_rule_asks_for_a_job_that_there_is() -> None:
    """A rule about a job that nobody scrapes would be silent, or fire, for ever."""
    rules = "".join(path.read_text() for path in (DEPLOY / "prometheus/rules").glob("*.yml"))

    assert set(re.findall(r'\bjob="([\w-]+)"', rules)) <= JOBS.keys()


def test_grafanas_sources_are_services() -> None:
    """Each data source leads to a port that a service listens on, with one of the fixed ids."""
    (file,) = (DEPLOY / "grafana/provisioning/datasources").glob("*.yml")
    sources = read(file)["datasources"]

    assert all(is_served(source["url"].removeprefix("http://")) for source in sources)
    assert {source["uid"] for source in sources} == {"prometheus", "loki", "jaeger", "alertmanager"}


def test_grafana_finds_its_dashboards_where_they_are_mounted() -> None:
    """The folder of the provider is the one that the dashboards are mounted on."""
    (file,) = (DEPLOY / "grafana/provisioning/dashboards").glob("*.yml")
    mounted = {
        entry["target"]: entry["source"]
        for entry in services()["grafana"]["volumes"]
        if isinstance(entry, dict)
    }

    (provider,) = read(file)["providers"]

    assert mounted[provider["options"]["path"]] == "./deploy/grafana/dashboards"
    assert mounted["/etc/grafana/provisioning"] == "./deploy/grafana/provisioning"


def test_grafana_runs_what_its_image_holds() -> None:
    """Nothing is fetched at the start, which a read-only root refuses; its memory has a bound."""
    grafana = services()["grafana"]
    environment = grafana["environment"]

    assert grafana["read_only"]
    assert environment["GF_PLUGINS_PREINSTALL_DISABLED"] == "true"
    assert int(environment["GOMEMLIMIT"].removesuffix("MiB")) < megabytes(grafana)


def test_one_image_has_one_tag() -> None:
    """Wherever in the tree an image is named, it is the same release."""
    files = [
        path
        for folder in ("deploy", "docs", "tests/infra")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".yml", ".yaml", ".md", ".py", ".tpl"} and path.is_file()
    ]
    named = re.compile(
        r"\b((?:grafana|prom|prometheuscommunity|jaegertracing)/[a-z-]+):(v?\d[\w.-]*\w)"
    )
    ours = dict(found for each in services().values() for found in named.findall(each["image"]))

    elsewhere = {found for path in files for found in named.findall(path.read_text())}

    assert len(ours) >= 9
    assert {(name, tag) for name, tag in elsewhere if name in ours} <= set(ours.items())


def rows(heading: str) -> list[list[str]]:
    """Give the cells of the table under *heading*, without its head."""
    section = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_page_lists_every_service() -> None:
    """Name, profile, image, ports and memory, in the order of the file; what ends is said to."""
    expected = [
        [
            f"`{name}`",
            profile(service),
            f"`{service['image']}`",
            ", ".join(str(outside) for _, outside, _ in published(service)),
            ", ".join(map(str, listening(service))),
            f"{megabytes(service)} MB",
        ]
        for name, service in services().items()
    ]

    assert [cells[:6] for cells in rows("Services")] == expected
    ending = {cells[0].strip("`") for cells in rows("Services") if cells[6] == "ends"}
    assert ending == {name for name, each in services().items() if not keeps_running(each)}


def test_the_page_sums_the_memory_up() -> None:
    """How many services keep running, and what they may take together."""
    running = [service for service in services().values() if keeps_running(service)]
    core = [service for service in running if profile(service) == "core"]

    for name, some in (("core", core), ("full", running)):
        assert f"| {name} | {len(some)} | {sum(map(megabytes, some))} MB |" in PAGE


def megabytes(service: dict[str, Any]) -> int:
    """Give the limit of the memory of *service*."""
    limit = str(service["mem_limit"])
    assert limit.endswith("m")
    return int(limit[:-1])


def test_the_page_lists_volumes_and_secrets() -> None:
    """Each named volume with the service that it belongs to, and each secret."""
    compose = read(COMPOSE)
    owners = {
        entry.split(":")[0]: name
        for name, service in services().items()
        for entry in service.get("volumes", [])
        if isinstance(entry, str)
    }

    listed = {cells[0].strip("`"): cells[1].strip("`") for cells in rows("Volumes")}
    files = " ".join(cells[0] for cells in rows("Secrets"))

    assert listed == owners
    assert listed.keys() == compose["volumes"].keys()
    assert all(f"`{name}`" in files for name in compose["secrets"])


def test_the_page_names_how_long_things_are_kept() -> None:
    """Retentions on the page are those of the configuration."""
    command = " ".join(services()["prometheus"]["command"])
    days = re.findall(r"retention\.time=(\d+)d", command)
    loki = read(DEPLOY / "loki/loki.yml")["limits_config"]["retention_period"]
    (store,) = read(DEPLOY / "jaeger/config.yaml")["extensions"]["jaeger_storage"][
        "backends"
    ].values()

    assert f"samples of {days[0]} days" in PAGE
    assert loki == "168h"
    assert "log lines of a week" in PAGE
    assert store["badger"]["ttl"]["spans"] == "72h"
    assert "on its volume for 72 hours" in PAGE
