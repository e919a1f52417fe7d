"""Grafana's own types of a dashboard, by the compiler: a key or a value that there is not."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.deploy.dashboards import dashboards, panels
from tests.deploy.files import services
from tests.infra.require import MAKE_TOOLS, need

if TYPE_CHECKING:
    from collections.abc import Callable

TYPES = Path(__file__).parent / "grafana_types"
# What is wrong with each: a key that there is not, a value that there is not, a kind of panel.
WRONG: dict[str, Callable[[dict[str, Any]], object]] = {
    "a key of a dashboard": lambda board: board.update(editible=False),
    "a key of a variable": lambda board: board["templating"]["list"][1].update(multiple=True),
    "a key of an annotation": lambda board: board["annotations"]["list"][1].update(colour="red"),
    "a key of options": lambda board: panels(board)[0]["options"].update(colourMode="value"),
    "a value of options": lambda board: panels(board)[0]["options"].update(colorMode="colour"),
    "a key of a query": lambda board: panels(board)[0]["targets"][0].update(expression="up"),
    "a value of a threshold": lambda board: panels(board)[0]["fieldConfig"]["defaults"][
        "thresholds"
    ].update(mode="relative"),
    "a missing option": lambda board: panels(board)[0]["options"].pop("reduceOptions"),
    "a kind of panel": lambda board: panels(board)[0].update(type="graph"),
}


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Have the compiler read every dashboard, and wrong ones; give its words by their names."""
    tsc = Path(need("tsc", MAKE_TOOLS)).resolve()
    folder = tmp_path_factory.mktemp("types")
    for name in ("tsconfig.json", "shapes.ts"):
        shutil.copy(TYPES / name, folder)
    (folder / "node_modules").symlink_to(tsc.parents[2])
    named = {**dashboards(), **{name: changed(change) for name, change in WRONG.items()}}
    lines = [
        f"export const d{n}: Dashboard = {json.dumps(each)};"
        for n, each in enumerate(named.values())
    ]
    head = "import type { Dashboard } from './shapes';"
    (folder / "check.ts").write_text("\n".join([head, *lines]))

    done = subprocess.run([tsc, "-p", folder], capture_output=True, text=True, check=False)

    found = re.findall(r"check\.ts\((\d+),\d+\): (.+)", done.stdout)
    assert bool(found) == bool(done.returncode), done.stdout + done.stderr
    return {
        name: [said for line, said in found if int(line) == n]
        for n, name in enumerate(named, start=2)
    }


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Give a dashboard after a *change*."""
    dashboard = copy.deepcopy(dashboards()["lagmon-api"])
    change(dashboard)
    return dashboard


@pytest.mark.parametrize("uid", dashboards())
def test_a_dashboard_is_of_grafanas_type(uid: str, faults: dict[str, list[str]]) -> None:
    """Grafana's types know every key of the dashboard, and allow every value."""
    assert not faults[uid]


@pytest.mark.parametrize("name", WRONG)
def test_what_is_of_another_type_is_found(name: str, faults: dict[str, list[str]]) -> None:
    """The types refuse a key that there is not, and a value that there is not."""
    assert faults[name]


def test_the_types_are_those_of_the_grafana_that_runs() -> None:
    """The package of types has the version of the image, and its lock names no place on the net."""
    wanted = json.loads((TYPES / "package.json").read_text())["dependencies"]["@grafana/schema"]
    locked = (TYPES / "package-lock.json").read_text()

    assert services()["grafana"]["image"] == f"grafana/grafana:{wanted}"
    assert "://" not in locked
    assert json.loads(locked)["packages"]["node_modules/@grafana/schema"]["version"] == wanted
