"""The how-to of the status page names what there is."""

from __future__ import annotations

from lagmon.web import detail
from lagmon.web.choice import SHOWN, SORTED
from lagmon.web.status import GROUPS_SHOWN
from tests.docs.pages import DOCS, table

NAME = "how-to/read-the-status-page.md"


def test_the_queries_are_those_that_the_page_knows() -> None:
    """Each with its values."""
    cells = table(NAME, "Find a group")[1:]
    rows = {row[0].strip("`"): row[1].replace("`", "") for row in cells}

    assert list(rows) == ["q", "show", "cluster", "sort", "refresh"]
    assert rows["show"] == ", ".join(value for value, _ in SHOWN)
    assert rows["sort"] == ", ".join(value for value, _ in SORTED)


def test_the_commands_are_those_that_the_page_may_show() -> None:
    """By their titles, in the order of the page."""
    assert [row[0] for row in table(NAME, "One group")[1:]] == list(detail._TITLES.values())


def test_the_bound_is_that_of_the_page() -> None:
    """Nobody is surprised by a group that is not there."""
    assert f"At most {GROUPS_SHOWN} groups of a cluster" in (DOCS / NAME).read_text()
