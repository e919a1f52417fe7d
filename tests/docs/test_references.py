"""The reference pages on logging and exporting say what the code does, and their examples run."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from propagation.integrations.masking import KEYS
from propagation.sdk.environment import read
from tests.docs.pages import DOCS, blocks

LOGGING, EXPORTING = "reference/logging.md", "reference/exporting.md"

# What differs from run to run.
VARYING = re.compile(r'"(timestamp|trace_id|span_id)":"[^"]+"')

EXAMPLES = [
    (page, block.heading, block.text, after.text if after and after.language != "python" else "")
    for page in (LOGGING, EXPORTING)
    for block, after in zip(blocks(page), [*blocks(page)[1:], None], strict=True)
    if block.language == "python"
]


@pytest.mark.parametrize(
    ("page", "heading", "code", "shown"), EXAMPLES, ids=[f"{e[0]}: {e[1]}" for e in EXAMPLES]
)
def test_an_example_prints_what_the_page_shows(
    page: str, heading: str, code: str, shown: str
) -> None:
    """Each example runs as it stands; its output differs from the page's in ids and times alone."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "PYTHONPATH": ".", "OTEL_TRACES_EXPORTER": "none"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, f"{page}, {heading}: {done.stderr}"
    assert VARYING.sub(r"\1", done.stdout) == VARYING.sub(r"\1", shown)


class Asked(dict[str, str]):
    """An environment that notes which variables it is asked for."""

    names: set[str]

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        """Note *name* and give its value."""
        self.names.add(name)
        return super().get(name, default)


def rows() -> list[tuple[list[str], str]]:
    """Give the names and the default of each row of the page's table."""
    table = re.findall(r"^\| (`OTEL.*?) \| (.*?) ?\|", (DOCS / EXPORTING).read_text(), re.MULTILINE)
    return [(re.findall(r"`(\w+)`", names), default.strip("` ")) for names, default in table]


def test_every_variable_is_in_the_table() -> None:
    """The table has each variable that is read, and no other."""
    environ = Asked(OTEL_TRACES_SAMPLER="traceidratio")
    environ.names = set()
    read(environ)

    documented = [name for names, _ in rows() for name in names]
    assert len(documented) == len(set(documented))
    assert set(documented) == environ.names


def test_every_default_is_the_one_in_the_table() -> None:
    """A default of the table, when it is set, changes nothing."""
    given = {name: default for names, default in rows() for name in names if default}

    assert read(given) == read({})


def test_every_number_is_told_apart_from_its_default() -> None:
    """One more than the table's number is another setting, where the setting is ours to read."""
    numbers = {
        names[0]: int(default)
        for names, default in rows()
        if default.isdigit() and not names[0].endswith("LIMIT")
    }

    assert len(numbers) == 6
    for name, number in numbers.items():
        assert read({name: str(number - 1)}) != read({}), name


def test_every_name_that_is_masked_is_listed() -> None:
    """The page lists the names of secrets as the code has them, in the same order."""
    [listed] = re.findall(r"^`password`.*$", (DOCS / LOGGING).read_text(), re.MULTILINE)

    assert tuple(re.findall(r"`([^`]+)`", listed)) == KEYS
