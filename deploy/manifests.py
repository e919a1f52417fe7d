# ruff: noqa: INP001 - run by its path, and imported by its test
"""Write what deploy/kubernetes and deploy/helm take over from elsewhere: rules and the version.

In: the rules of Prometheus in deploy/prometheus/rules, those of lagmon in deploy/lagmon/lagmon.yml,
the version in pyproject.toml. Out: the files that hold them for the Prometheus Operator and for the
chart, the end of each overlay's lagmon.yml, and the lines with the version. Nobody edits these by
hand; `make manifests` writes them anew, and a test compares. Nothing else is touched.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
RULES = "deploy/prometheus/rules"
LAGMON = "deploy/lagmon/lagmon.yml"
CHART = "deploy/helm/lagmon"
OPERATOR = "deploy/kubernetes/components/monitoring/rules.yaml"
VERSIONED = (f"{CHART}/Chart.yaml", "deploy/kubernetes/base/kustomization.yaml")
MARK = "# From here on `make manifests` writes.\n"
HEAD = "# `make manifests` writes this file.\n"
VERSION = re.compile(
    r"^(?P<key> *(?:version|appVersion|newTag|app\.kubernetes\.io/version): )(?P<old>.*)$",
    re.MULTILINE,
)


def manifests(root: Path = ROOT) -> dict[str, str]:
    """Give the content of every file that is written, by its path below *root*."""
    rules = {path.name: path.read_text() for path in sorted((root / RULES).glob("*.yml"))}
    own = HEAD + yaml.safe_dump(
        {"rules": yaml.safe_load((root / LAGMON).read_text())["rules"]}, sort_keys=False, width=200
    )
    return {
        **{f"{CHART}/rules/{name}": text for name, text in rules.items()},
        f"{CHART}/files/rules.yml": own,
        OPERATOR: HEAD + "---\n".join(operator_rules(name, text) for name, text in rules.items()),
        **{path: with_rules((root / path).read_text(), own) for path in configurations(root)},
        **{path: with_version((root / path).read_text(), version(root)) for path in VERSIONED},
    }


def configurations(root: Path) -> list[str]:
    """Give the path of each overlay's configuration of lagmon."""
    return [
        str(path.relative_to(root))
        for path in sorted(root.glob("deploy/kubernetes/*/*/lagmon.yml"))
    ]


def operator_rules(name: str, text: str) -> str:
    """Give the rules of the file *name* as the Prometheus Operator takes them."""
    made: dict[str, Any] = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": name.removesuffix(".yml")},
        "spec": yaml.safe_load(text),
    }
    return yaml.safe_dump(made, sort_keys=False, width=1000)


def with_rules(text: str, own: str) -> str:
    """Give the configuration *text*, its end being lagmon's *own* rules."""
    return text.partition(MARK)[0] + MARK + own.removeprefix(HEAD)


def with_version(text: str, number: str) -> str:
    """Give *text* with *number* in each line that holds the version, quoted where it was."""
    return VERSION.sub(
        lambda found: found["key"] + re.sub(r"[\w.-]+", number, found["old"], count=1), text
    )


def version(root: Path) -> str:
    """Give the version of the project."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    return str(project["version"])


def stale(root: Path, kept: dict[str, str]) -> list[Path]:
    """Give the chart's rule files that have no source any more."""
    return [
        path
        for path in (root / CHART / "rules").glob("*")
        if str(path.relative_to(root)) not in kept
    ]


def main(root: Path = ROOT) -> None:
    """Write every file whose content differs, and name it."""
    made = manifests(root)
    for path in stale(root, made):
        path.unlink()
        sys.stdout.write(f"removed {path.relative_to(root)}\n")
    for name, content in made.items():
        path = root / name
        if not path.exists() or path.read_text() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
            sys.stdout.write(f"wrote {name}\n")


if __name__ == "__main__":
    main()
