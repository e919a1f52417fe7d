"""docker-compose.yml against the compose schema, and against what the schema cannot see."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.deploy.files import (
    COMPOSE,
    DEPLOY,
    ROOT,
    RULE_TESTS,
    listening,
    ours,
    published,
    read,
    services,
)
from tests.infra.product import command

if TYPE_CHECKING:
    from collections.abc import Iterator

RELEASE = re.compile(r"[\w./-]+:v?\d+\.\d+(\.\d+)?(-[\w.]+)?")
# Docker's files belong to user 0, whom Alloy therefore is: without a capability, on a read-only
# root, with a read-only folder.
AS_USER_0 = {"alloy"}
OF_THE_MACHINE = {"alloy": "/var/lib/docker/containers", "node-exporter": "/"}
each_service = pytest.mark.parametrize("name", services())


def one_shot(service: dict[str, Any]) -> bool:
    """Tell whether *service* does one thing and ends."""
    return bool(service["restart"] == "no")


def test_it_is_a_compose_file() -> None:
    """The file fits the schema of the compose specification."""
    schema = ["--builtin-schema", "vendor.compose-spec"]

    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *schema, str(COMPOSE)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout


@each_service
def test_a_service_waits_for_what_can_become_ready(name: str) -> None:
    """A dependency exists, and its condition is one that it can reach."""
    for dependency, how in services()[name].get("depends_on", {}).items():
        needed = services()[dependency]
        reachable = "service_completed_successfully" if one_shot(needed) else "service_healthy"

        assert how["condition"] == reachable, f"{name} waits for {dependency}"


def test_what_ends_is_waited_for() -> None:
    """A service that ends is one that another waits for: `up --wait` takes any other for failed."""
    ending = {name for name, service in services().items() if one_shot(service)}

    awaited = {name for service in services().values() for name in service.get("depends_on", {})}

    assert ending <= awaited


@each_service
def test_a_service_says_whether_it_is_well(name: str) -> None:
    """What keeps running has a health check; what ends has none."""
    service = services()[name]

    assert one_shot(service) != ("healthcheck" in service)


@each_service
def test_a_service_is_open_to_this_machine_alone(name: str) -> None:
    """Every published port is bound to the loopback address."""
    assert {host for host, _, _ in published(services()[name])} <= {"127.0.0.1"}


def test_no_port_is_published_twice() -> None:
    """Two services never ask for the same port of the host."""
    ports = [outside for service in services().values() for _, outside, _ in published(service)]

    assert len(ports) == len(set(ports))


@each_service
def test_an_image_is_a_release(name: str) -> None:
    """An image is built here or pinned to a release, never to a tag that moves."""
    service = services()[name]

    assert "build" in service or RELEASE.fullmatch(service["image"])


@each_service
def test_a_service_can_do_little_harm(name: str) -> None:
    """A service runs as a numeric user without privileges, within limits."""
    service = services()[name]

    user, group = service["user"].split(":")
    assert (int(user) == 0) == (name in AS_USER_0)
    assert int(group) > 0
    assert "privileged" not in service
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert {"mem_limit", "cpus", "pids_limit"} <= service.keys()


def test_only_kafka_writes_outside_its_volume() -> None:
    """Every root file system is read-only but that of the image that configures itself."""
    writable = {name for name, service in services().items() if not service["read_only"]}

    assert {services()[name]["image"].split(":")[0] for name in writable} == {"lagmon-kafka"}


@each_service
def test_only_what_watches_the_machine_sees_the_machine(name: str) -> None:
    """No other folder of the machine is mounted, those that are read-only, and never a socket."""
    mounted = [
        entry for entry in services()[name].get("volumes", []) if source_of(entry).startswith("/")
    ]

    assert [source_of(entry) for entry in mounted] == [
        folder for watcher, folder in OF_THE_MACHINE.items() if watcher == name
    ]
    assert all(entry["read_only"] for entry in mounted)


@pytest.mark.parametrize("kind", ["configs", "secrets", "volumes"])
def test_what_is_declared_is_used_and_the_reverse(kind: str) -> None:
    """Each named config, secret and volume is declared once and mounted somewhere."""
    declared = set(read(COMPOSE)[kind])

    used = {
        source
        for service in services().values()
        for entry in service.get(kind, [])
        if not (source := source_of(entry)).startswith((".", "/"))
    }

    assert used == declared


def source_of(entry: str | dict[str, Any]) -> str:
    """Give what is mounted by *entry*, in the short or the long form."""
    return str(entry["source"] if isinstance(entry, dict) else entry.split(":")[0])


def test_every_mounted_file_exists() -> None:
    """Configuration files and folders are in the tree; secrets come from deploy/secrets."""
    compose = read(COMPOSE)
    bound = [
        source
        for service in services().values()
        for entry in service.get("volumes", [])
        if (source := source_of(entry)).startswith(".")
    ]
    paths = [config["file"] for config in compose["configs"].values()] + bound
    secret = [Path(entry["file"]) for entry in compose["secrets"].values()]

    missing = [path for path in paths if "secrets" not in path and not (ROOT / path).exists()]

    assert not missing
    assert {path.parent for path in secret} == {Path("deploy/secrets")}


@each_service
def test_a_service_reads_what_is_mounted(name: str) -> None:
    """A configuration file that a command names is mounted where the command looks."""
    service = services()[name]
    mounted = {entry["target"] for entry in service.get("configs", [])}
    for entry in service.get("volumes", []):
        if isinstance(entry, dict):
            inside = (ROOT / entry["source"]).glob("*")
            mounted |= {f"{entry['target']}/{path.name}" for path in inside}

    named = re.findall(r"/etc/[\w./-]+", " ".join(service.get("command", [])))

    assert set(named) <= mounted


@each_service
def test_a_secret_is_never_in_the_file(name: str) -> None:
    """A variable that names a secret points to the file of a secret that is mounted."""
    service = services()[name]
    mounted = {f"/run/secrets/{secret}" for secret in service.get("secrets", [])}
    environment = service.get("environment", {})

    # The bare address of another service in this file is no secret.
    plain = {
        f"http://{other}:{port}" for other in services() for port in listening(services()[other])
    }

    secret = {
        key: value
        for key, value in environment.items()
        if re.search("PASSWORD|URL", key) and value not in plain
    }

    assert set(secret.values()) <= mounted
    assert all(key.endswith("_FILE") for key in secret)


@pytest.mark.parametrize("name", ours())
def test_a_command_is_one_of_ours(name: str) -> None:
    """The command line of each of our services is understood by the command that it names."""
    program, *arguments = services()[name]["command"]

    done = subprocess.run(
        [command(program), *arguments, "--help"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


def addresses() -> set[str]:
    """Give each NAME:PORT that a container of the stack can be reached by from the others."""
    inside = {f"{name}:{port}" for name, each in services().items() for port in listening(each)}
    kafka = services()["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    return inside | set(re.findall(r"INSIDE://([\w.]+:\d+)", kafka)) | {"postgres:5432"}


def texts(value: object) -> Iterator[str]:
    """Give every text inside *value*, however deep, but the names of images."""
    if isinstance(value, dict):
        value = [inner for key, inner in value.items() if key != "image"]
    if isinstance(value, list):
        for inner in value:
            yield from texts(inner)
    elif isinstance(value, str):
        yield value


def test_every_address_belongs_to_a_service() -> None:
    """Each NAME:PORT in the compose file and the configuration is one that somebody listens on."""
    elsewhere = (RULE_TESTS, DEPLOY / "helm", DEPLOY / "kubernetes")
    configured = [
        path
        for path in DEPLOY.rglob("*.y*ml")
        if not any(path.is_relative_to(folder) for folder in elsewhere)
    ]
    files = [text for path in (COMPOSE, *configured) for text in texts(read(path))]
    address = re.compile(rf"\b(?:{'|'.join(services())}):\d+\b")

    written = set(address.findall("\n".join([*files, (DEPLOY / "secrets.sh").read_text()])))

    assert {"kafka:19092", "alertmanager:9093", "postgres:5432"} <= written
    assert not written - addresses()


def test_health_is_asked_where_the_service_listens() -> None:
    """The health check of each of our services asks the port that the service listens on."""
    for name, service in ours().items():
        if not one_shot(service):
            (port,) = listening(service)

            assert f"127.0.0.1:{port}/" in service["healthcheck"]["test"][-1], name
