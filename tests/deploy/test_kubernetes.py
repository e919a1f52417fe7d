"""What runs in a cluster can do little harm, is asked where it answers, and has time to end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry
from starlette.routing import Route

from consumers.configuration.settings import ApiSettings, WorkerSettings
from consumers.serving.health import routes
from lagmon.alerts.rules import SHIPPED
from lagmon.board import Board
from lagmon.configuration.serving import Web
from lagmon.report import Links
from lagmon.web.app import create_app
from tests.deploy.clusters import (
    OUTPUTS,
    documents,
    of_kind,
    selected,
    workload,
    workloads,
)
from tests.deploy.files import ROOT, ours

if TYPE_CHECKING:
    from tests.deploy.clusters import Workload

UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
each_output = pytest.mark.parametrize("output", OUTPUTS)


def number(quantity: str) -> float:
    """Give the bytes that *quantity* is."""
    return float(quantity[:-2]) * UNITS[quantity[-2:]]


def measured(page: str, words: str) -> float:
    """Give the bytes that docs/reference/*page* says in *words*, in which # is the number of MB."""
    (found,) = re.findall(
        words.replace("#", r"(\d+)"), (ROOT / "docs/reference" / page).read_text()
    )
    return float(found) * 1e6


@each_output
def test_a_pod_can_do_little_harm(output: str) -> None:
    """All run as a numeric user without privileges, on a root that nobody writes, with no token."""
    for each in workloads(output):
        pod, container = each.spec["securityContext"], each.container["securityContext"]

        assert pod["runAsNonRoot"] is True
        assert pod["runAsUser"] == pod["runAsGroup"] == pod["fsGroup"] == 10001
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["allowPrivilegeEscalation"] is False
        assert container["readOnlyRootFilesystem"] is True
        assert container["capabilities"] == {"drop": ["ALL"]}
        assert each.spec["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & each.spec.keys()


@each_output
def test_the_user_is_that_of_the_image(output: str) -> None:
    """Who runs is who owns what the image, its last stage, gives away."""
    lines = (ROOT / "deploy/Dockerfile").read_text().splitlines()
    user = [line.split()[1] for line in lines if line.startswith("USER ")][-1]

    for each in workloads(output):
        context = each.spec["securityContext"]
        assert f"{context['runAsUser']}:{context['runAsGroup']}" == user


@each_output
def test_nothing_of_a_service_comes_into_the_environment(output: str) -> None:
    """No pod gets the variables of Services: LAGMON_PORT of one called lagmon is refused."""
    for each in workloads(output):
        assert each.spec["enableServiceLinks"] is False, each.component


@each_output
def test_a_pod_has_its_share(output: str) -> None:
    """Each container asks for what it needs, and is kept to a limit above that."""
    for each in workloads(output):
        asked, limit = (each.container["resources"][part] for part in ("requests", "limits"))

        assert {"cpu", "memory"} <= asked.keys() & limit.keys()
        assert number(asked["memory"]) <= number(limit["memory"])


@each_output
def test_lagmon_has_room_for_thousands_of_groups(output: str) -> None:
    """Its limit is a third above what parent and child were measured to take of 2,000 groups."""
    used = measured("lagmon-benchmark.md", "Of the # MB the parent holds")

    limit = workload(output, "lagmon").container["resources"]["limits"]["memory"]

    assert number(limit) >= used * 4 / 3


@each_output
def test_the_game_has_no_less_room_than_on_one_machine(output: str) -> None:
    """Its limits are those of docker-compose.yml, and a worker's has room for its queue beside."""
    beside = {"api": 0, "worker": WorkerSettings.model_fields["max_queued_bytes"].default}
    for each in workloads(output):
        if each.component in beside:
            compose = float(ours()[each.component]["mem_limit"].removesuffix("m")) * 2**20

            limit = each.container["resources"]["limits"]["memory"]
            assert number(limit) >= compose + beside[each.component]


def served(component: str) -> set[str]:
    """Give the paths that the service *component* answers to whoever asks."""
    app = create_app(Board("0", []), SHIPPED, Links(), lambda: 0.0)
    answered = app.routes if component == "lagmon" else routes(CollectorRegistry(), ready={})
    return {route.path for route in answered if isinstance(route, Route)}


@each_output
def test_health_is_asked_where_it_is_answered(output: str) -> None:
    """Each probe names a port of its container, and a path that the service has."""
    for each in workloads(output):
        for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
            if each.document["kind"] != "Deployment":
                assert kind not in each.container
                continue
            probe = each.container[kind]
            asked = probe.get("httpGet") or probe["tcpSocket"]

            assert asked["port"] in each.ports
            assert asked.get("path", "/metrics") in served(each.component)


@each_output
def test_a_start_is_no_sign_of_readiness(output: str) -> None:
    """What decides on a restart never is what decides on traffic, unless only the port is asked."""
    for each in workloads(output):
        if each.document["kind"] == "Deployment" and "httpGet" in each.container["livenessProbe"]:
            live, ready = (
                each.container[f"{one}nessProbe"]["httpGet"] for one in ("live", "readi")
            )

            assert live["path"] != ready["path"]


# What each listens on when it is told no other.
PORTS = {
    "api": ApiSettings.model_fields["port"].default,
    "lagmon": Web.model_fields["port"].default,
    "worker": WorkerSettings.model_fields["port"].default,
}


@each_output
def test_a_service_leads_to_what_listens(output: str) -> None:
    """A Service selects one part, and its target is a port on which that part listens."""
    for service in of_kind(output, "Service"):
        (component,) = selected(output, service["spec"]["selector"])
        part = workload(output, component)

        for port in service["spec"]["ports"]:
            assert part.ports[port["targetPort"]] == PORTS[component]


@each_output
def test_a_selector_finds_its_own(output: str) -> None:
    """Deployments, budgets and policies select pods of one part each, or of all."""
    everything = {each.component for each in workloads(output)}
    for each in workloads(output):
        if each.document["kind"] == "Deployment":
            wanted = each.document["spec"]["selector"]["matchLabels"]
            assert selected(output, wanted) == {each.component}
    for budget in of_kind(output, "PodDisruptionBudget"):
        assert len(selected(output, budget["spec"]["selector"]["matchLabels"])) == 1
    for policy in of_kind(output, "NetworkPolicy"):
        found = selected(output, policy["spec"]["podSelector"]["matchLabels"])
        assert len(found) == 1 or found == everything


@each_output
def test_a_monitor_finds_a_service(output: str) -> None:
    """A ServiceMonitor selects one Service by labels, and names a port that it has."""
    for monitor in of_kind(output, "ServiceMonitor"):
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        (service,) = (
            each
            for each in of_kind(output, "Service")
            if wanted <= each["metadata"]["labels"].items()
        )
        ports = {port["name"] for port in service["spec"]["ports"]}

        assert {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]} <= ports


def replicas(output: str, part: Workload) -> int:
    """Give how many of *part* there are at least; where KEDA decides, its minimum."""
    name = part.document["metadata"]["name"]
    for scaled in of_kind(output, "ScaledObject"):
        if scaled["spec"]["scaleTargetRef"]["name"] == name:
            assert "replicas" not in part.document["spec"], "who applies it would set KEDA back"
            return int(scaled["spec"]["minReplicaCount"])
    return int(part.document["spec"]["replicas"])


@each_output
def test_a_budget_is_for_several(output: str) -> None:
    """There is a budget for exactly what has replicas: of one it would hold up every drain."""
    several = {
        each.component
        for each in workloads(output)
        if each.document["kind"] == "Deployment" and replicas(output, each) > 1
    }
    budgets = [
        component
        for budget in of_kind(output, "PodDisruptionBudget")
        for component in selected(output, budget["spec"]["selector"]["matchLabels"])
    ]

    assert sorted(budgets) == sorted(several)


@each_output
def test_several_are_spread(output: str) -> None:
    """Replicas go to different machines where there are some."""
    for each in workloads(output):
        if each.document["kind"] == "Deployment" and replicas(output, each) > 1:
            (rule,) = each.spec["topologySpreadConstraints"]

            assert rule["topologyKey"] == "kubernetes.io/hostname"
            assert selected(output, rule["labelSelector"]["matchLabels"]) == {each.component}


@pytest.mark.parametrize("output", ["kustomize production", "helm game"])
def test_a_rollout_adds_no_worker(output: str) -> None:
    """One worker more than partitions would never be ready, and the rollout never be over."""
    strategy = workload(output, "worker").document["spec"]["strategy"]

    assert strategy["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


@each_output
def test_there_is_time_to_end(output: str) -> None:
    """The grace period is longer than all that a stop may take, and what it waits for before."""
    stop = {
        "lagmon": 10.0,  # docs/reference/lagmon-web.md
        "worker": WorkerSettings.model_fields["shutdown_timeout"].default.total_seconds(),
        "api": ApiSettings.model_fields["shutdown_timeout"].default.total_seconds(),
    }
    for each in workloads(output):
        if each.component in stop:
            before = each.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {})

            needed = stop[each.component] + before.get("seconds", 0)
            assert each.spec["terminationGracePeriodSeconds"] > needed


@each_output
def test_no_secret_is_given(output: str) -> None:
    """Secrets are made by hand: none is in an output, and only the group may read one."""
    assert not of_kind(output, "Secret")

    for each in workloads(output):
        secrets = [one["secret"] for one in each.spec.get("volumes", []) if "secret" in one]
        assert {one["defaultMode"] for one in secrets} <= {0o440}


@each_output
def test_what_is_mounted_is_there(output: str) -> None:
    """Each mount has its volume and the reverse, and no volume lies within a read-only one."""
    for each in workloads(output):
        mounts = {one["name"]: one for one in each.container.get("volumeMounts", [])}
        paths = [one["mountPath"] for one in mounts.values()]
        closed = [one["mountPath"] for one in mounts.values() if one.get("readOnly")]

        assert mounts.keys() == {one["name"] for one in each.spec.get("volumes", [])}
        assert not [path for path in paths for outer in closed if path.startswith(f"{outer}/")]


def referred(part: Workload) -> set[tuple[str, str]]:
    """Give what *part* needs to be there by kind and name, but Secrets."""
    found = {("ServiceAccount", part.spec["serviceAccountName"])}
    found |= {
        ("ConfigMap", one["configMapRef"]["name"]) for one in part.container.get("envFrom", [])
    }
    for volume in part.spec.get("volumes", []):
        if "configMap" in volume:
            found.add(("ConfigMap", volume["configMap"]["name"]))
        if "persistentVolumeClaim" in volume:
            found.add(("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]))
    return found


@each_output
def test_what_a_pod_needs_comes_with_it(output: str) -> None:
    """Accounts, configuration and claims are in the output, but those that values name as there."""
    there = {(each["kind"], each["metadata"]["name"]) for each in documents(output)}
    if output == "helm existing-secret":
        there |= {("ServiceAccount", "observers"), ("PersistentVolumeClaim", "lagmon-state")}

    for each in workloads(output):
        assert referred(each) <= there, each.component


@each_output
def test_every_object_has_the_usual_labels(output: str) -> None:
    """What runs says what it is, of what, and in which version."""
    wanted = {f"app.kubernetes.io/{name}" for name in ("name", "component", "part-of", "version")}

    for each in workloads(output):
        assert wanted <= each.labels.keys()
        assert wanted <= each.document["metadata"]["labels"].keys()


@each_output
def test_names_can_be_host_names(output: str) -> None:
    """No name is longer than a label may be."""
    assert max(len(each["metadata"]["name"]) for each in documents(output)) <= 63
