"""The page on the design has the parts that readers come for, and its maps are of this tree."""

from __future__ import annotations

import ast
import re

from tests.docs.pages import DOCS, table, text

PAGE = "explanation/design.md"
ROOT = DOCS.parent
PACKAGES = ("propagation", "consumers", "lagmon")
BESIDE = ("benchmarks", "demo", "docs", "requirements", "tests")


def first_line(folder: str) -> str:
    """Give what the package *folder* says of itself first."""
    module = ast.parse((ROOT / folder / "__init__.py").read_text())
    return (ast.get_docstring(module) or "").partition("\n")[0].replace("``", "`")


def packages() -> dict[str, str]:
    """Give the folders of the three packages with what they say; single migrations aside."""
    found = [file.parent for name in PACKAGES for file in (ROOT / name).rglob("__init__.py")]
    names = [str(folder.relative_to(ROOT)) for folder in found if folder.name != "versions"]
    return {name: first_line(name) for name in names}


def test_the_parts_are_there_in_their_order() -> None:
    """Lives of a message and of a snapshot, the maps, and what has been a bug, which comes last."""
    parts = re.findall(r"^## (.+)$", text(PAGE), re.MULTILINE)

    wanted = ["Life of a message", "Life of a snapshot", "File map", "Folders", "Not obvious"]
    assert [part for part in parts if part in wanted] == wanted


def test_the_list_of_folders_is_the_tree() -> None:
    """Each folder of the packages and of deploy/ has its row; a package says its own first line."""
    rows = {row[0].strip("`"): row[1] for row in table(PAGE, "Folders")[1:]}
    deploy = {f"deploy/{one.name}" for one in (ROOT / "deploy").iterdir() if one.is_dir()}

    shown = {name: told for name, told in rows.items() if name.startswith(PACKAGES)}
    assert shown == packages()
    assert set(rows) - set(shown) == {*BESIDE, *(deploy - {"deploy/__pycache__"})}


def test_the_file_map_leads_into_every_package() -> None:
    """Each folder of the packages decides something that the map asks; its files are there."""
    asked = table(PAGE, "File map")[1:]
    named = {path for row in asked for path in re.findall(r"`(\w+/[\w/.]+)`", row[1])}
    # Commands and their parts wire what others decide.
    wiring = {"lagmon/commands", "consumers/commands", "lagmon", "consumers", "propagation"}

    lost = {path for path in named if not (ROOT / path).exists()}
    led = {path if (ROOT / path).is_dir() else path.rpartition("/")[0] for path in named}
    assert lost == set()
    assert set(packages()) - wiring - led == set()


def test_each_invariant_is_a_sentence_and_its_reason() -> None:
    """What is not obvious stands in bold, and what happens without it after that."""
    bullets = [
        line
        for line in text(PAGE).partition("\n## Not obvious\n")[2].splitlines()
        if line[:2] == "- "
    ]

    assert len(bullets) > 30
    assert [one for one in bullets if not re.match(r"- \*\*.+[.,]\*\* .+\.$", one)] == []
