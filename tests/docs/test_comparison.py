"""The page that compares with others: each cell has a source; ours lead to something of ours."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, table, text

PAGE = "explanation/comparison.md"
HEADINGS = ("Lag", "Traces through confluent-kafka")
ROOT = DOCS.parent
MARK = re.compile(r"\[\^([\w-]+)\](?!:)")
SOURCES = dict(re.findall(r"^\[\^([\w-]+)\]: (.+)$", text(PAGE), re.MULTILINE))
PINNED = re.compile(r"\(https://github\.com/[\w.-]+/[\w.-]+/(?:blob|commit)/[0-9a-f]{40}\b")
IN_PACKAGE = re.compile(r"^`(opentelemetry/[\w/]+\.py)`: `(.+)`\.$")
NOT_IN_PACKAGE = re.compile(r"^`grep -r (\w+)` in `(opentelemetry/[\w/]+)` finds nothing\.$")


def of_ours(source: str) -> list[str]:
    """Give the paths of this tree that *source* names."""
    paths = re.findall(
        r"`((?:tests|lagmon|propagation|consumers)/[\w/.]+|pyproject\.toml)`", source
    )
    return paths + [
        f"docs/explanation/{link}" for link in re.findall(r"\]\((\.\.?/[^)]+)\)", source)
    ]


def site_packages() -> Path:
    """Give the folder that the instrumentation of OpenTelemetry's contrib is installed in."""
    spec = importlib.util.find_spec("opentelemetry.instrumentation.confluent_kafka")
    assert spec
    assert spec.origin
    return Path(spec.origin).parents[3]


@pytest.mark.parametrize("heading", HEADINGS)
def test_every_cell_has_its_source(heading: str) -> None:
    """Each cell but the name of its row has a footnote that is there; each row has every column."""
    head, *rows = table(PAGE, heading)

    bare = [cell for row in rows for cell in row[1:] if not set(MARK.findall(cell)) & set(SOURCES)]
    assert bare == []
    assert {len(row) for row in rows} == {len(head)}


def test_every_source_is_asked_for_and_can_be_checked() -> None:
    """A footnote stands somewhere, and names words at a commit, a command, or a file of ours."""
    checkable = {
        name
        for name, source in SOURCES.items()
        if PINNED.search(source)
        or re.match(r'`git grep -ilE "[^"]+"` at [0-9a-f]{7} finds nothing\.$', source)
        or IN_PACKAGE.match(source)
        or NOT_IN_PACKAGE.match(source)
        or of_ours(source)
    }

    assert set(MARK.findall(text(PAGE))) == set(SOURCES)
    assert set(SOURCES) - checkable == set()


def test_what_is_said_of_us_leads_to_a_page_or_test_of_ours() -> None:
    """Each cell on lagmon and on propagation names files, and all of them are in the tree."""
    for heading in HEADINGS:
        for row in table(PAGE, heading)[1:]:
            paths = [path for name in MARK.findall(row[1]) for path in of_ours(SOURCES[name])]

            assert paths, row[0]
            assert [path for path in paths if not (ROOT / path).exists()] == [], row[0]


def test_figures_are_those_that_a_benchmark_printed() -> None:
    """A number in a cell whose source is a page of benchmarks stands on that page."""
    cells = [cell for heading in HEADINGS for row in table(PAGE, heading)[1:] for cell in row[1:]]
    measured = [
        (cell, found[0]) for cell in cells if (found := re.findall(r"\[\^(bench-\w+)", cell))
    ]
    figures = {
        (figure, page)
        for cell, name in measured
        for figure in re.findall(r"\d+(?:\.\d+)?", MARK.sub("", cell.replace(",", "")))
        for page in of_ours(SOURCES[name])
    }

    printed = {page: (ROOT / page).read_text().replace(",", "") for _, page in figures}
    lost = {one for one in figures if not re.search(rf"\b{re.escape(one[0])}\b", printed[one[1]])}
    assert len(measured) > 10
    assert lost == set()


def test_the_other_instrumentation_is_as_the_page_says() -> None:
    """Of contrib as it is installed here, the words of each source are found, or are not there."""
    found = [match.groups() for source in SOURCES.values() if (match := IN_PACKAGE.match(source))]
    lacking = [m.groups() for source in SOURCES.values() if (m := NOT_IN_PACKAGE.match(source))]

    assert len(found) == 7
    assert [pair for pair in found if pair[1] not in (site_packages() / pair[0]).read_text()] == []
    for word, folder in lacking:
        assert not any(word in file.read_text() for file in (site_packages() / folder).glob("*.py"))
