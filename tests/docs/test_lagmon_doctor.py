"""The reference of `lagmon doctor` says what the command has."""

from __future__ import annotations

import json
import re

from lagmon.commands import doctor
from lagmon.doctor.findings import Finding, Level
from lagmon.doctor.sheet import as_json
from tests.docs.pages import DOCS, options

PAGE = (DOCS / "reference" / "lagmon-doctor.md").read_text()


def test_every_option_stands_on_the_page() -> None:
    """And none that there is not."""
    assert set(re.findall(r"^\| `(--[\w-]+)", PAGE, re.MULTILINE)) == options(doctor)


def test_every_level_stands_on_the_page() -> None:
    """From good to bad."""
    part = PAGE.partition("## Levels")[2].partition("##")[0]

    assert re.findall(r"^\| `(\w+)`", part, re.MULTILINE) == [level.value for level in Level]


def test_the_example_has_the_form_of_the_answer() -> None:
    """The same keys, in the same order."""
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    printed = json.loads(as_json([Finding(Level.FAILED, "here", "this", "so", "that")]))

    shown = json.loads(example)

    assert list(shown) == list(printed)
    assert [list(one) for one in shown["findings"]] == [list(one) for one in printed["findings"]]
