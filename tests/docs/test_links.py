"""Links between the pages of docs/ lead somewhere."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import DOCS

LINKS = sorted(
    (str(page.relative_to(DOCS)), target)
    for page in DOCS.rglob("*.md")
    for target in set(re.findall(r"\]\((?!\w+:)([^)#\s]+)", page.read_text()))
)


@pytest.mark.parametrize(("page", "target"), LINKS)
def test_a_link_between_pages_leads_somewhere(page: str, target: str) -> None:
    """A relative link names a file or folder of the tree."""
    assert ((DOCS / page).parent / target).exists()
