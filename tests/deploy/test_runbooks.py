"""Runbooks: one for each alert, in four parts, about alerts, metrics and words that exist.

What they tell to type is tried by tests/docs/test_commands.py.
"""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache
from typing import TYPE_CHECKING

import pytest

from lagmon.collector.grants import HIDES
from tests.deploy.exported import TARGET, exported, recorded
from tests.deploy.files import COMPOSE, ROOT, RULES, alerting_rules
from tests.deploy.promql import metrics_of
from tests.deploy.runbooks import FIRST, INDEX, PAGES, head, lead, queries, steps
from tests.infra.require import need

if TYPE_CHECKING:
    from pathlib import Path

ALERTS = {rule["alert"]: rule for rule in alerting_rules()}
RECORDED = recorded()
PARTS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
MOST_STEPS = 4  # what somebody does who was asleep a minute ago
GRAFANA = "http://localhost:3000/d/"
DASHBOARDS = ROOT / "deploy/grafana/dashboards"
SOURCES = ("consumers", "lagmon", "propagation")
# Words of Postgres and Kafka, in the places where ours could stand.
OTHERS = {"pg_wal", "max_connections", "waits_for"}
each_runbook = pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.stem))


@cache
def panels(uid: str) -> set[str]:
    """Give the titles of what the dashboard *uid* shows."""
    dashboard = json.loads((DASHBOARDS / f"{uid}.json").read_text())
    return {panel["title"] for panel in dashboard["panels"] if panel["type"] != "row"}


@cache
def source() -> str:
    """Give the text of our packages, rules and stack: whatever word a service says stands there."""
    modules = [path for name in SOURCES for path in (ROOT / name).rglob("*.py")]
    return "\n".join(path.read_text() for path in [*modules, *RULES.glob("*.yml"), COMPOSE])


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give what promtool says of every query of every page, asked once."""
    program = need("promtool", "apt-get install prometheus")
    groups = [
        {
            "name": path.stem,
            "rules": [
                {"record": f"query_{number}", "expr": query}
                for number, query in enumerate(queries(path))
            ],
        }
        for path in PAGES
    ]
    rules = tmp_path_factory.mktemp("runbooks") / "queries.yml"
    rules.write_text(json.dumps({"groups": groups}))
    done = subprocess.run(
        [program, "check", "rules", str(rules)], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def test_each_alert_has_a_page() -> None:
    """No alert leads nowhere, and no page is left over from one that is no more."""
    assert {path.stem for path in PAGES} == ALERTS.keys()


@each_runbook
def test_a_runbook_has_four_parts(path: Path) -> None:
    """A page says what the alert means, what it does, how to find out and what to do, in order."""
    text = path.read_text()

    assert text.startswith(f"# {path.stem}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == PARTS


@each_runbook
def test_a_runbook_names_the_alert_as_it_arrives(path: Path) -> None:
    """The page repeats the code, the severity and the priority of its alert, the first thing."""
    labels = ALERTS[path.stem]["labels"]

    line = "Code `{code}`, severity {severity}, priority {priority}.".format(**labels)

    assert path.read_text().splitlines()[2] == line


@each_runbook
def test_a_runbook_begins_with_what_to_do_at_once(path: Path) -> None:
    """Before it explains anything a page has a few steps, the first in one short sentence."""
    assert head(path).count(FIRST) == 1
    assert 1 < len(steps(path)) <= MOST_STEPS
    assert lead(path).endswith(".")


@each_runbook
def test_a_runbook_leads_on(path: Path) -> None:
    """A page says who is to be woken when, and which playbook or operation comes next."""
    _, _, mitigation = path.read_text().partition("\n## Mitigation\n")

    assert "**Escalate** " in mitigation
    assert re.search(r"\]\(\.\./(?:playbooks|operations)/", head(path))


@each_runbook
def test_a_runbook_opens_the_dashboard_of_its_alert(path: Path) -> None:
    """The page links dashboards, the one that the alert names among them, and panels on each."""
    linked = re.findall(rf"{re.escape(GRAFANA)}([\w-]+)\)([^\[]*)", head(path))

    assert ALERTS[path.stem]["annotations"]["dashboard"] in {uid for uid, _ in linked}
    for uid, told in linked:
        shown = set(re.findall(r"(?<!\*)\*([^*]+)\*(?!\*)", " ".join(told.split())))
        assert shown
        assert shown <= panels(uid)


@each_runbook
def test_a_query_asks_for_what_is_exported(path: Path) -> None:
    """Every metric of a query exists, with the labels by which it is chosen."""
    asked = queries(path)
    chosen = [
        (name, label)
        for query in asked
        for name, labels in re.findall(r"([\w:]+)\{([^}]*)\}", query)
        for label in re.findall(r"(\w+)\s*[!=]", re.sub(r'"[^"]*"', "", labels))
    ]

    assert {name for query in asked for name in metrics_of(query)} <= RECORDED | exported().keys()
    assert [
        (name, label)
        for name, label in chosen
        if name not in RECORDED and label not in exported()[name] | TARGET
    ] == []


@each_runbook
def test_a_query_can_be_parsed(path: Path, parsed: str) -> None:
    """Promtool has nothing against a query of the page."""
    assert f'"{path.stem}"' not in parsed
    assert "SUCCESS" in parsed or "FAILED" in parsed


@each_runbook
def test_a_word_of_ours_is_one(path: Path) -> None:
    """An event, metric, state or setting that a page names is one that the code has.

    That holds for what is searched for in the logs too.
    """
    text = path.read_text()
    searched = " ".join(re.findall(r"\| grep (.+)", text))
    told = " ".join(re.findall(r"`\w+`", text))

    words = set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", f"{searched} {told}")) - OTHERS

    missing = {word for word in words if word not in source()} - exported().keys()
    assert missing == set()


@each_runbook
def test_a_silence_is_for_the_alert_of_the_page(path: Path) -> None:
    """Nobody silences another alert by a line that was copied."""
    assert set(re.findall(r"alertname=(\w+)", path.read_text())) <= {path.stem}


def test_the_index_has_each_alert_the_most_urgent_first() -> None:
    """The table has the alert's priority, and the first thing to do as the page says it."""
    row = re.compile(r"^\| \[(\w+)\]\(\1\.md\) \| (P\d) \| (.+) \|$", re.MULTILINE)
    rows = row.findall(INDEX.read_text())

    assert rows == sorted(
        [(path.stem, ALERTS[path.stem]["labels"]["priority"], lead(path)) for path in PAGES],
        key=lambda row: (row[1], row[0]),
    )


def test_the_index_names_alerts_that_exist() -> None:
    """So does the list of what to begin with, and no link of a page leads to none."""
    begin = re.findall(r"^\d\. .+?: (.+)$", INDEX.read_text(), re.MULTILINE)

    named = {name for line in begin for name in re.findall(r"`(\w+)`", line)}

    assert named
    assert named <= {path.stem for path in PAGES}


def test_what_a_missing_right_may_hide_is_what_lagmon_says() -> None:
    """The page's table has each kind that is counted, and what lagmon itself says of it."""
    page = (ROOT / "docs/runbooks/LagmonMissingRights.md").read_text()
    rows = dict(re.findall(r"^ *\| `(\w+)` \| (\w+)", page, re.MULTILINE))

    assert rows == {str(kind): said.partition(" ")[0] for kind, said in HIDES.items()}
