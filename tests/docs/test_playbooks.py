"""Playbooks, operations and how-tos speak of what there is, and lead from one to the next."""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache

import pytest

from tests.deploy.exported import unknown
from tests.deploy.files import ROOT, RULES
from tests.docs.commands import pages
from tests.docs.pages import DOCS, table, text
from tests.infra.require import need

NAMES = ["database-failure", "high-latency", "degradation", "security-incident", "data-loss"]
PLAYBOOKS = [f"playbooks/{name}.md" for name in NAMES]
OPERATIONS = [f"operations/{name}.md" for name in ("restart", "scale", "rollback", "replay")]
DOING = [page for page in pages() if not page.startswith(("reference/", "explanation/", "adr/"))]
ASKING = [page for page in pages() if not page.startswith("runbooks/")]
# Words in code that look like ours and are Postgres's.
OTHERS = {"max_connections", "pg_is_in_recovery", "seq_scan"}
THEIRS = "kafka_consumergroup_"  # of the exporters that somebody comes from
SOURCES = ("consumers", "lagmon", "propagation")


def queries(page: str) -> list[str]:
    """Give the PromQL of *page*, a query a line."""
    blocks = re.findall(r"```promql\n(.*?)```", text(page), re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip()]


def parts(page: str) -> list[str]:
    """Name the parts of *page*."""
    return re.findall(r"^## (.+)$", text(page), re.MULTILINE)


@cache
def source() -> str:
    """Give the text of our packages and rules: whatever word a service says stands there."""
    modules = [path for name in SOURCES for path in (ROOT / name).rglob("*.py")]
    return "\n".join(path.read_text() for path in [*modules, *RULES.glob("*.yml")])


def test_there_is_a_playbook_for_each_kind_of_incident() -> None:
    """The index links each, and there is none that it does not."""
    linked = re.findall(r"^\| \[[\w ]+\]\(([\w-]+\.md)\)", text("playbooks/index.md"), re.MULTILINE)

    assert linked == [page.partition("/")[2] for page in PLAYBOOKS]
    assert {path.name for path in (DOCS / "playbooks").glob("*.md")} == {*linked, "index.md"}


def test_the_operations_are_linked_from_their_index() -> None:
    """Each of them, and nothing else."""
    linked = re.findall(
        r"^\| \[[\w ]+\]\(([\w-]+\.md)\)", text("operations/index.md"), re.MULTILINE
    )

    assert [f"operations/{name}" for name in linked] == OPERATIONS
    assert {path.name for path in (DOCS / "operations").glob("*.md")} == {*linked, "index.md"}


def test_priorities_are_answered_as_fast_as_paging_says() -> None:
    """The playbooks and the reference of paging name the same times."""
    here = {row[0]: row[2] for row in table("playbooks/index.md", "Priorities")[1:]}
    there = {row[0]: row[6] for row in table("reference/paging.md", "Priorities")[1:]}

    assert len(here) == 4
    assert here.items() <= there.items()


@pytest.mark.parametrize("page", PLAYBOOKS)
def test_a_playbook_goes_from_the_page_to_the_review(page: str) -> None:
    """It has first the quarter of an hour, then decisions; at its end proof, then the review."""
    found = parts(page)
    order = ["The first 15 minutes", "Decide", "Verify", "Afterwards"]

    assert [part for part in found if part in order] == order
    assert found[-2:] == order[-2:]
    assert len(found) > len(order)  # and something to do
    assert "index.md#roles" in text(page)
    assert "index.md#evidence" in text(page) or "> evidence/" in text(page)


@pytest.mark.parametrize("page", PLAYBOOKS)
def test_every_decision_leads_to_something(page: str) -> None:
    """No row of the table of decisions ends without a word on what to do."""
    table = text(page).partition("\n## Decide\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("| ")]

    assert len(rows) > 4
    assert all(row[-1].strip() for row in rows)


@pytest.mark.parametrize("page", OPERATIONS)
def test_an_operation_ends_with_a_look(page: str) -> None:
    """What was done is looked at: by readiness, by a metric or by the data."""
    last = text(page).rpartition("\n## ")[2]

    assert last.startswith(("Afterwards", "What it costs"))
    assert "```promql" in text(page)


@pytest.mark.parametrize("page", [*PLAYBOOKS, *OPERATIONS, "playbooks/index.md"])
def test_a_word_of_ours_is_one(page: str) -> None:
    """Log events, settings and codes in a page are words that our code or rules have."""
    words = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)[`=]", text(page)))

    assert {word for word in words - OTHERS if word not in source()} == set()


@pytest.mark.parametrize("page", ASKING)
def test_a_query_asks_for_what_is_exported(page: str) -> None:
    """Every metric in a query of a page is exported by somebody or recorded by our rules."""
    found = {name for query in queries(page) for name in unknown(query)}

    assert {name for name in found if not name.startswith(THEIRS)} == set()


def test_a_query_can_be_asked(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Promtool can parse each line of each block of PromQL, of all pages at once."""
    program = need("promtool", "install the Debian package prometheus")
    found = [query for page in ASKING for query in queries(page)]
    rules = [{"record": f"query_{number}", "expr": query} for number, query in enumerate(found)]
    file = tmp_path_factory.mktemp("queries") / "queries.yml"
    file.write_text(json.dumps({"groups": [{"name": "pages", "rules": rules}]}))

    done = subprocess.run(
        [program, "check", "rules", str(file)], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert f"{len(found)} rules found" in done.stdout


def test_every_how_to_is_in_the_index() -> None:
    """Each is linked once, in one of the groups."""
    linked = re.findall(r"\]\(([\w-]+\.md)\)", text("how-to/index.md"))

    assert sorted(linked) == sorted(
        path.name for path in (DOCS / "how-to").glob("*.md") if path.name != "index.md"
    )


@pytest.mark.parametrize("page", DOING)
def test_a_page_leads_on(page: str) -> None:
    """Whoever has come to the end of a page finds the next one."""
    assert re.search(r"\]\([^)]*\.md(?:#[\w-]+)?\)", text(page))
