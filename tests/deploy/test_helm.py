"""The chart: linted with each values file, and what it makes of values that are wrong."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.deploy.clusters import (
    CHART,
    COMPONENT,
    OLDEST,
    VALUES,
    configuration,
    helm,
    parsed,
    rendered,
    told,
)
from tests.deploy.files import ROOT, read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Free in form, or shown as one value.
OPEN = {"lagmon.config", "game.env", "lagmon.resources", "worker.resources", "api.resources"}
WHOLE = OPEN | {f"networkPolicy.{name}" for name in ("kafka", "alertmanager", "postgres", "otlp")}
PARTS = ("lagmon", "worker", "api")
GAME = ("--set", "api.enabled=true")
HOW_TO = ROOT / "docs/how-to/run-on-kubernetes.md"
REFERENCE = ROOT / "docs/reference/kubernetes.md"

# What is set, and what must be said of it: where it stands, and what would be right.
REFUSED = {
    "a misspelt value": (["lagmon.replica=2"], ["lagmon", "replica"]),
    "a misspelt part": (["lagmn.replicas=2"], ["lagmn"]),
    "no replicas": (["lagmon.replicas=0"], ["/lagmon/replicas", "minimum"]),
    "text for a number": (["worker.replicas=many"], ["/worker/replicas", "want integer"]),
    "text for a switch": (["worker.enabled=maybe"], ["/worker/enabled", "want boolean"]),
    "sharding by hand": (
        ["lagmon.sharding=static 0/3"],
        ["/lagmon/sharding", "'none', 'kafka'"],
    ),
    "no cluster": (["lagmon.config.clusters=null"], ["/lagmon/config", "clusters"]),
    "a cluster without a name": (
        ["lagmon.config.clusters[0].bootstrap_servers=kafka:9092"],
        ["/lagmon/config/clusters/0", "name"],
    ),
    "a variable of nobody": (["game.env.KAFKA=kafka:9092"], ["/game/env", "KAFKA"]),
    "a stop too short": (
        ["lagmon.terminationGracePeriodSeconds=5"],
        ["/lagmon/terminationGracePeriodSeconds", "minimum: got 5, want 11"],
    ),
    "no limit": (["worker.resources.limits=null"], ["/worker/resources", "limits"]),
    "a port that is none": (["api.service.port=80000"], ["/api/service/port", "65,535"]),
    "a policy for every Pull": (["image.pullPolicy=Sometimes"], ["/image/pullPolicy", "'Never'"]),
    "a digest that is none": (["image.digest=latest"], ["/image/digest", "sha256"]),
    "everybody may scrape": (
        ["networkPolicy.prometheus=null", "networkPolicy.enabled=true"],
        ["/networkPolicy", "missing property 'prometheus'"],
    ),
    "several that do not share": (["lagmon.replicas=2"], ["set lagmon.sharding to kafka"]),
    "several with one memory": (
        ["lagmon.replicas=2", "lagmon.sharding=kafka", "lagmon.persistence.enabled=true"],
        ["lagmon.persistence", "incidents move by Alertmanager"],
    ),
    "a port that the chart sets": (
        ["lagmon.config.web.port=80"],
        ["lagmon.config.web.port", "lagmon.service"],
    ),
    "a memory that the chart sets": (
        ["lagmon.config.state.path=/tmp/state"],
        ["lagmon.config.state", "lagmon.persistence"],
    ),
    "a password of Kafka": (
        [
            "lagmon.config.clusters[0].name=a",
            "lagmon.config.clusters[0].bootstrap_servers=kafka:9093",
            "lagmon.config.clusters[0].client.sasl\\.password=hunter2",
        ],
        ["sasl.password_file: /run/secrets/lagmon/KEY", "lagmon.existingSecret"],
    ),
    "a password of Alertmanager": (
        ["lagmon.config.alertmanagers[0].url=http://lagmon:hunter2@alertmanager:9093"],
        ["password_file: /run/secrets/lagmon/KEY"],
    ),
    "a password of the database": (
        ["game.env.CONSUMERS_DATABASE_URL=postgresql://game:hunter2@postgres/game"],
        ["game.env.CONSUMERS_DATABASE_URL", "game.databaseUrlKey"],
    ),
    "nothing to scale": (["keda.enabled=true"], ["set worker.enabled"]),
    "more than the most": (
        ["keda.minReplicas=5", "keda.maxReplicas=4"],
        ["keda.minReplicas: more than keda.maxReplicas"],
    ),
    "rules of nobody": (
        ["prometheusRule.enabled=true", "prometheusRule.files[0]=kafk"],
        ["prometheusRule.files: there is no rules/kafk.yml"],
    ),
}


def refused(*settings: str) -> str:
    """Give what helm says of *settings*, which it must refuse."""
    sets = [word for setting in settings for word in ("--set", setting)]
    done = subprocess.run(
        [helm(), "template", "lagmon", CHART, "--kube-version", OLDEST, *sets],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    return done.stderr


def pods(*settings: str) -> dict[str, str]:
    """Give the pods that the chart makes with *settings* and a worker, by component, as text."""
    sets = [word for setting in ("worker.enabled=true", *settings) for word in ("--set", setting)]
    templates = [
        each["spec"]["template"] for each in parsed(rendered(*sets)) if each["kind"] == "Deployment"
    ]
    return {each["metadata"]["labels"][COMPONENT]: yaml.safe_dump(each) for each in templates}


@pytest.mark.parametrize("name", VALUES)
def test_the_chart_is_sound(name: str) -> None:
    """`helm lint --strict` finds nothing, not even a warning, with each values file."""
    done = subprocess.run(
        [helm(), "lint", "--strict", CHART, "--values", CHART / f"ci/{name}-values.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("case", REFUSED)
def test_a_value_that_is_wrong_is_refused(case: str) -> None:
    """What is wrong is refused before anything is applied, by its name and with what is right."""
    settings, words = REFUSED[case]

    said = refused(*settings)

    assert [word for word in words if word not in said] == [], said
    assert "hunter2" not in said


def test_all_problems_are_told_at_once() -> None:
    """Who has made three mistakes hears of three."""
    said = refused("lagmon.replicas=2", "keda.enabled=true", "lagmon.config.web.host=::")

    assert len(re.findall("^- ", said, re.MULTILINE)) == 3


@pytest.mark.parametrize(
    ("setting", "restarted"),
    [
        ("lagmon.config.environment=other", {"lagmon"}),
        ("game.env.CONSUMERS_BACKOFF_MAX=1m", {"worker"}),
        ("serviceMonitor.enabled=true", set()),
    ],
)
def test_a_changed_configuration_restarts_who_reads_it(setting: str, restarted: set[str]) -> None:
    """A key of lagmon.yml makes another pod of lagmon, a variable another of the worker's."""
    before, after = pods(), pods(setting)

    assert {name for name in before if before[name] != after[name]} == restarted


@pytest.mark.parametrize(
    "setting",
    [
        "image.tag=0.0.1",
        "image.pullSecrets[0].name=registry",
        "game.env.CONSUMERS_LOG_LEVEL=DEBUG",
        "game.existingSecret=other",
        "api.resources.limits.memory=512Mi",
    ],
)
def test_a_migration_that_is_another_has_another_name(setting: str) -> None:
    """A Job cannot be changed: an upgrade that kept its name would be refused by the API server."""
    before, after = (
        {each["metadata"]["name"] for each in parsed(rendered(*sets)) if each["kind"] == "Job"}
        for sets in (GAME, (*GAME, "--set", setting))
    )

    assert len(before) == len(after) == 1
    assert before != after


def test_a_rule_is_changed_by_its_name() -> None:
    """A threshold in the values comes to the shipped rule, whose runbook stays."""
    printed = rendered("--set", "lagmon.config.rules.KafkaConsumerLag.threshold=5000")
    (content,) = (
        each["data"]["lagmon.yml"] for each in parsed(printed) if each["kind"] == "ConfigMap"
    )

    rule = yaml.safe_load(content)["rules"]["KafkaConsumerLag"]

    assert rule["threshold"] == 5000
    assert rule["runbook"].endswith("/KafkaConsumerLag")


def test_objects_of_ones_own_come_along() -> None:
    """What stands in extraManifests is filled in and applied with the rest."""
    assert configuration("helm existing-secret", "note", "note") == "beside lagmon"


def test_a_release_by_another_name_keeps_to_itself() -> None:
    """Two releases in one namespace share no name and no selector."""
    both = [
        parsed(told(helm(), "template", name, str(CHART), "--kube-version", OLDEST))
        for name in ("one", "two")
    ]

    names = [{(each["kind"], each["metadata"]["name"]) for each in release} for release in both]
    selectors = [
        {
            str(each["spec"].get("selector"))
            for each in release
            if each["kind"] != "Pod" and "spec" in each
        }
        for release in both
    ]
    assert not names[0] & names[1]
    assert not selectors[0] & selectors[1]


def test_the_values_of_the_how_to_are_taken(tmp_path: Path) -> None:
    """What the page would have somebody write is taken by the chart, one block over another."""
    shown = re.findall(r"^```yaml\n(.+?)^```$", HOW_TO.read_text(), re.MULTILINE | re.DOTALL)
    values = [
        block
        for block in shown
        if yaml.safe_load(block).keys() & read(CHART / "values.yaml").keys()
    ]
    paths = [tmp_path / f"{number}.yaml" for number, _ in enumerate(values)]
    for path, block in zip(paths, values, strict=True):
        path.write_text(block)

    made = parsed(rendered(*(word for path in paths for word in ("--values", str(path)))))

    assert len(values) == 2
    assert {"NetworkPolicy", "PrometheusRule", "ScaledObject"} <= {each["kind"] for each in made}


def flat(values: dict[str, Any], above: str = "") -> dict[str, Any]:
    """Give each value by its path: what holds no further names is a value."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        inner = isinstance(value, dict) and value and f"{above}{name}" not in WHOLE
        found |= flat(value, f"{above}{name}.") if inner else {f"{above}{name}": value}
    return found


def test_the_page_has_every_value() -> None:
    """Its tables name each value of values.yaml with its default, and no other."""
    page = REFERENCE.read_text().partition("## Values")[2]
    rows = re.findall(r"^\| `([\w.]+)` \| (.+?) \|(?: .*)? \|$", page, re.MULTILINE)
    shown = {
        name.replace("PART", part): default
        for name, default in rows
        for part in (PARTS if name.startswith("PART.") else [""])
    }
    values = flat(read(CHART / "values.yaml"))

    assert shown.keys() == values.keys()
    for name, default in shown.items():
        if default not in {"below", "none"}:
            assert yaml.safe_load(default.strip("`")) == values[name], name
        elif default == "none":
            assert not values[name], name


def test_the_schema_knows_every_value() -> None:
    """No value is free of the schema, and the schema describes none that is not there."""
    schema = json.loads((CHART / "values.schema.json").read_text())

    assert set(known(schema, schema)) - {"global"} == set(top(read(CHART / "values.yaml")))


def known(schema: dict[str, Any], whole: dict[str, Any], above: str = "") -> Iterator[str]:
    """Give the path of each value that *schema* closes."""
    if "$ref" in schema:
        schema = whole["definitions"][schema["$ref"].rpartition("/")[2]]
    for name, inner in schema.get("properties", {}).items():
        yield f"{above}{name}"
        yield from known(inner, whole, f"{above}{name}.") if above + name not in OPEN else ()


def top(values: dict[str, Any], above: str = "") -> Iterator[str]:
    """Give the path of each value, those that hold others too, down to what is free in form."""
    for name, value in values.items():
        yield f"{above}{name}"
        if isinstance(value, dict) and above + name not in OPEN:
            yield from top(value, f"{above}{name}.")
