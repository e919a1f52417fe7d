"""Builds what a Kubernetes cluster would be given: each overlay of kustomize, the chart with each
of its values files. Each is built once a process. Knows where things lie, not what they must say.
"""

from __future__ import annotations

import subprocess
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from tests.deploy.files import DEPLOY
from tests.infra.require import MAKE_TOOLS, need

if TYPE_CHECKING:
    from collections.abc import Iterator

OVERLAYS = DEPLOY / "kubernetes/overlays"
CHART = DEPLOY / "helm/lagmon"
VALUES = sorted(path.name.removesuffix("-values.yaml") for path in CHART.glob("ci/*-values.yaml"))
OLDEST = "1.30.0"  # of the chart's kubeVersion
OUTPUTS = [*(f"kustomize {path.name}" for path in sorted(OVERLAYS.iterdir())),
           *(f"helm {name}" for name in VALUES)]  # fmt: skip
MONITORED = ["kustomize production", "helm monitoring", "helm tls-sasl"]
WORKLOADS = ("Deployment", "Job", "Pod")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast
COMPONENT = "app.kubernetes.io/component"

Document = dict[str, Any]


class Workload(NamedTuple):
    """What runs: its *component*, the whole *document*, the pod's labels and *spec*."""

    component: str
    document: Document
    labels: dict[str, str]
    spec: Document

    @property
    def container(self) -> Document:
        """The one container."""
        (only,) = self.spec["containers"]
        found: Document = only
        return found

    @property
    def ports(self) -> dict[str, int]:
        """What it listens on, by name."""
        return {port["name"]: port["containerPort"] for port in self.container.get("ports", [])}


@cache
def text(output: str) -> str:
    """Give what is applied for *output*, as it is printed."""
    tool, _, name = output.partition(" ")
    if tool == "kustomize":
        return told(need("kustomize", MAKE_TOOLS), "build", str(OVERLAYS / name))
    return rendered("--values", str(CHART / f"ci/{name}-values.yaml"))


@cache
def documents(output: str) -> list[Document]:
    """Give the objects of *output*."""
    return parsed(text(output))


def parsed(printed: str) -> list[Document]:
    """Give the objects in *printed*."""
    return [each for each in yaml.load_all(printed, LOADER) if each]


def rendered(*options: str) -> str:
    """Give what the chart makes of values, as `helm template` does with *options*."""
    return told(helm(), "template", "lagmon", str(CHART), "--kube-version", OLDEST, *options)


def helm() -> str:
    """Give the path of helm."""
    return need("helm", MAKE_TOOLS)


def told(*words: str) -> str:
    """Run *words*, which must go well, and give what they print."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def of_kind(output: str, *kinds: str) -> list[Document]:
    """Give the objects of *output* that are of one of *kinds*."""
    return [each for each in documents(output) if each["kind"] in kinds]


def workloads(output: str) -> Iterator[Workload]:
    """Give all that runs by *output*."""
    for each in of_kind(output, *WORKLOADS):
        pod = each if each["kind"] == "Pod" else each["spec"]["template"]
        labels = pod["metadata"]["labels"]
        yield Workload(labels[COMPONENT], each, labels, pod["spec"])


def workload(output: str, component: str) -> Workload:
    """Give the only workload of *output* that is *component*."""
    (found,) = (each for each in workloads(output) if each.component == component)
    return found


def has(output: str, component: str) -> bool:
    """Tell whether something of *output* is *component*."""
    return any(each.component == component for each in workloads(output))


def selected(output: str, labels: dict[str, str]) -> set[str]:
    """Give the components of *output* whose pods have all of *labels*."""
    return {each.component for each in workloads(output) if labels.items() <= each.labels.items()}


def configuration(output: str, prefix: str, key: str | None = None) -> Any:
    """Give the data of the ConfigMap that *prefix* names with or without a hash, or one *key*."""
    (data,) = (
        each["data"]
        for each in of_kind(output, "ConfigMap")
        if prefix in each["metadata"]["name"] and (key is None or key in each["data"])
    )
    return data if key is None else data[key]
