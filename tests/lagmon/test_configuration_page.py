"""The page on the configuration has every key with its default, and its examples are read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from lagmon.alerts.rules import SHIPPED
from lagmon.configuration.settings import Settings
from lagmon.configuration.sources import load
from tests.docs.pages import DOCS, blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

NAME = "reference/lagmon-configuration.md"
PAGE = (DOCS / NAME).read_text()
BETWEEN: dict[object, str] = {tuple: "[].", dict: ".NAME."}


def rows(section: str) -> list[list[str]]:
    """Give the cells of the table below the heading *section*, without its head."""
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|") and "---" not in line]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def part_of(kind: Any) -> type[BaseModel] | None:
    """Give the part of the configuration that *kind* is, or is a list or mapping of."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    found = [part_of(inner) for inner in get_args(kind)]
    return next((one for one in found if one), None)


def keys(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, str]]:
    """Give each key below *model* with its default as the page writes it."""
    for name, field in model.model_fields.items():
        key, part = f"{path}{field.alias or name}", part_of(field.annotation)
        if part is None:
            yield key, written(field.default, field.annotation)
        else:
            yield from keys(part, key + BETWEEN.get(get_origin(field.annotation), "."))


def written(default: Any, kind: Any) -> str:
    """Write *default* as the page does."""
    if default is PydanticUndefined:
        return "required"
    if default is None or default in ({}, ()):
        return "none"
    if isinstance(default, tuple):
        return ", ".join(f"`{getattr(one, 'pattern', one)}`" for one in default)
    return f"`{default:g}s`" if kind is float else f"`{default}`"


def test_every_key_stands_on_the_page_with_its_default() -> None:
    """The table is the settings: no key is missing, none is invented, and the defaults hold."""
    assert [(row[0].strip("`"), row[1]) for row in rows("Keys")] == list(keys(Settings))


def test_every_key_has_a_meaning() -> None:
    """No row leaves its reader alone with the name."""
    assert all(row[2] for row in rows("Keys"))


def test_every_rule_stands_on_the_page_with_what_is_shipped() -> None:
    """Name, condition and time of each rule that can be overridden."""
    shipped = [
        [f"`{rule.name}`", f"`{rule.condition}`", f"`{rule.for_seconds:g}s`"] for rule in SHIPPED
    ]

    assert rows("Rules") == shipped


def test_the_example_is_read(tmp_path: Path) -> None:
    """The file works as it stands."""
    example, *_ = [block.text for block in blocks(NAME) if block.language == "yaml"]
    path = tmp_path / "lagmon.yml"
    path.write_text(example)

    settings = load(path)

    assert (settings.clusters[0].name, len(settings.alertmanagers)) == ("production", 2)


def test_the_credentials_are_read(tmp_path: Path) -> None:
    """The example works where its files are."""
    _, example, _ = [block.text for block in blocks(NAME) if block.language == "yaml"]
    for found in set(re.findall(r"/(?:run|etc)/[\w./]+", example)):
        (tmp_path / Path(found).name).write_text("content")
    placed = re.sub(r"/(?:run|etc)/(?:\w+/)*", f"{tmp_path}/", example)
    path = tmp_path / "lagmon.yml"
    path.write_text(placed)

    (only,) = load(path, bootstrap_servers="kafka:9092").alertmanagers

    assert (only.username, only.password_file) == ("lagmon", tmp_path / "alertmanager")
    assert only.tls.key_file == tmp_path / "lagmon.key"


def test_the_pagerduty_of_the_page_is_read(tmp_path: Path) -> None:
    """It needs no more than a key."""
    _, _, example = [block.text for block in blocks(NAME) if block.language == "yaml"]
    (tmp_path / "pagerduty").write_text("key")
    path = tmp_path / "lagmon.yml"
    path.write_text(example.replace("/run/secrets", str(tmp_path)))

    read = load(path, bootstrap_servers="kafka:9092").pagerduty

    assert read is not None
    assert (read.routing_key_file, read.fallback_after) == (tmp_path / "pagerduty", 120)


def test_the_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that the page sets are known, and enough."""
    (shell,) = [block.text for block in blocks(NAME) if block.language == "sh"]
    for name, value in re.findall(r"^export (\w+)=(.*)$", shell, flags=re.MULTILINE):
        monkeypatch.setenv(name, value.strip("'"))

    settings = load()

    assert (settings.poll_interval, settings.web.port) == (10.0, 8080)
    assert settings.clusters[0].bootstrap_servers == "kafka:9092"
