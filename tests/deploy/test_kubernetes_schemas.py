"""Everything that a cluster would be given fits the API of the oldest and the newest Kubernetes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import kubernetes_validate  # type: ignore[import-untyped]  # published without types
import pytest

from tests.deploy.clusters import OLDEST, OUTPUTS, documents, text
from tests.infra.require import MAKE_TOOLS, need

if TYPE_CHECKING:
    from collections.abc import Mapping

CRDS = Path(__file__).parent / "schemas"
BUNDLED = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
REFERENCE = '"/api/_definitions.json'
NAMED = "{{.ResourceKind}}{{.KindSuffix}}.json"

# What in the production overlay is made wrong, and the word that must be said of it.
WRONG = {
    "a field that does not exist": ("readOnlyRootFilesystem", "readOnlyRootFilesystm", "Filesystm"),
    "a list for a text": ("cpu: 100m", "cpu: [100m]", "cpu"),
    "a key that is there twice": ("kind: Job", "kind: Job\nkind: Job", "kind"),
    "a rule without a condition": ("      expr: ", "      express: ", "expr"),
    "a monitor without a port": ("    port: http\n    relabelings", "    relabelings", "port"),
    "a trigger without a threshold": ('      threshold: "250"\n', "", "threshold"),
}  # fmt: skip

Problems = dict[str, str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with every output as a file, and every wrong one."""
    made = tmp_path_factory.mktemp("outputs")
    for output in OUTPUTS:
        (made / f"{output}.yaml").write_text(text(output))
    for case, (right, wrong, _) in WRONG.items():
        (made / f"{case}.yaml").write_text(text("kustomize production").replace(right, wrong, 1))
    return made


@pytest.fixture(scope="module")
def oldest(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Give what kubeconform finds wrong by the schemas of the oldest Kubernetes, by file.

    They are those of kubernetes-validate, whose references lead to no file as they stand.
    """
    schemas = tmp_path_factory.mktemp("schemas")
    for path in (BUNDLED / f"v{OLDEST}-local-strict").glob("*.json"):
        content = path.read_text().replace(REFERENCE, f'"file://{schemas}/_definitions.json')
        (schemas / path.name).write_text(content)
    places = [f"-schema-location={place}/{NAMED}" for place in (schemas, CRDS)]
    kubeconform = need("kubeconform", MAKE_TOOLS)
    done = subprocess.run(
        [kubeconform, "-strict", "-verbose", "-output=json", *places, folder],
        capture_output=True,
        text=True,
        check=False,
    )

    found: dict[str, str] = defaultdict(str)
    for resource in json.loads(done.stdout)["resources"]:
        sound = resource["status"] == "statusValid"
        found[Path(resource["filename"]).stem] += "" if sound else f"{resource}\n"
    return found


@pytest.fixture(scope="module")
def newest(folder: Path) -> str:
    """Give what kubernetes-validate finds wrong by the schemas of the newest Kubernetes it has."""
    done = subprocess.run(
        [sys.executable, "-m", "kubernetes_validate", "--strict", "--quiet", "--no-warn"]
        + [f"{folder}/{output}.yaml" for output in OUTPUTS],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"{done.stdout}{done.stderr}" if done.returncode else ""


@pytest.mark.parametrize("output", OUTPUTS)
def test_it_fits_the_oldest_kubernetes(output: str, oldest: Mapping[str, str]) -> None:
    """Each object has a schema and fits it: no field too many, none missing or of another type."""
    assert oldest[output] == ""


def test_it_fits_the_newest_kubernetes(newest: str) -> None:
    """What the oldest Kubernetes takes has not been taken out of the newest."""
    assert newest == ""


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_found(case: str, oldest: Mapping[str, str]) -> None:
    """A mistake in any kind of object, of the API or of a CRD, is found and named."""
    assert WRONG[case][2] in oldest[case]


def test_no_two_objects_have_one_name() -> None:
    """Within one output, kind and name belong to one object: the second would replace the first."""
    for output in OUTPUTS:
        names = [(each["kind"], each["metadata"]["name"]) for each in documents(output)]

        assert len(names) == len(set(names)), output
