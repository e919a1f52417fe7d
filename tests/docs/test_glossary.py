"""The glossary has no word that nobody uses, and none twice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.docs.pages import DOCS, text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORDS = re.findall(r"^\| (?!word |---)([^|]+?) \| .+ \|$", text("glossary.md"), re.MULTILINE)
# What has to be there, because rules, dashboards and pages of people on call say it.
WANTED = {"SLO", "error budget", "burn rate", "exemplar", "dead letter", "lane", "lag", "page"}


def read() -> Iterator[Path]:
    """Give the files in which people read our words: pages, rules, what lagmon shows, the code."""
    yield from (page for page in DOCS.rglob("*.md") if page.name != "glossary.md")
    yield from (DOCS.parent / "deploy/prometheus/rules").glob("*.yml")
    yield from (DOCS.parent / "lagmon/web/templates").iterdir()
    yield from (DOCS.parent / "consumers").rglob("*.py")


def test_every_word_is_used_somewhere() -> None:
    """Each word of the glossary, or its plural, stands on a page, in a rule, on a screen."""
    whole = " ".join(" ".join(path.read_text().split()) for path in read()).casefold()

    # The words of a name may be joined, as in a metric's.
    forms = {word: r"[ _-]".join(map(re.escape, word.casefold().split())) for word in WORDS}
    found = {word for word, form in forms.items() if re.search(rf"(?<![a-z]){form}s?\b", whole)}
    assert set(WORDS) - found == set()


def test_every_word_is_explained_once() -> None:
    """No word stands twice, and those that alerts and dashboards use are there."""
    assert len(WORDS) == len(set(WORDS))
    assert set(WORDS) >= WANTED
