"""Hooks of mkdocs: the navigation from the folders, and the files that pages link to outside docs/.

In comes the tree as it stands on disk. Out go a navigation with every page, by folder and title, a
copy of each linked file of the repository in the site, of a folder with a page that lists it, links
that lead there, and lists as mkdocs reads them. A link to what is not there is left as it is: the
strict build refuses it.
"""

# ruff: noqa: INP001  # mkdocs loads this file by its path
from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File, InclusionLevel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

DOCS = Path(__file__).parent
ROOT = DOCS.parent
OUTSIDE = "tree"  # the folder of the site with copies of the repository's files
BESIDE = InclusionLevel.NOT_IN_NAV  # also what begins with a dot, and needs no place there
PROJECT = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
ON_CALL = ("runbooks", "playbooks", "operations")
SECTIONS = {
    "Tutorials": ("tutorial",),
    "How-to": ("how-to",),
    "On call": ON_CALL,
    "Reference": ("reference",),
    "Explanation": ("explanation",),
    "Decisions": ("adr",),
}
GROUPS = ("lagmon", "consumers", "propagation", "The stack")  # of the reference
BY_NAME = {"adr", "tutorial"}  # the first one first
PROPAGATION = {"exporting", "http", "logging", "telemetry", "w3c"}  # pages without its name
LINK = re.compile(r"(?<=\]\()(?!\w+:|#|/)([^)#\s]+)")
ITEM = re.compile(r"(?:\d+\.|[-*]) +(?=\S)")
WIDE = 4  # columns
SEARCH = '<div class="md-search" data-md-component="search" role="dialog"'
PICTURE = re.compile(r'(?<= src=")(?!\w+:|/)([^"]+)')  # in HTML, which mkdocs leaves as it is
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Make the navigation."""
    config.nav = navigation()
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what is linked to outside docs/, and the pages on the project."""
    pages = [*DOCS.rglob("*.md"), *(ROOT / name for name in PROJECT)]
    linked = {target for page in pages for target in links(page.read_text(), page)}
    linked |= {ROOT / name for name in PROJECT}
    for folder in sorted(path for path in linked if path.is_dir() and outside(path)):
        inside = sorted(path for path in folder.rglob("*") if path.is_file())
        linked |= set(inside)
        rows = "".join(f"- [{(name := path.relative_to(folder))}]({name})\n" for path in inside)
        content = f"# {folder.relative_to(ROOT)}\n\n{rows}"
        uri = f"{place(folder)}/index.md"
        files.append(File.generated(config, uri, content=content, inclusion=BESIDE))
    for path in sorted(path for path in linked if path.is_file() and outside(path)):
        copy = File.generated(config, place(path), abs_src_path=str(path), inclusion=BESIDE)
        files.append(copy)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead the links that leave docs/, and those of pages from outside it, to their copies."""
    del config, files
    source = Path(page.file.abs_src_path or "")
    folder = os.path.dirname(page.file.src_uri)  # noqa: PTH120  # of an address, not of a file

    def led(found: re.Match[str]) -> str:
        path = Path(os.path.normpath(source.parent / found[0]))
        if not path.exists() or not (outside(path) or outside(source)):
            return found[0]
        return os.path.relpath(place(path), folder or ".") + "/index.md" * path.is_dir()

    def shown(found: re.Match[str]) -> str:
        picture = os.path.normpath(os.path.join(folder, found[0]))  # noqa: PTH118  # the same
        return os.path.relpath(picture, page.file.url)

    return PICTURE.sub(shown, LINK.sub(led, widened(markdown)))


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Give the search a name for those who hear the page: the theme leaves it without one."""
    del page, config
    return output.replace(SEARCH, f'{SEARCH} aria-label="Search"', 1)


def widened(markdown: str) -> str:
    """Give *markdown* with what belongs to an item of a list indented by four, as mkdocs wants it.

    The pages are written as CommonMark has it: below the first letter of the item.
    """
    lines, own, fenced = [], 0, False
    for line in markdown.splitlines():
        fenced ^= line.startswith("```")
        item = None if fenced else ITEM.match(line)
        if item or (line and not line.startswith(" " * own)):
            own = len(item[0]) if item else 0
            lines.append(line)
        else:
            lines.append(" " * (WIDE - own) + line if own and line and not fenced else line)
    return "\n".join(lines) + "\n"


def navigation() -> list[Any]:
    """Give every page of docs/ in sections; folders that no section names come last."""
    nav: list[Any] = [{"lagmon": "index.md"}]
    named = {name for folders in SECTIONS.values() for name in folders}
    others = {page.relative_to(DOCS).parts[0] for page in DOCS.rglob("*/*.md")} - named
    for title, folders in [*SECTIONS.items(), *((name, (name,)) for name in sorted(others))]:
        pages = [page for name in folders for page in section(name)]
        nav += [{title: pages}] if pages else []
    alone = [page for page in in_order(DOCS.glob("*.md")) if page != "index.md"]
    nav.append({"Project": [*alone, *PROJECT]})
    return nav


def section(name: str) -> list[Any]:
    """Give the pages of the folder *name*: its index, then the others by title or in groups."""
    pages: list[Any] = in_order((DOCS / name).rglob("*.md"))
    index = [page for page in pages if Path(page).name == "index.md"]
    others = [page for page in pages if page not in index]
    if name == "reference":
        of_group = {group: [p for p in others if group_of(p) == group] for group in GROUPS}
        return index + [{group: of_group[group]} for group in GROUPS if of_group[group]]
    return [{name.title(): pages}] if name in ON_CALL and pages else index + others


def group_of(page: str) -> str:
    """Name the part of the product that a page of the reference is about."""
    stem = Path(page).stem
    if stem in PROPAGATION:
        return "propagation"
    return next((part for part in GROUPS if stem.startswith(part)), GROUPS[-1])


def in_order(pages: Iterable[Path]) -> list[str]:
    """Give the addresses of *pages* by their titles; decisions and tutorials by their names."""

    def by(page: Path) -> tuple[str, str]:
        return page.name if page.parent.name in BY_NAME else "", title(page)

    return [page.relative_to(DOCS).as_posix() for page in sorted(pages, key=by)]


def title(page: Path) -> str:
    """Give the first line of *page*, for sorting."""
    return page.read_text().partition("\n")[0].strip("# `").lower()


def links(text: str, page: Path) -> set[Path]:
    """Give the files that *text* of *page* links to, code aside."""
    found = LINK.findall(FENCE.sub("", text))
    return {path for one in found if (path := Path(os.path.normpath(page.parent / one))).exists()}


def outside(path: Path) -> bool:
    """Tell whether *path* lies in the repository, but not in docs/."""
    return not path.is_relative_to(DOCS)


def place(path: Path) -> str:
    """Give the address of *path* in the site's sources."""
    if not outside(path):
        return path.relative_to(DOCS).as_posix()
    inside = path.relative_to(ROOT).as_posix()
    return inside if inside in PROJECT else f"{OUTSIDE}/{inside}"
