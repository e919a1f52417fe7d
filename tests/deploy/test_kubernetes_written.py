"""One source for the rules, one for the version; the chart and the overlays say the same."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from deploy import manifests
from tests.deploy.clusters import (
    CHART,
    MONITORED,
    OUTPUTS,
    configuration,
    of_kind,
    selected,
    workload,
    workloads,
)
from tests.deploy.exported import ours as metrics
from tests.deploy.files import RULES, read

if TYPE_CHECKING:
    from pathlib import Path

    from tests.deploy.clusters import Document, Workload

# What is decided by the services, and so the same wherever they run.
POD = {
    "automountServiceAccountToken",
    "enableServiceLinks",
    "restartPolicy",
    "securityContext",
    "terminationGracePeriodSeconds",
}
SPEC = ("strategy", "backoffLimit", "activeDeadlineSeconds")
NAMED = {"image", "envFrom"}
ELSEWHERE = 443  # what the values of the chart open besides


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Give a copy of what the manifests are written from, and of where they are written to."""
    for name in ("deploy/helm", "deploy/kubernetes", "deploy/prometheus", "deploy/lagmon"):
        shutil.copytree(manifests.ROOT / name, tmp_path / name)
    shutil.copy(manifests.ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_what_is_committed_is_what_would_be_written() -> None:
    """`make manifests` has been run since rules or version changed, and leaves nothing behind."""
    written = manifests.manifests()

    committed = {path: (manifests.ROOT / path) for path in written}
    old = [path for path, file in committed.items() if file.read_text() != written[path]]

    assert old == [], "run `make manifests` and commit what it wrote"
    assert manifests.stale(manifests.ROOT, written) == []


def test_a_rule_that_is_changed_is_written_everywhere(tree: Path) -> None:
    """After a change of a rule and a run, the chart and the Operator's objects have it."""
    rules = tree / "deploy/prometheus/rules/lagmon.yml"
    rules.write_text(rules.read_text().replace("LagmonAbsent", "LagmonAway"))

    manifests.main(tree)

    assert "LagmonAway" in (tree / "deploy/helm/lagmon/rules/lagmon.yml").read_text()
    assert "LagmonAway" in (tree / manifests.OPERATOR).read_text()


def test_a_rule_of_lagmon_comes_to_every_configuration(tree: Path) -> None:
    """A rule that lagmon.yml gets is in the chart's file and at the end of each overlay's."""
    source = tree / "deploy/lagmon/lagmon.yml"
    source.write_text(f"{source.read_text()}  Backlog: {{condition: lag > 5}}\n")

    manifests.main(tree)

    for path in ("deploy/helm/lagmon/files/rules.yml", *manifests.configurations(tree)):
        assert yaml.safe_load((tree / path).read_text())["rules"]["Backlog"]


def test_a_rule_file_that_is_gone_is_taken_out(tree: Path) -> None:
    """The chart does not go on shipping what has no source."""
    (tree / "deploy/prometheus/rules/lagmon.yml").unlink()

    manifests.main(tree)

    assert not (tree / "deploy/helm/lagmon/rules/lagmon.yml").exists()


def test_a_new_version_is_written_into_chart_and_images(tree: Path) -> None:
    """A version is changed in one place: chart, tag and label follow, and what they need stays."""
    project = tree / "pyproject.toml"
    project.write_text(
        re.sub(r'^version = ".*"', 'version = "9.8.7"', project.read_text(), flags=re.MULTILINE)
    )

    manifests.main(tree)

    chart, base = (yaml.safe_load((tree / name).read_text()) for name in manifests.VERSIONED)
    assert (chart["version"], chart["appVersion"]) == ("9.8.7", "9.8.7")
    assert base["images"][0]["newTag"] == "9.8.7"
    assert base["labels"][0]["pairs"]["app.kubernetes.io/version"] == "9.8.7"
    assert chart["kubeVersion"] == read(CHART / "Chart.yaml")["kubeVersion"]


@pytest.mark.parametrize("output", OUTPUTS)
def test_every_image_is_this_version(output: str) -> None:
    """What runs is the image of the project's version, and says so by its label."""
    wanted = manifests.version(manifests.ROOT)

    for each in workloads(output):
        tag = each.container["image"].partition("@")[0].rpartition(":")[2]
        assert tag == each.labels["app.kubernetes.io/version"] == wanted


def rules_of(output: str) -> dict[str, list[dict[str, Any]]]:
    """Give the groups of rules that the Operator gets by *output*, by the name of the object."""
    return {
        each["metadata"]["name"].removeprefix("lagmon-"): each["spec"]["groups"]
        for each in of_kind(output, "PrometheusRule")
    }


def test_the_overlay_has_all_rules() -> None:
    """The Operator gets what Prometheus reads, group for group."""
    source = {path.stem: read(path)["groups"] for path in RULES.glob("*.yml")}

    assert rules_of("kustomize production") == source


def test_the_chart_has_the_rules_of_what_it_runs() -> None:
    """Each file arrives as it is, the templates within it too, beside rules of one's own."""
    source = {path.stem: read(path)["groups"] for path in RULES.glob("*.yml")}
    source["own"] = read(CHART / "ci/monitoring-values.yaml")["prometheusRule"]["groups"]

    found = rules_of("helm monitoring")

    assert found.keys() == {"lag", "lagmon", "consumers", "api", "slo", "own"}
    assert found == {name: source[name] for name in found}


@pytest.mark.parametrize("output", MONITORED)
def test_rules_find_what_is_scraped(output: str) -> None:
    """Each part is scraped under the job by which the rules ask for it."""
    jobs = {"lagmon": "lagmon", "worker": "game-consumer", "api": "game-api"}
    asked = set(
        re.findall(r'job="([\w-]+)"', "".join(path.read_text() for path in RULES.glob("*")))
    )

    for monitor in of_kind(output, "ServiceMonitor"):
        (component,) = selected(output, monitor["spec"]["selector"]["matchLabels"])
        (endpoint,) = monitor["spec"]["endpoints"]
        (job,) = (
            one["replacement"] for one in endpoint["relabelings"] if one["targetLabel"] == "job"
        )

        assert job == jobs[component]
        assert job in asked


def test_no_label_of_ours_is_one_of_the_operators() -> None:
    """A metric keeps its labels: one that the target has too would be renamed, and no rule fit."""
    target = {"container", "endpoint", "instance", "job", "namespace", "pod", "service"}

    labels = {label for each in metrics().values() for label in each}

    assert not labels & target


@pytest.mark.parametrize("component", ["lagmon", "worker", "api", "migrate"])
def test_chart_and_overlay_run_the_same(component: str) -> None:
    """Command, port, probes, rights, resources, mounts and stop are the same, whoever deploys."""
    ours, theirs = (
        workload(output, component) for output in ("kustomize development", "helm game")
    )

    assert decided(ours) == decided(theirs)


def decided(part: Workload) -> Document:
    """Give what is decided for *part* wherever it runs: all but names, images and claims."""
    pod = {key: value for key, value in part.spec.items() if key in POD}
    container = {key: value for key, value in part.container.items() if key not in NAMED}
    spec = part.document["spec"]
    return {"pod": pod, "container": container, **{key: spec.get(key) for key in SPEC}}


def test_chart_and_overlay_scrape_the_same() -> None:
    """Every part is scraped as often, on the same path, under the same job."""
    ours, theirs = (
        {
            component: monitor["spec"]["endpoints"]
            for monitor in of_kind(output, "ServiceMonitor")
            for component in selected(output, monitor["spec"]["selector"]["matchLabels"])
        }
        for output in ("kustomize production", "helm monitoring")
    )

    assert ours == theirs


def test_chart_and_overlay_scale_the_same() -> None:
    """The lag of a worker, the question, and how fast workers come and go are the same."""
    ours, theirs = (
        of_kind(output, "ScaledObject")[0]["spec"]
        for output in ("kustomize production", "helm keda")
    )

    for key in ("minReplicaCount", "pollingInterval", "advanced", "triggers"):
        assert ours[key] == theirs[key]


def test_chart_and_overlay_close_the_same() -> None:
    """The same ports are open for each part, in and out."""
    ours, theirs = (
        {
            (component, way, port["port"], port.get("protocol"))
            for policy in of_kind(output, "NetworkPolicy")
            for component in selected(output, policy["spec"]["podSelector"]["matchLabels"])
            for way in ("ingress", "egress")
            for rule in policy["spec"].get(way, [])
            for port in rule["ports"]
            if component != "test" and port["port"] != ELSEWHERE
        }
        for output in ("kustomize development", "helm networkpolicy")
    )

    assert ours == theirs


def test_chart_and_overlay_tell_the_game_the_same() -> None:
    """Variables have the same names, and what does not say where something is the same values."""
    ours, theirs = (
        configuration(output, "game") for output in ("kustomize production", "helm game")
    )

    assert ours.keys() == theirs.keys()
    assert {key for key in ours if ours[key] != theirs[key]} == {
        "CONSUMERS_BOOTSTRAP_SERVERS",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    }


def test_the_page_says_what_each_part_is_called() -> None:
    """Whoever types kubectl finds the name of each part, by the overlays and by the chart."""
    page = (manifests.ROOT / "docs/reference/kubernetes.md").read_text()
    rows = re.findall(r"^\| (\w+) \| `(\w+/\S+)` \| `(\w+/[a-z-]+)", page, re.MULTILINE)
    told = {(part.lower(), overlay, chart) for part, overlay, chart in rows}

    called = {
        (part, name(workload("kustomize development", key)), name(workload("helm game", key)))
        for part, key in (("lagmon", "lagmon"), ("worker", "worker"), ("api", "api"))
    }
    migration = name(workload("kustomize development", "migrate"))
    made = name(workload("helm game", "migrate"))

    assert told == {*called, ("migration", migration, re.sub(r"\w+$", "", made))}


def name(found: Workload) -> str:
    """Give what kubectl calls *found*."""
    document = found.document
    return f"{document['kind'].lower()}/{document['metadata']['name']}"
