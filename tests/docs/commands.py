"""Read what the pages of docs/ would have somebody type: the commands in their ``sh`` blocks.

A block whose first line begins with ``# Example`` is marked: it is shell, and no more is known of
it. Each command of the others is here as words, as a shell would hand them over.
"""

from __future__ import annotations

import re
import shlex
import textwrap
from typing import TYPE_CHECKING, NamedTuple

from tests.docs.pages import DOCS

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDERS = (
    *("runbooks", "playbooks", "operations", "how-to", "tutorial"),
    *("reference", "explanation", "adr"),
)
MARK = "# Example"
BLOCK = re.compile(r"^(?P<indent> *)```sh\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
SET = re.compile(r"[A-Z][A-Z0-9_]*=")
# What a reader puts something of their own in the place of.
PLACEHOLDER = re.compile(r"[A-Z][A-Z0-9_]*")


class Typed(NamedTuple):
    """One command: where it stands, its *words*, and the variables that are set before it."""

    page: str
    words: tuple[str, ...]
    environment: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.words)}"


def pages() -> list[str]:
    """Name the pages, as paths below docs/."""
    return sorted(
        str(page.relative_to(DOCS)) for folder in FOLDERS for page in (DOCS / folder).glob("*.md")
    )


def shell_blocks(page: str) -> list[str]:
    """Give every ``sh`` block of *page*, the marked ones too."""
    found = BLOCK.finditer((DOCS / page).read_text())
    return [textwrap.dedent(block["text"]) for block in found]


def is_example(block: str) -> bool:
    """Tell whether the reader is told that *block* is an example."""
    return block.startswith(MARK)


def typed(page: str) -> list[Typed]:
    """Give the commands of *page* in their order, without those of examples."""
    return [
        command
        for block in shell_blocks(page)
        if not is_example(block)
        for command in commands(page, block)
    ]


def commands(page: str, block: str) -> Iterator[Typed]:
    """Take *block* of *page* apart: lines, pipes, lists; what is sent to a file is not a word."""
    for line in block.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[str] = []
        into_file = False
        for word in [*lexer, ";"]:
            if into_file:
                into_file = False
            elif set(word) <= set("<>&") and set(word) & set("<>"):
                into_file = True
            elif set(word) <= set(";|&"):
                if words:
                    yield command(page, words)
                words = []
            else:
                words.append(word)


def command(page: str, words: list[str]) -> Typed:
    """Give the command that *words* are: what is set before it is not a part of it."""
    ahead = 0
    while ahead < len(words) and SET.match(words[ahead]):
        ahead += 1
    return Typed(page, tuple(words[ahead:]), tuple(words[:ahead]))


def options(words: tuple[str, ...]) -> list[str]:
    """Name the options in *words*, without their values."""
    return [word.partition("=")[0] for word in words if re.match(r"--?[A-Za-z]", word)]
