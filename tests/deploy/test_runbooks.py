"""Runbooks: one for each alert, in four parts, with commands about things that exist."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from lagmon.metrics import REGISTER
from tests.deploy.files import RUNBOOKS, alerting_rules, services
from tests.infra.require import need

if TYPE_CHECKING:
    from pathlib import Path

PARTS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
# docker compose VERB [--options] SERVICE
COMPOSE = re.compile(r"docker compose (\w+)((?: --?[\w=-]+(?: \d+m)?)*) ([\w-]+)")
each_runbook = pytest.mark.parametrize(
    "path", sorted(RUNBOOKS.glob("*.md")), ids=lambda path: str(path.stem)
)


def blocks(path: Path, language: str) -> str:
    """Give the code blocks of *language* in the page at *path*."""
    return "\n".join(re.findall(rf"```{language}\n(.*?)```", path.read_text(), re.DOTALL))


@each_runbook
def test_a_runbook_has_four_parts(path: Path) -> None:
    """A page says what the alert means, what it does, how to find out and what to do, in order."""
    text = path.read_text()

    assert text.startswith(f"# {path.stem}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == PARTS


@each_runbook
def test_a_runbook_names_the_alert_as_it_arrives(path: Path) -> None:
    """The page repeats the code, the severity and the priority of its alert."""
    (labels,) = [rule["labels"] for rule in alerting_rules() if rule["alert"] == path.stem]

    line = "Code `{code}`, severity {severity}, priority {priority}.".format(**labels)

    assert line in path.read_text()


@each_runbook
def test_a_command_is_about_a_service_that_exists(path: Path) -> None:
    """Every `docker compose` line names a service of the compose file."""
    lines = [line for line in blocks(path, "sh").splitlines() if "docker compose" in line]

    named = [match[3] for line in lines if (match := COMPOSE.search(line))]

    assert lines
    assert len(named) == len(lines)
    assert set(named) <= services().keys()


@each_runbook
def test_a_metric_in_a_runbook_exists(path: Path) -> None:
    """Every metric of lagmon that a page names stands in the register."""
    named = set(re.findall(r"\blagmon_\w+", path.read_text()))

    assert named <= {metric.name for metric in REGISTER}


@each_runbook
def test_a_query_in_a_runbook_can_be_asked(path: Path, tmp_path: Path) -> None:
    """Promtool can parse each line of each block of PromQL."""
    program = need("promtool", "apt-get install prometheus")
    lines = [line.strip() for line in blocks(path, "promql").splitlines() if line.strip()]
    asked = [{"record": f"query_{number}", "expr": line} for number, line in enumerate(lines)]
    rules = tmp_path / "queries.yml"
    rules.write_text(json.dumps({"groups": [{"name": path.stem, "rules": asked}]}))

    done = subprocess.run(
        [program, "check", "rules", str(rules)], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
