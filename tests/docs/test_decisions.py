"""The pages on decisions have one form, and their list has all of them."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.docs.pages import DOCS, table, text

PAGES = sorted(page.name for page in (DOCS / "adr").glob("0*.md"))
PARTS = ["Context", "Decision", "Consequences"]


def test_the_list_has_every_decision_under_its_title() -> None:
    """Numbers have no gap, and each row of the list says the number, the page and its title."""
    rows = re.findall(r"^\| \[(\d{4})\]\((.+?)\) \| (.+) \|$", text("adr/index.md"), re.MULTILINE)

    titles = [text(f"adr/{page}").partition("\n")[0].partition(". ")[2] for page in PAGES]
    numbers = [f"{number:04}" for number in range(1, len(PAGES) + 1)]
    assert rows == list(zip(numbers, PAGES, titles, strict=True))


@pytest.mark.parametrize("page", PAGES)
def test_a_decision_has_its_parts_and_is_short(page: str) -> None:
    """Status, context, decision, consequences, in this order, and no book."""
    content = text(f"adr/{page}")

    assert re.match(rf"# {int(page[:4])}\. .+\n\nStatus: \w+, \d{{4}}-\d\d-\d\d\.\n\n", content)
    assert re.findall(r"^## (.+)$", content, re.MULTILINE) == PARTS
    assert len(content.split()) < 700


def test_every_dependency_has_its_reason() -> None:
    """Each package that pyproject.toml asks for stands in a table of reasons, shipped or not."""
    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text())
    asked = [
        *project["project"]["dependencies"],
        *(one for extra in project["project"]["optional-dependencies"].values() for one in extra),
        *(one for group in project["dependency-groups"].values() for one in group),
    ]
    names = {re.split(r"[\[><=]", one)[0] for one in asked if isinstance(one, str)} - {"lagmon"}
    given = {
        cell.strip()
        for page in ("0001-a-short-list-of-dependencies.md", "0019-what-development-needs.md")
        for row in table(f"adr/{page}", "Decision")[1:]
        for cell in re.split(r",| ≥.*| \(.*", row[0])
    }

    assert names - given == set()
