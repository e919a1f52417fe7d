"""Our services understand what a cluster gives them, and may reach whom it names to them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import opentelemetry.environment_variables as api_variables
import pytest
import yaml
from opentelemetry.sdk import environment_variables as sdk_variables

from consumers.configuration.loading import load
from consumers.configuration.settings import ApiSettings, MigrateSettings, WorkerSettings
from lagmon.configuration.sources import load as load_lagmon
from lagmon.errors import SettingsError
from tests.deploy.clusters import OUTPUTS, configuration, has, of_kind, selected, workload
from tests.deploy.files import DEPLOY, read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from consumers.configuration.common import DatabaseSettings
    from lagmon.configuration.settings import Settings
    from tests.deploy.clusters import Workload

GAME = [output for output in OUTPUTS if "kustomize" in output or output.split()[1] in {
    "existing-secret", "game", "keda", "monitoring", "networkpolicy", "replicas"}]  # fmt: skip
CLOSED = ["kustomize development", "kustomize production", "helm networkpolicy", "helm tls-sasl"]
KINDS: dict[str, type[DatabaseSettings]] = {
    "api": ApiSettings,
    "migrate": MigrateSettings,
    "worker": WorkerSettings,
}
DATABASE = "postgresql://game:secret@postgres:5432/game"
WEB = "basic_auth_users: {}\n"
each_output = pytest.mark.parametrize("output", OUTPUTS)
each_game = pytest.mark.parametrize("output", GAME)


def with_secrets(value: str, folder: Path) -> str:
    """Give *value* as if the Secrets were mounted below *folder*, with every file that it names."""
    for path in re.findall(r"/run/secrets/[\w./-]+", value):
        file = folder / path.removeprefix("/run/secrets/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(WEB if file.name == "web.yml" else DATABASE)
    return value.replace("/run/secrets", str(folder))


def lagmon(output: str, folder: Path) -> Settings:
    """Load the configuration of lagmon in *output* as its container would."""
    (folder / "lagmon.yml").write_text(
        with_secrets(configuration(output, "lagmon", "lagmon.yml"), folder)
    )
    return load_lagmon(folder / "lagmon.yml")


def variables(output: str, part: Workload) -> dict[str, str]:
    """Give the environment of *part* in *output*: what it has of its own wins."""
    own = {each["name"]: each["value"] for each in part.container.get("env", [])}
    shared: dict[str, str] = configuration(output, "game") if "envFrom" in part.container else {}
    return shared | own


def game(
    output: str, component: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> DatabaseSettings:
    """Load the settings of the *component* of the game in *output* as its container would."""
    for name, value in variables(output, workload(output, component)).items():
        monkeypatch.setenv(name, with_secrets(value, folder))
    return load(KINDS[component])


@each_output
def test_lagmon_takes_its_configuration(
    output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file and the variables of its pod are right, and it listens where it is asked."""
    part = workload(output, "lagmon")
    for name, value in variables(output, part).items():
        monkeypatch.setenv(name, value)

    settings = lagmon(output, tmp_path)

    assert settings.web.host == "0.0.0.0"
    assert [settings.web.port] == list(part.ports.values())


@each_output
def test_lagmon_reads_and_remembers_where_a_volume_is(output: str, tmp_path: Path) -> None:
    """Its configuration, the files that this names, and its memory lie in what is mounted."""
    part = workload(output, "lagmon")
    mounts = [one["mountPath"] for one in part.container["volumeMounts"]]
    told = " ".join([configuration(output, "lagmon", "lagmon.yml"), *part.container["command"]])

    named = re.findall(r"/(?:run|etc|var)/[\w./-]+", told)

    assert str(lagmon(output, tmp_path).state.path) in named
    assert all(any(path.startswith(f"{mount}/") for mount in mounts) for path in named)


@each_output
def test_several_share_the_groups(output: str, tmp_path: Path) -> None:
    """One lagmon is replaced by its successor; several share the groups, and no memory."""
    part = workload(output, "lagmon")
    alone = part.document["spec"]["replicas"] == 1
    claimed = any("persistentVolumeClaim" in volume for volume in part.spec["volumes"])

    assert lagmon(output, tmp_path).sharding == ("none" if alone else "kafka")
    assert part.document["spec"]["strategy"]["type"] == ("Recreate" if alone else "RollingUpdate")
    assert alone or not claimed


def test_variables_of_a_service_would_be_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Service called lagmon would keep lagmon from starting: Kubernetes names it to all pods."""
    monkeypatch.setenv("LAGMON_PORT", "tcp://10.0.0.1:10308")

    with pytest.raises(SettingsError, match="LAGMON_PORT"):
        load_lagmon(bootstrap_servers="kafka:9092")


@each_game
def test_the_game_takes_its_variables(
    output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """API, worker and migration start with their variables, and listen where they are asked."""
    for component in filter(lambda one: has(output, one), KINDS):
        settings = game(output, component, tmp_path, monkeypatch)

        assert settings.database_url.get_secret_value() == DATABASE
        if component != "migrate":
            assert settings.host == "0.0.0.0"
            assert [settings.port] == list(workload(output, component).ports.values())


@each_game
def test_a_variable_for_opentelemetry_is_one_that_it_reads(output: str) -> None:
    """Every OTEL_ variable is known to OpenTelemetry: it would ignore a misspelt one."""
    used = variables(output, workload(output, "worker")).keys()

    known = {*vars(api_variables), *vars(sdk_variables)}

    assert {name for name in used if name.startswith("OTEL_")} <= known


@each_game
def test_the_game_is_told_of_files_that_are_mounted(output: str) -> None:
    """Each file that a variable or a command names lies in a mounted Secret."""
    for component in filter(lambda one: has(output, one), KINDS):
        part = workload(output, component)
        told = [*variables(output, part).values(), *part.container["command"]]
        mounts = {one["mountPath"] for one in part.container["volumeMounts"]}

        named = re.findall(r"/run/secrets/[\w-]+(?=/)", " ".join(told))

        assert set(named) <= mounts


@each_game
def test_no_password_is_in_a_variable(output: str) -> None:
    """What is given in the open holds no password, and no URL with one."""
    values = configuration(output, "game")

    assert not {"CONSUMERS_DATABASE_URL", "CONSUMERS_CLIENT"} & values.keys()
    assert not re.search("password|//[^/]*@", " ".join(values.values()))


def ports(addresses: list[str]) -> set[int]:
    """Give the ports in HOST:PORT[,HOST:PORT] and in URLs."""
    urls = [one if "//" in one else f"//{one}" for each in addresses for one in each.split(",")]
    return {port for url in urls if (port := urlsplit(url).port)}


def allowed(output: str, component: str, way: str) -> set[int]:
    """Give the ports that policies of *output* open for *component*, one *way*; not of names."""
    return {
        port["port"]
        for policy in of_kind(output, "NetworkPolicy")
        if component in selected(output, policy["spec"]["podSelector"]["matchLabels"])
        for rule in policy["spec"].get(way, [])
        for port in rule["ports"]
        if port["port"] not in {53, 443}
    }


@pytest.mark.parametrize("output", CLOSED)
def test_lagmon_may_reach_whom_it_is_told_of(output: str, tmp_path: Path) -> None:
    """What lagmon may reach is Kafka and the Alertmanagers of its configuration, and no more."""
    settings = lagmon(output, tmp_path)
    told = [each.bootstrap_servers for each in settings.clusters]
    told += [str(each.url) for each in settings.alertmanagers]

    assert allowed(output, "lagmon", "egress") == ports(told)


@pytest.mark.parametrize("output", [one for one in CLOSED if one in GAME])
def test_the_game_may_reach_whom_it_is_told_of(output: str) -> None:
    """API and worker may reach Kafka, the database and where spans go; the migration the second."""
    told = configuration(output, "game")
    needed = ports([told["CONSUMERS_BOOTSTRAP_SERVERS"], told["OTEL_EXPORTER_OTLP_ENDPOINT"]])
    database = ports([DATABASE])

    for component in ("api", "worker"):
        assert allowed(output, component, "egress") == needed | database
    assert allowed(output, "migrate", "egress") == database


@pytest.mark.parametrize("output", CLOSED)
def test_nobody_is_closed_to_who_scrapes(output: str) -> None:
    """Every port on which a part listens is open, and names can be looked up by all."""
    for component in filter(lambda one: has(output, one), ("lagmon", "worker", "api", "migrate")):
        part = workload(output, component)
        names = {
            port["protocol"]
            for policy in of_kind(output, "NetworkPolicy")
            if component in selected(output, policy["spec"]["podSelector"]["matchLabels"])
            for rule in policy["spec"].get("egress", [])
            for port in rule["ports"]
            if port["port"] == 53
        }

        assert allowed(output, component, "ingress") == set(part.ports.values())
        assert names == {"UDP", "TCP"}


def scaled(output: str) -> Iterator[dict[str, Any]]:
    """Give the ScaledObjects of *output*."""
    return (each["spec"] for each in of_kind(output, "ScaledObject"))


@pytest.mark.parametrize("output", ["kustomize production", "helm keda"])
def test_workers_are_scaled_by_their_own_lag(output: str, tmp_path: Path) -> None:
    """The question is about a cluster that lagmon watches and the worker's group."""
    (spec,) = scaled(output)
    (trigger,) = spec["triggers"]
    asked = dict(re.findall(r'(\w+)="([\w-]+)"', trigger["metadata"]["query"]))

    assert asked == {
        "kafka_cluster": lagmon(output, tmp_path).clusters[0].name,
        "group": WorkerSettings.model_fields["group"].default,
    }
    assert spec["scaleTargetRef"]["name"] == workload(output, "worker").document["metadata"]["name"]


@pytest.mark.parametrize("output", ["kustomize production", "helm keda"])
def test_an_unknown_lag_is_not_taken_for_none(output: str) -> None:
    """Where the lag is not known all workers work: Prometheus's empty answer is no 0."""
    (spec,) = scaled(output)

    assert spec["triggers"][0]["metadata"]["ignoreNullValues"] == "false"
    assert spec["fallback"]["replicas"] == spec["maxReplicaCount"]


def test_there_are_never_more_workers_than_partitions() -> None:
    """The overlay's limit is the number of partitions that the stack makes the topic with."""
    (script,) = read(DEPLOY.parent / "docker-compose.yml")["services"]["topics"]["command"]
    (partitions,) = re.findall(r"create game\.slots\.plays (\d+)", script)

    (spec,) = scaled("kustomize production")

    assert spec["maxReplicaCount"] == int(partitions)


def test_all_workers_together_work_before_anybody_is_paged() -> None:
    """With the lag that pages every worker that may be there is."""
    (spec,) = scaled("kustomize production")
    (threshold,) = re.findall(r"> (\d+)", lag_rule()["expr"])

    assert int(spec["triggers"][0]["metadata"]["threshold"]) * spec["maxReplicaCount"] <= int(
        threshold
    )


def lag_rule() -> dict[str, Any]:
    """Give the rule of Prometheus on the lag of a group."""
    groups = yaml.safe_load((DEPLOY / "prometheus/rules/lag.yml").read_text())["groups"]
    (found,) = (
        rule
        for group in groups
        for rule in group["rules"]
        if rule.get("alert") == "KafkaConsumerLag"
    )
    return dict(found)
